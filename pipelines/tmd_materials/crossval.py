"""Stage `crossval`: one experiment, cross-validated; every fold is an MLflow run with its model."""

import sys

import numpy as np

from tmdscope.dataset.audit import read_split
from tmdscope.dataset.store import Dataset
from tmdscope.errors import UserError
from tmdscope.files import sha256_file, write_table
from tmdscope.jobs.compiler import Compiler
from tmdscope.layout import (
    ATTEMPTS,
    EXPERIMENT_PLOTS,
    EXPERIMENTS,
    FEATURES,
    PREPARED,
    PRETRAINED,
    SEARCHES,
    SPLIT,
)
from tmdscope.learn.experiment import fold_parts, make_experiment
from tmdscope.learn.resume import Resume
from tmdscope.learn.summary import confusion_pairs, mean_confusion, mean_history
from tmdscope.memory import keep_freed_memory
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import ExperimentParams, Strategy
from tmdscope.params.materials_study import DataParams, PrepareParams, TrackingParams
from tmdscope.params.reading import read_section
from tmdscope.params.search import BEST_PARAMS, SEARCHED, Searched, read_best_params, tuned_name
from tmdscope.scores.records import ExperimentScores
from tmdscope.scores.scored import FACTS, PREDICTIONS, RUN, SCORES
from tmdscope.stage import name_of_entry, run_stage
from tmdscope.tracking.crossval import Trained, track_experiment
from tmdscope.tracking.provenance import identity, machine, provenance
from tmdscope.tracking.runs import DataUse, Dossier, TrackedRun
from tmdscope.tracking.store import open_study
from tmdscope.vision.features import best_device

TUNED = "--tuned"


def main() -> None:
    """Run the experiment that the command line or DVC names."""
    name, params, searched = read_arguments(sys.argv[1:])
    keep_freed_memory()
    classes = read_section("data", DataParams).classes
    tracking = read_section("tracking", TrackingParams)
    scoring = read_section("scoring", ScoringParams)
    dataset = Dataset.load(PREPARED)
    folds = fold_parts(read_split(SPLIT, dataset.manifest), dataset)
    experiment = make_experiment(params, dataset, classes, FEATURES, PRETRAINED, best_device())
    settings = params.model_dump(mode="json")
    prepare = read_section("prepare", PrepareParams)
    compiler = Compiler(dataset, folds, prepare, scoring, read_section("data", DataParams).origin)

    def on_results(run: TrackedRun, trained: Trained) -> Dossier:
        run.params(settings)
        dossier = compiler.compile(trained, settings, searched)
        write_results(name, dossier, trained, of)
        for path in sorted((EXPERIMENT_PLOTS / name).iterdir()):
            run.artifact(path)
        return dossier

    tags = provenance(tracking.study, dataset.digest, settings)
    tags |= {"precision": experiment.settings.precision.value, "split.sha256": sha256_file(SPLIT)}
    of = {"data": dataset.digest, "split": tags["split.sha256"]}
    resume = open_attempt(name, params, tags, classes)
    data = DataUse(tracking.study, dataset.digest, PREPARED.as_posix(), len(dataset.images), "crossval")
    record = track_experiment(
        open_study(tracking.study), name, tags, data, experiment, folds, on_results, resume
    )
    files = [EXPERIMENTS / name / PREDICTIONS, *sorted((EXPERIMENT_PLOTS / name).iterdir())]
    record.write(EXPERIMENTS / name / RUN, of, files)
    resume.finish()


def read_arguments(arguments: list[str]) -> tuple[str, ExperimentParams, float | None]:
    """Read which experiment to run, if not DVC names it, and its settings.

    ``--tuned`` takes the settings that its search found; the last value is that search's selection score.
    """
    name = name_of_entry([word for word in arguments if word != TUNED], "experiments")
    if TUNED not in arguments:
        return name, read_section(f"experiments.{name}", ExperimentParams), None
    settings = read_best_params(SEARCHES / name / BEST_PARAMS)
    found = SEARCHES / name / SEARCHED
    score = Searched.read(found).selection
    if score is None:
        raise UserError(f"{found} has no selection score: search again, `dvc repro -f search@{name}`")
    return tuned_name(name), settings, score


def open_attempt(name: str, params: ExperimentParams, tags: dict[str, str], classes: list[str]) -> Resume:
    """Go on with an interrupted cross-validation of the same data, settings and code, or begin one."""
    files = {"split": SPLIT, "weights": PRETRAINED}
    if params.strategy is Strategy.FEATURES:
        files["features"] = FEATURES / "features.npy"
    return Resume.open(ATTEMPTS / name, identity(tags, classes, **files), machine(tags))


def write_results(name: str, dossier: Dossier, trained: Trained, of: dict[str, str]) -> None:
    """Write scores, predictions and plots of an experiment, of this ``data`` and ``split`` (SHA-256)."""
    facts, results, task = dossier.facts, trained.results, dossier.facts.task
    labels, test = trained.experiment.examples.labels.cpu().numpy(), trained.folds[0].test
    confusion = np.round(mean_confusion(results, labels, test, len(facts.classes)), 6)
    shown = {"reliability": vars(facts.reliability), "test_confusion": confusion.tolist()}
    ExperimentScores.parse({**facts.scores, **shown}).write(EXPERIMENTS / name / SCORES, of)
    facts.write(EXPERIMENTS / name / FACTS, of)
    write_table(EXPERIMENTS / name / PREDICTIONS, dossier.predictions)
    write_table(EXPERIMENT_PLOTS / name / "history.csv", mean_history(results, task.primary))
    write_table(EXPERIMENT_PLOTS / name / "confusion.csv", confusion_pairs(confusion, facts.classes))
    for part in ("val", "test"):
        told = ((metric, facts.over_folds(part, metric)) for metric in task.metrics)
        print(
            f"{name} {part}: "
            + ", ".join(f"{m.title} {m.tell(over.mean)} ± {m.tell(over.std)}" for m, over in told)
        )


if __name__ == "__main__":
    run_stage(main)
