"""Methods cross-validated, over folds and pooled; every fold is an MLflow run."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from tmdscope.dataset.splits import FoldParts
from tmdscope.jobs.study import Study
from tmdscope.jobs.tracked import tracked_stage
from tmdscope.models.registry import Targets
from tmdscope.models.tabular import Method, pooled_predictions, score_parts
from tmdscope.params.common import FoldsParams, ScoringParams
from tmdscope.record import write_record
from tmdscope.scores.classes import confusion_matrix
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.folds import mean_over_folds
from tmdscope.scores.records import StudyScores
from tmdscope.tracking.crossval import TrackedCrossval
from tmdscope.tracking.runs import numbers


def cross_validate_methods(study: Study, cohort: Cohort, methods: Mapping[str, Method]) -> dict[str, Targets]:
    """Write the scores of methods and where their runs are; gives the pooled predictions of each."""
    torch.set_num_threads(1)  # networks this small spend their time waiting for a second thread
    pooled, scoring = study.section("pooled", FoldsParams), study.section("scoring", ScoringParams)
    folds, plain = cohort.rows(cohort.read_split(study.layout.split)), cohort.task.plain
    settings = {name: dict(method.settings) for name, method in methods.items()}
    scores, runs, said = {}, {}, {}
    with tracked_stage(study, "crossval", cohort, settings) as tracked:
        for name, method in methods.items():
            tags = {"experiment": name}
            with tracked.run(name, tags) as run:
                run.params(settings[name])
                found: dict[str, Any] = score_folds(method, cohort, folds, tracked.folds(run, tags))
                predicted = pooled_predictions(method, cohort, pooled.test_folds, pooled.folds)
                found["pooled"] = cohort.pooled(np.arange(len(cohort)), predicted, scoring)
                run.metrics(numbers(found))
            if cohort.classes:
                counts = confusion_matrix(cohort.targets, predicted, len(cohort.classes))
                found["confusion"] = counts.tolist()
            scores[name], runs[name], said[name] = found, run.run_id, predicted
            val, test = (found.get(f"{part}_{plain.name}", {}).get("mean") for part in ("val", "test"))
            print(
                f"{name}: validation {plain.tell(val)}, test {plain.tell(test)}, "
                f"pooled {plain.tell(found['pooled'][plain.name])}"
            )
        StudyScores.parse(scores).write(study.layout.scores, tracked.of)
        write_record(study.layout.run, {**tracked.where, "runs": runs}, tracked.of)
    return said


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
