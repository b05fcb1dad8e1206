"""Stage `crossval`: one experiment, cross-validated; every fold is an MLflow run."""

from collections.abc import Sequence

import numpy as np

from tmdscope.dataset.audit import read_split
from tmdscope.dataset.store import Dataset
from tmdscope.errors import UserError
from tmdscope.files import write_table
from tmdscope.jobs.compiler import Compiler
from tmdscope.jobs.study import Study
from tmdscope.learn.experiment import files_of, make_experiment
from tmdscope.learn.resume import Resume
from tmdscope.learn.summary import confusion_pairs, mean_confusion, mean_history
from tmdscope.memory import keep_freed_memory
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.images import DataParams, ModelTrackingParams, PrepareParams
from tmdscope.params.search import BEST_PARAMS, SEARCHED, Searched, read_best_params, tuned_name
from tmdscope.scores.records import ExperimentScores
from tmdscope.scores.scored import FACTS, PREDICTIONS, RUN, SCORES
from tmdscope.stage import name_of_entry
from tmdscope.tracking.crossval import Trained, track_experiment
from tmdscope.tracking.provenance import identity, machine, provenance
from tmdscope.tracking.runs import DataUse, Dossier, TrackedRun
from tmdscope.tracking.store import open_study
from tmdscope.vision.features import best_device

TUNED_OPTION = "--tuned"


def run(study: Study, *arguments: str) -> None:
    """Run the experiment that the command line or DVC names."""
    layout = study.layout
    name, params, searched = read_arguments(study, arguments)
    keep_freed_memory()
    classes = study.section("data", DataParams).classes
    tracking = study.section("tracking", ModelTrackingParams)
    scoring = study.section("scoring", ScoringParams)
    dataset = Dataset.load(layout.prepared)
    folds = read_split(layout.split, dataset.digest, dataset.manifest).rows(dataset.image_ids)
    experiment = make_experiment(params, dataset, classes, layout.features, layout.pretrained, best_device())
    settings = params.model_dump(mode="json")
    prepare = study.section("prepare", PrepareParams)
    compiler = Compiler(dataset, folds, prepare, scoring, study.section("data", DataParams).origin)

    def on_results(run: TrackedRun, trained: Trained) -> Dossier:
        run.params(settings)
        dossier = compiler.compile(trained, settings, searched)
        write_results(study, name, dossier, trained, of)
        for path in sorted((layout.experiment_plots / name).iterdir()):
            run.artifact(path)
        return dossier

    tags = provenance(tracking.study, dataset.digest, settings)
    of = study.of(dataset.digest)
    tags |= {"precision": experiment.settings.precision.value, "split.sha256": of["split"]}
    resume = open_attempt(study, name, params, tags, classes)
    data = DataUse(
        tracking.study, dataset.digest, layout.prepared.as_posix(), len(dataset.images), "crossval"
    )
    record = track_experiment(
        open_study(tracking.study), name, tags, data, experiment, folds, on_results, resume
    )
    files = [
        layout.experiments / name / PREDICTIONS,
        *sorted((layout.experiment_plots / name).iterdir()),
    ]
    record.write(layout.experiments / name / RUN, of, files)
    resume.finish()


def read_arguments(study: Study, arguments: Sequence[str]) -> tuple[str, ExperimentParams, float | None]:
    """Read which experiment to run, if not DVC names it, and its settings.

    ``--tuned`` takes the settings that its search found; the last value is that search's selection score.
    """
    name = name_of_entry([word for word in arguments if word != TUNED_OPTION], "experiments")
    if TUNED_OPTION not in arguments:
        return name, study.section(f"experiments.{name}", ExperimentParams), None
    settings = read_best_params(study.layout.searches / name / BEST_PARAMS)
    found = study.layout.searches / name / SEARCHED
    score = Searched.read(found).selection
    if score is None:
        raise UserError(f"{found} has no selection score: search again, `dvc repro -f search@{name}`")
    return tuned_name(name), settings, score


def open_attempt(
    study: Study, name: str, params: ExperimentParams, tags: dict[str, str], classes: list[str]
) -> Resume:
    """Go on with an interrupted cross-validation of the same data, settings and code, or begin one."""
    layout = study.layout
    files = {"split": layout.split, **files_of(params, layout.features, layout.pretrained)}
    return Resume.open(layout.attempts / name, identity(tags, classes, **files), machine(tags))


def write_results(study: Study, name: str, dossier: Dossier, trained: Trained, of: dict[str, str]) -> None:
    """Write scores, predictions and plots of an experiment, of this ``data`` and ``split`` (SHA-256)."""
    layout = study.layout
    facts, results, task = dossier.facts, trained.results, dossier.facts.task
    labels, test = trained.experiment.examples.labels.cpu().numpy(), trained.folds[0].test
    confusion = np.round(mean_confusion(results, labels, test, len(facts.classes)), 6)
    shown = {"reliability": vars(facts.reliability), "test_confusion": confusion.tolist()}
    ExperimentScores.parse({**facts.scores, **shown}).write(layout.experiments / name / SCORES, of)
    facts.write(layout.experiments / name / FACTS, of)
    write_table(layout.experiments / name / PREDICTIONS, dossier.predictions)
    write_table(layout.experiment_plots / name / "history.csv", mean_history(results, task.primary))
    write_table(layout.experiment_plots / name / "confusion.csv", confusion_pairs(confusion, facts.classes))
    for part in ("val", "test"):
        told = ((metric, facts.over_folds(part, metric)) for metric in task.metrics)
        print(
            f"{name} {part}: "
            + ", ".join(f"{m.title} {m.tell(over.mean)} ± {m.tell(over.std)}" for m, over in told)
        )
