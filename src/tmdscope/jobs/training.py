"""Cross-validating an experiment on images: every fold is an MLflow run, and the results lie in a folder."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tmdscope.dataset.audit import read_split
from tmdscope.dataset.store import Dataset
from tmdscope.files import write_table
from tmdscope.jobs.compiler import Compiler
from tmdscope.jobs.study import Study
from tmdscope.learn.experiment import files_of, make_experiment
from tmdscope.learn.resume import Resume
from tmdscope.learn.summary import confusion_pairs, mean_confusion, mean_history
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import ExperimentParams, Strategy
from tmdscope.params.images import PrepareParams
from tmdscope.scores.records import ExperimentScores
from tmdscope.scores.scored import FACTS, PREDICTIONS, RUN, SCORES
from tmdscope.tracking.crossval import Trained, track_experiment
from tmdscope.tracking.provenance import identity, machine, provenance
from tmdscope.tracking.runs import DataUse, Dossier, TrackedRun
from tmdscope.tracking.store import open_study
from tmdscope.vision.features import best_device


@dataclass(frozen=True)
class Training:
    """Which experiment is cross-validated, and on what.

    `classes` are in the order of labels, `origin` is the source of the images in one word; `searched` is the
    selection score of the search that found the settings.
    """

    name: str
    params: ExperimentParams
    dataset: Dataset
    classes: Sequence[str]
    prepare: PrepareParams
    origin: str
    searched: float | None = None


def cross_validate(study: Study, training: Training) -> None:
    """Train, track and write an experiment, on the study's split; what was killed goes on."""
    layout, name, params, dataset = study.layout, training.name, training.params, training.dataset
    if params.strategy is Strategy.FEATURES:
        torch.set_num_threads(1)  # networks this small spend their time waiting for a second thread
    scoring, called = study.section("scoring", ScoringParams), study.experiment
    folds = read_split(layout.split, dataset.digest, dataset.manifest).rows(dataset.image_ids)
    stored = layout.features, layout.pretrained
    experiment = make_experiment(params, dataset, training.classes, *stored, best_device())
    settings = params.model_dump(mode="json")
    compiler = Compiler(dataset, folds, training.prepare, scoring, training.origin)

    def on_results(run: TrackedRun, trained: Trained) -> Dossier:
        run.params(settings)
        dossier = compiler.compile(trained, settings, training.searched)
        _write_results(study, name, dossier, trained, of)
        for path in sorted((layout.experiment_plots / name).iterdir()):
            run.artifact(path)
        return dossier

    tags = provenance(called, dataset.digest, settings)
    of = study.of(dataset.digest)
    tags |= {"precision": experiment.settings.precision.value, "split.sha256": of["split"]}
    resume = open_attempt(study, name, params, tags, training.classes)
    data = DataUse(called, dataset.digest, layout.prepared.as_posix(), len(dataset.images), "crossval")
    record = track_experiment(open_study(called), name, tags, data, experiment, folds, on_results, resume)
    results = [
        layout.experiments / name / PREDICTIONS,
        *sorted((layout.experiment_plots / name).iterdir()),
    ]
    record.write(layout.experiments / name / RUN, of, results)
    resume.finish()


def open_attempt(
    study: Study, name: str, params: ExperimentParams, tags: dict[str, str], classes: Sequence[str]
) -> Resume:
    """Go on with an interrupted cross-validation of the same data, settings and code, or begin one."""
    layout = study.layout
    files = {"split": layout.split, **files_of(params, layout.features, layout.pretrained)}
    return Resume.open(layout.attempts / name, identity(tags, classes, **files), machine(tags))


def _write_results(study: Study, name: str, dossier: Dossier, trained: Trained, of: dict[str, str]) -> None:
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
