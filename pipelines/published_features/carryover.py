"""Stage `carryover`: a warning, what layers carried over from fold to fold do to validation scores."""

from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch

from tmdscope.dataset.audit import read_split
from tmdscope.dataset.published import read_tables
from tmdscope.learn.crossval import FoldResult
from tmdscope.learn.recorder import Recorder
from tmdscope.materials import MATERIALS
from tmdscope.models.carryover import SERIES, compare, fold_scores, run_series
from tmdscope.models.tabular import FeatureTable, table_folds
from tmdscope.params.published_study import CarryoverParams, PublishedTrackingParams
from tmdscope.params.reading import read_section
from tmdscope.record import write_record
from tmdscope.scores.metrics import mean_std
from tmdscope.stage import run_stage
from tmdscope.tracking.crossval import TrackedCrossval
from tmdscope.tracking.provenance import provenance, whereabouts
from tmdscope.tracking.runs import DataUse, TrackedRun, flatten, start_run
from tmdscope.tracking.store import open_study

NAME = "carryover"
PARAMS = Path("pipelines/published_features/params.yaml")
TABLES = Path("data/published/tables")
SPLIT = Path("data/published/split.json")
SCORES = Path("data/published/carryover.json")
RUN = Path("data/published/carryover_run.json")


def main() -> None:
    """Train both series for every seed; `carryover.enabled: false` leaves all of it out."""
    torch.set_num_threads(1)  # networks this small spend their time waiting for a second thread
    params = read_section("carryover", CarryoverParams, PARAMS)
    tracking = read_section("tracking", PublishedTrackingParams, PARAMS)
    tables = read_tables(TABLES)
    of = {"data": tables.digest}
    if not params.enabled:
        write_record(SCORES, {"enabled": False}, of)
        write_record(RUN, {"runs": {}}, of)
        print(f"not run: carryover.enabled is false in {PARAMS}")
        return
    study = open_study(tracking.study)
    table = FeatureTable(tables.features, np.array(tables.sample_ids), tables.labels, MATERIALS)
    folds = table_folds(read_split(SPLIT, tables.manifest), tables.image_ids)
    settings = params.model_dump(mode="json")
    tags = {**provenance(study.name, tables.digest, settings), "experiment": NAME}
    data = DataUse(study.name, tables.digest, TABLES.as_posix(), len(tables.labels), NAME)
    trials: dict[int, dict[str, dict[str, list[float]]]] = {seed: {} for seed in params.seeds}
    with start_run(study, NAME, tags, data=data) as run:
        run.params(settings)
        for seed, series in product(params.seeds, SERIES):
            train = partial(run_series, series, seed, table, folds, params)
            trials[seed][series] = track_series(
                run, {**tags, "series": series, "seed": str(seed)}, data, train
            )
        found = compare(trials)
        run.metrics(flatten({"gain": found["gain"]}))
    write_record(SCORES, {"enabled": True, **found}, of)
    write_record(RUN, {**whereabouts(study, tags), "runs": {NAME: run.run_id}}, of)
    gain = {name: 100 * score["mean"] for name, score in found["gain"].items()}
    print(
        f"layers carried from fold to fold: validation {gain['val_accuracy']:+.1f} points, "
        f"test {gain['test_accuracy']:+.1f}, mean of {len(trials)} seeds"
    )


def track_series(
    parent: TrackedRun, tags: dict[str, str], data: DataUse, train: Callable[[Recorder], list[FoldResult]]
) -> dict[str, list[float]]:
    """Run one series of one seed in a child run, which has a child for every fold: scores by fold."""
    name = f"{tags['series']}-seed-{tags['seed']}"
    with start_run(parent.study, name, tags, parent, data) as run:
        scores = fold_scores(train(TrackedCrossval(run, tags, data)))
        run.metrics(flatten({score: mean_std(values) for score, values in scores.items()}))
    return scores


if __name__ == "__main__":
    run_stage(main)
