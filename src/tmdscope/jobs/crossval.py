"""Stage `crossval`: methods on a table of features, cross-validated; every fold is an MLflow run."""

from typing import Any

import numpy as np
import torch

from tmdscope.dataset.splits import FoldParts
from tmdscope.jobs.methods import methods_of
from tmdscope.jobs.study import Study
from tmdscope.models.tabular import Method, pooled_predictions, score_parts
from tmdscope.params.common import FoldsParams, ScoringParams
from tmdscope.record import write_record
from tmdscope.scores.classes import confusion_matrix
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.folds import mean_over_folds
from tmdscope.scores.records import StudyScores
from tmdscope.tracking.crossval import TrackedCrossval
from tmdscope.tracking.provenance import provenance, whereabouts
from tmdscope.tracking.runs import DataUse, flatten, start_run
from tmdscope.tracking.store import open_study


def run(study: Study) -> None:
    """Score every method on the folds, and pooled over the outer folds."""
    torch.set_num_threads(1)  # networks this small spend their time waiting for a second thread
    pooled, scoring = study.section("pooled", FoldsParams), study.section("scoring", ScoringParams)
    tracked, cohort = open_study(study.experiment), study.cohort(study)
    folds = cohort.rows(cohort.read_split(study.layout.split))
    methods, of = methods_of(study, cohort), study.of(cohort.digest)
    settings = {name: dict(method.settings) for name, method in methods.items()}
    tags = provenance(tracked.name, cohort.digest, settings)
    tags |= {"split.sha256": of["split"]}
    data = DataUse(tracked.name, cohort.digest, study.source.as_posix(), len(cohort), "crossval")
    scores, runs, plain = {}, {}, cohort.task.plain
    for name, method in methods.items():
        own = {**tags, "experiment": name}
        with start_run(tracked, name, own, data=data) as run:
            run.params(settings[name])
            found: dict[str, Any] = score_folds(method, cohort, folds, TrackedCrossval(run, own, data))
            predicted = pooled_predictions(method, cohort, pooled.test_folds, pooled.folds)
            found["pooled"] = cohort.pooled(np.arange(len(cohort)), predicted, scoring)
            numbers = {key: value for key, value in flatten(found).items() if isinstance(value, int | float)}
            run.metrics(numbers)
        if cohort.classes:
            counts = confusion_matrix(cohort.targets, predicted, len(cohort.classes)).tolist()
            found["confusion"] = counts
        scores[name], runs[name] = found, run.run_id
        print(
            f"{name}: validation {plain.tell(found[f'val_{plain.name}']['mean'])}, "
            f"test {plain.tell(found[f'test_{plain.name}']['mean'])}, "
            f"pooled {plain.tell(found['pooled'][plain.name])}"
        )
    StudyScores.parse(scores).write(study.layout.scores, of)
    write_record(study.layout.run, {**whereabouts(tracked, tags), "runs": runs}, of)


def score_folds(
    method: Method, cohort: Cohort, folds: list[FoldParts], recorder: TrackedCrossval
) -> dict[str, dict[str, float]]:
    """Run a method on every fold, each in a child run: score to mean and population standard deviation."""
    scores = []
    for number, parts in enumerate(folds):
        with recorder.fold(number) as listener:
            predicted = method.predict_fold(parts, number, listener)
            scores.append(score_parts(cohort.task, cohort.targets, predicted, parts))
            listener.finish(scores[-1], None)
    return mean_over_folds(scores)
