"""A search over the settings of one network on images: what it rests on, and what it leaves."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tmdscope.dataset.audit import read_split
from tmdscope.dataset.store import Dataset
from tmdscope.files import sha256_file, write_table, write_text
from tmdscope.jobs.study import Study
from tmdscope.learn.experiment import Experiment, make_experiment
from tmdscope.memory import keep_freed_memory
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.reading import write_settings
from tmdscope.params.search import BEST_PARAMS, SEARCHED, Searched, SearchParams
from tmdscope.run_record import SearchRun
from tmdscope.scores.scored import RUN
from tmdscope.search.experiments import ExperimentObjective, with_settings
from tmdscope.search.outcome import SearchOutcome
from tmdscope.tracking.provenance import identity, provenance, whereabouts
from tmdscope.tracking.runs import DataUse
from tmdscope.tracking.search import SearchTask, lead_search, open_searches, study_name
from tmdscope.tracking.store import open_study
from tmdscope.vision.features import best_device
from tmdscope.vision.stored import VALUES

NAME = "search"


def task_of(
    study: Study,
    experiment: str,
    asked: tuple[SearchParams, ExperimentParams],
    dataset: Dataset,
    classes: Sequence[str],
) -> SearchTask:
    """Prepare a search over the settings of an experiment on some images; classes are in label order."""
    keep_freed_memory()
    layout, (search, base) = study.layout, asked
    parts = read_split(layout.split, dataset.digest, dataset.manifest).rows(dataset.image_ids)
    device = best_device()

    def make(params: ExperimentParams) -> Experiment:
        return make_experiment(params, dataset, classes, layout.features, layout.pretrained, device)

    objective = ExperimentObjective(search, base, make, parts)
    settings = {
        "experiment": base.model_dump(mode="json"),
        "search": search.model_dump(mode="json", exclude={"trials"}),
    }
    name = study.experiment
    tags = provenance(name, dataset.digest, settings)
    seen = {path.parent.name: sha256_file(path) for path in sorted(layout.features.glob(f"*/{VALUES}"))}
    weights = {"weights": layout.pretrained} if layout.pretrained.is_file() else {}
    determining = identity(tags, classes, split=layout.split, features=seen, **weights)
    return SearchTask(
        name=study_name(experiment, determining),
        params=search,
        objective=objective,
        identity=determining,
        run=f"search-{experiment}",
        tags={**tags, "experiment": experiment},
        data=DataUse(name, dataset.digest, study.source.as_posix(), len(objective.rows), NAME),
    )


def run_search(study: Study, experiment: str, task: SearchTask) -> SearchOutcome:
    """Work on a search to its end, or go on with it, and write what was found.

    The experiment's folder gets ``best_params.yaml`` (the experiment with the settings found),
    ``trials.csv``, ``search.json`` and ``run.json``. `UserError` where no trial is complete.
    """
    folder = study.layout.searches / experiment
    storage, tracked = open_searches(), open_study(study.experiment, NAME)
    found, run_id = lead_search(tracked, storage, task)
    _write_outcome(folder, task, found)
    made = SearchRun(task.name, storage.shown, run_id, **whereabouts(tracked, task.tags))
    of = {key: task.identity[key] for key in ("data", "split")}
    made.write(folder / RUN, of)
    return found


def _write_outcome(folder: Path, task: SearchTask, found: SearchOutcome) -> None:
    assert isinstance(task.objective, ExperimentObjective)
    best = with_settings(task.objective.base, found.settings).model_dump(mode="json", exclude_none=True)
    header = (
        f"# Found by study {task.name}: trial {found.trial} of {found.progress.over}, mean validation macro "
        f"F1 {found.value:.4f} over {len(found.folds)} folds.\n"
    )
    write_text(folder / BEST_PARAMS, header + write_settings(best))
    write_table(folder / "trials.csv", found.trials)
    searched = Searched(
        study=task.name,
        sampler=task.params.sampler,
        seed=task.params.seed,
        images=task.data.images,
        value=found.value,
        folds=found.folds,
        selection=found.selection,
        trial=found.trial,
        settings=found.settings,
        progress=asdict(found.progress),
        epochs=found.epochs,
        importance=found.importance,
        space=dict(task.params.space),
    )
    of = {key: task.identity[key] for key in ("data", "split")}
    searched.write(folder / SEARCHED, of, [folder / BEST_PARAMS, folder / "trials.csv"])
