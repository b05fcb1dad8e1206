"""Stage `audit`: what a score on the published features is worth."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from tmdscope.audit.study import audit
from tmdscope.audit.table import AuditTable, Targets
from tmdscope.dataset.audit import read_split
from tmdscope.dataset.columns import sample_numbers
from tmdscope.dataset.published import read_tables
from tmdscope.dataset.splits import Split
from tmdscope.learn.recorder import Silent
from tmdscope.materials import MATERIALS
from tmdscope.models.tabular import FeatureTable, make_method, table_folds
from tmdscope.params.audit import AuditParams
from tmdscope.params.common import ScoringParams
from tmdscope.params.published_study import ClassifiersParams, PublishedTrackingParams
from tmdscope.params.reading import read_section
from tmdscope.record import write_record
from tmdscope.scores.task import CLASSES
from tmdscope.stage import run_stage
from tmdscope.tracking.provenance import provenance, whereabouts
from tmdscope.tracking.runs import DataUse, start_run
from tmdscope.tracking.store import open_study

NAME = "audit"
PARAMS = Path("pipelines/published_features/params.yaml")
TABLES = Path("data/published/tables")
SPLIT = Path("data/published/split.json")
AUDIT = Path("data/published/audit.json")
RUN = Path("data/published/audit_run.json")
TRAINED = ("mlp", "svc")
"""Classifiers of the study that are run in another order of folds."""


def main() -> None:
    """Write `data/published/audit.json` and log it."""
    torch.set_num_threads(1)  # networks this small spend their time waiting for a second thread
    params = read_section("audit", AuditParams, PARAMS)
    scoring = read_section("scoring", ScoringParams, PARAMS)
    study = open_study(read_section("tracking", PublishedTrackingParams, PARAMS).study)
    tables = read_tables(TABLES)
    split = read_split(SPLIT, tables.manifest)
    row = {image: number for number, image in enumerate(tables.image_ids)}
    table = AuditTable(
        task=CLASSES,
        features=tables.features,
        sample_ids=np.array(tables.sample_ids),
        targets=tables.labels,
        classes=MATERIALS,
        image_sha256=tables.manifest["image_sha256"].to_numpy(),
        order=sample_numbers(tables.sample_ids)[:, 0],
        statistics=tables.descriptors,
    )
    parts = {name: np.array([row[image] for image in ids]) for name, ids in split.parts.items()}
    classifiers = read_section("classifiers", ClassifiersParams, PARAMS)
    runners = {name: (fold_runner(name, table, split, classifiers), len(split.folds)) for name in TRAINED}
    settings = params.model_dump(mode="json")
    tags = {**provenance(study.name, tables.digest, settings), "experiment": NAME}
    data = DataUse(study.name, tables.digest, TABLES.as_posix(), len(table.targets), NAME)
    with start_run(study, NAME, tags, data=data) as run:
        run.params(settings)
        found = audit(table, parts, params, scoring, runners)
        found.write(AUDIT, {"data": tables.digest})
        run.metrics(found.numbers)
        run.artifact(AUDIT)
    write_record(RUN, {**whereabouts(study, tags), "runs": {NAME: run.run_id}}, {"data": tables.digest})
    print(found.verdict.headline)


def fold_runner(
    name: str, table: AuditTable, split: Split, params: ClassifiersParams
) -> Callable[[int], Targets]:
    """Make what trains a classifier on one fold, by number, and predicts the class of every image.

    One object trains all folds, as in the study, so that what it carries over would show.
    """
    features = FeatureTable(table.features, table.sample_ids, table.targets, table.classes)
    method = make_method(name, features, params)
    folds = table_folds(split, [f"{row:04d}" for row in range(len(table.targets))])
    return lambda number: method.predict_fold(folds[number], number, Silent())


if __name__ == "__main__":
    run_stage(main)
