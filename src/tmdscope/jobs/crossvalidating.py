"""Methods cross-validated, over folds and pooled; every fold is an MLflow run."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from tmdscope.dataset.splits import FoldParts
from tmdscope.jobs.study import Study
from tmdscope.jobs.tracked import TRAINING, tracked_stage
from tmdscope.models.scales import Targets
from tmdscope.models.tabular import Method, pooled_predictions, score_parts
from tmdscope.params.common import FoldsParams, ScoringParams
from tmdscope.run_record import StageRuns
from tmdscope.scores.classes import confusion_matrix
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.folds import mean_over_folds
from tmdscope.scores.records import StudyScores
from tmdscope.tracking.crossval import TrackedCrossval
from tmdscope.tracking.views import save_views, shown_metrics


def cross_validate_methods(
    study: Study, cohort: Cohort, methods: Mapping[str, Method], verb: str = TRAINING
) -> dict[str, Targets]:
    """Write the scores of methods and where their runs are; gives the pooled predictions of each."""
    torch.set_num_threads(1)  # networks this small spend their time waiting for a second thread
    pooled, scoring = study.section("pooled", FoldsParams), study.section("scoring", ScoringParams)
    folds, task = cohort.rows(cohort.read_split(study.layout.split)), cohort.task
    settings = {name: dict(method.settings) for name, method in methods.items()}
    scores, runs, said = {}, {}, {}
    with tracked_stage(study, verb, cohort, settings) as tracked:
        save_views(tracked.store, task)
        for name, method in methods.items():
            tags = {"experiment": name}
            with tracked.run(name, tags) as run:
                run.params(settings[name])
                found: dict[str, Any] = score_folds(method, cohort, folds, tracked.folds(run, tags))
                predicted = pooled_predictions(method, cohort, pooled.test_folds, pooled.folds)
                found["pooled"] = cohort.pooled(np.arange(len(cohort)), predicted, scoring)
                held_out = {one.name: _mean(found, "test", one.name) for one in task.metrics}
                shown = shown_metrics(task, held_out, found["pooled"])
                run.metrics({key: value for key, value in shown.items() if value is not None})
            if cohort.classes:
                counts = confusion_matrix(cohort.targets, predicted, len(cohort.classes))
                found["confusion"] = counts.tolist()
            scores[name], runs[name], said[name] = found, run.run_id, predicted
            told = {part: task.plain.tell(_mean(found, part, task.plain.name)) for part in ("val", "test")}
            print(
                f"{name}: validation {told['val']}, test {told['test']}, "
                f"pooled {task.plain.tell(found['pooled'][task.plain.name])}"
            )
        StudyScores.parse(scores).write(study.layout.scores, tracked.of)
        StageRuns(runs, **tracked.where).write(study.layout.run, tracked.of)
    return said


def _mean(found: Mapping[str, Any], part: str, metric: str) -> Any:
    """Give a score's mean over folds; None where no fold has it, as precision where nothing is found."""
    return found.get(f"{part}_{metric}", {}).get("mean")


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
