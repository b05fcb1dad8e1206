"""A search over the settings of an experiment on images: what it rests on, and what it leaves."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import torch

from tmdscope.dataset.audit import read_split
from tmdscope.dataset.store import Dataset
from tmdscope.errors import UserError
from tmdscope.files import sha256_file, write_table, write_text
from tmdscope.jobs.study import Study
from tmdscope.learn.experiment import Experiment, make_experiment
from tmdscope.memory import keep_freed_memory
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.images import DataParams
from tmdscope.params.reading import write_settings
from tmdscope.params.search import BEST_PARAMS, SEARCHED, Searched, experiment_of, read_search
from tmdscope.run_record import SearchRun
from tmdscope.scores.scored import RUN
from tmdscope.search.experiments import ExperimentObjective, with_settings
from tmdscope.search.outcome import SearchOutcome
from tmdscope.stage import say
from tmdscope.tracking.provenance import identity, provenance, whereabouts
from tmdscope.tracking.runs import DataUse
from tmdscope.tracking.search import (
    SearchTask,
    await_search,
    join_search,
    lead_search,
    open_searches,
    study_name,
)
from tmdscope.tracking.store import open_study, search_storage_url
from tmdscope.vision.features import best_device
from tmdscope.vision.stored import VALUES

NAME = "search"


def make_task(study: Study, experiment: str) -> SearchTask:
    """Prepare the search of an experiment from what the stages before it wrote.

    It is named after the experiment and what determines its scores, so that a change of data, settings or
    code begins a new study; more trials go on with the same.
    """
    keep_freed_memory()
    layout, classes = study.layout, study.section("data", DataParams).classes
    search, base = read_search(experiment, layout.settings)
    dataset = Dataset.load(layout.prepared)
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


def search_experiment(study: Study, experiment: str) -> SearchOutcome:
    """Search the settings of an experiment, or go on with its search, and write what was found.

    Its folder gets ``best_params.yaml`` (the experiment with the settings found), ``trials.csv``,
    ``search.json`` and ``run.json``. `UserError` where no trial is complete.
    """
    task, folder = make_task(study, experiment), study.layout.searches / experiment
    storage, tracked = open_searches(), open_study(study.experiment, NAME)
    found, run_id = lead_search(tracked, storage, task)
    _write_outcome(folder, task, found)
    made = SearchRun(task.name, storage.shown, run_id, **whereabouts(tracked, task.tags))
    of = {key: task.identity[key] for key in ("data", "split")}
    made.write(folder / RUN, of)
    return found


def join_experiment_search(study: Study, name: str, wait_s: float = 0.0) -> int:
    """Work on the search of an experiment that another process leads, and count the trials that ended here.

    `name` is Optuna's, or the experiment's for the search of what is here; it is waited for up to `wait_s` s.
    `UserError` where there is none, it is about other data, settings or code, its storage is for one process,
    or its runs are in another MLflow store.
    """
    experiment = experiment_of(name, study.layout.settings)
    task = make_task(study, experiment)
    if name != experiment:
        task = replace(task, name=name)
    _require_server()
    storage = open_searches()
    await_search(storage, task.name, wait_s)
    return join_search(open_study(study.experiment, NAME), storage, task)


@contextmanager
def local_workers(experiment: str, count: int, params: Path) -> Iterator[None]:
    """Let other processes of this machine work on a search while this one leads it.

    There are `count` beside this one; each gets its share of the cores. `UserError` where the storage of
    searches is for one process.
    """
    if count:
        _require_server()
    threads = max(1, (os.cpu_count() or 1) // (count + 1))
    command = [sys.executable, "-m", "tmdscope.cli", "search-worker", experiment]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    if count:
        torch.set_num_threads(threads)
    started = [
        subprocess.Popen(  # noqa: S603
            [*command, "--wait", "600", "--params", str(params)], env=environment
        )
        for _ in range(count)
    ]
    try:
        yield
    except BaseException:
        for process in started:
            process.terminate()  # it gives its trial back
        raise
    finally:
        for process in started:  # after the last trial each ends by itself
            if process.wait() > 0:
                say(f"a worker (process {process.pid}) failed, with exit status {process.returncode}")


def _require_server() -> None:
    if (url := search_storage_url()).startswith("sqlite:"):
        raise UserError(
            f"{url} is for one process; name a PostgreSQL database in TMDSCOPE_SEARCH_STORAGE to search with "
            "more"
        )


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
