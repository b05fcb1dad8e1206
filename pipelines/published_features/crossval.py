"""Stage `crossval`: classifiers on the published features; every fold is an MLflow run."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tmdscope.dataset.audit import read_split
from tmdscope.dataset.published import read_tables
from tmdscope.learn.crossval import FoldParts
from tmdscope.learn.summary import Cohort
from tmdscope.materials import MATERIALS
from tmdscope.models.tabular import (
    METHODS,
    FeatureTable,
    Method,
    make_method,
    mean_over_folds,
    pooled_predictions,
    score_parts,
    table_folds,
)
from tmdscope.params.common import FoldsParams, ScoringParams
from tmdscope.params.published_study import ClassifiersParams, PublishedTrackingParams
from tmdscope.params.reading import read_section
from tmdscope.record import write_record
from tmdscope.scores.classes import confusion_matrix
from tmdscope.scores.records import StudyScores
from tmdscope.scores.task import CLASSES
from tmdscope.stage import run_stage
from tmdscope.tracking.crossval import TrackedCrossval
from tmdscope.tracking.provenance import provenance, whereabouts
from tmdscope.tracking.runs import DataUse, flatten, start_run
from tmdscope.tracking.store import open_study

PARAMS = Path("pipelines/published_features/params.yaml")
TABLES = Path("data/published/tables")
SPLIT = Path("data/published/split.json")
SCORES = Path("data/published/scores.json")
RUN = Path("data/published/run.json")


def main() -> None:
    """Score every classifier on the folds, and pooled over the outer folds."""
    torch.set_num_threads(1)  # networks this small spend their time waiting for a second thread
    params = read_section("classifiers", ClassifiersParams, PARAMS)
    pooled = read_section("pooled", FoldsParams, PARAMS)
    scoring = read_section("scoring", ScoringParams, PARAMS)
    study = open_study(read_section("tracking", PublishedTrackingParams, PARAMS).study)
    tables = read_tables(TABLES)
    split = read_split(SPLIT, tables.manifest)
    table = FeatureTable(tables.features, np.array(tables.sample_ids), tables.labels, MATERIALS)
    folds = table_folds(split, tables.image_ids)
    cohort = Cohort(
        CLASSES, tables.labels, table.sample_ids, tables.distinct, scoring.bootstrap, scoring.seed
    )
    settings = params.model_dump(mode="json")
    tags = provenance(study.name, tables.digest, settings)
    data = DataUse(study.name, tables.digest, TABLES.as_posix(), len(table.labels), "crossval")
    scores, runs, plain = {}, {}, CLASSES.plain
    for name in METHODS:
        method = make_method(name, table, params)
        with start_run(study, name, {**tags, "experiment": name}, data=data) as run:
            run.params({"seed": params.seed, **settings.get(name, {})})
            found: dict[str, Any] = score_folds(
                method, table, folds, TrackedCrossval(run, {**tags, "experiment": name}, data)
            )
            everything = np.arange(len(table.labels))
            predicted = pooled_predictions(method, table, pooled.test_folds, pooled.folds)
            found["pooled"] = cohort.pooled(everything, predicted)
            numbers = {key: value for key, value in flatten(found).items() if isinstance(value, int | float)}
            run.metrics(numbers)
        counts = confusion_matrix(table.labels, predicted, len(table.classes)).tolist()
        scores[name], runs[name] = {**found, "confusion": counts}, run.run_id
        print(
            f"{name}: validation {found[f'val_{plain.name}']['mean']:{plain.form}}, "
            f"test {found[f'test_{plain.name}']['mean']:{plain.form}}, "
            f"pooled {found['pooled'][plain.name]:{plain.form}}"
        )
    StudyScores.parse(scores).write(SCORES, {"data": tables.digest})
    write_record(RUN, {**whereabouts(study, tags), "runs": runs}, {"data": tables.digest})


def score_folds(
    method: Method, table: FeatureTable, folds: list[FoldParts], recorder: TrackedCrossval
) -> dict[str, dict[str, float]]:
    """Run a method on every fold, each in a child run: score to mean and population standard deviation."""
    scores = []
    for number, parts in enumerate(folds):
        with recorder.fold(number) as listener:
            predicted = method.predict_fold(parts, number, listener)
            scores.append(score_parts(CLASSES, table.labels, predicted, parts))
            listener.finish(scores[-1], None)
    return mean_over_folds(scores)


if __name__ == "__main__":
    run_stage(main)
