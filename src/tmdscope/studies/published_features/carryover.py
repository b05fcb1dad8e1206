"""Stage `carryover`: a warning, what layers carried over from fold to fold do to validation scores."""

from collections.abc import Callable
from functools import partial
from itertools import product

import torch

from tmdscope.jobs.study import Study
from tmdscope.jobs.tracked import Tracked, tracked_stage
from tmdscope.learn.crossval import FoldResult
from tmdscope.learn.recorder import Recorder
from tmdscope.run_record import NO_RUNS, StageRuns
from tmdscope.scores.folds import mean_std
from tmdscope.studies.published_features.layers import (
    COMPARED,
    SERIES,
    Carryover,
    compare,
    fold_scores,
    run_series,
)
from tmdscope.studies.published_features.params import CarryoverParams
from tmdscope.tracking.runs import TrackedRun, flatten

NAME = "carryover"


def run(study: Study) -> None:
    """Train both series for every seed; `carryover.enabled: false` leaves all of it out."""
    torch.set_num_threads(1)  # networks this small spend their time waiting for a second thread
    params, cohort = study.section("carryover", CarryoverParams), study.cohort(study)
    of, folder = study.of(cohort.digest), study.layout.scores.parent
    scores, runs = folder / "carryover.json", folder / "carryover_run.json"
    if not params.enabled:
        Carryover(enabled=False).write(scores, of)
        NO_RUNS.write(runs, of)
        print(f"not run: carryover.enabled is false in {study.layout.settings}")
        return
    folds = cohort.rows(cohort.read_split(study.layout.split))
    settings, seeds = params.model_dump(mode="json"), params.seeds
    trials: dict[int, dict[str, dict[str, list[float]]]] = {seed: {} for seed in seeds}
    with tracked_stage(study, NAME, cohort, settings) as tracked:
        with tracked.run(NAME, {"experiment": NAME}) as run:
            run.params(settings)
            for seed, series in product(seeds, SERIES):
                train = partial(run_series, series, seed, cohort, folds, params)
                trials[seed][series] = track_series(tracked, run, series, seed, train)
            found = compare(trials)
            run.metrics(flatten({"gain": {name: vars(score) for name, score in found.gain.items()}}))
        found.write(scores, of)
        StageRuns({NAME: run.run_id}, **tracked.where).write(runs, of)
    gain = {name: 100 * score.mean for name, score in found.gain.items()}
    print(
        f"layers carried from fold to fold: validation {gain[COMPARED[0]]:+.1f} points, "
        f"test {gain[COMPARED[1]]:+.1f}, mean of {len(trials)} seeds"
    )


def track_series(
    tracked: Tracked,
    parent: TrackedRun,
    series: str,
    seed: int,
    train: Callable[[Recorder], list[FoldResult]],
) -> dict[str, list[float]]:
    """Run one series of one seed in a child run, which has a child for every fold: scores by fold."""
    tags = {"experiment": NAME, "series": series, "seed": str(seed)}
    with tracked.run(f"{series}-seed-{seed}", tags, parent) as run:
        scores = fold_scores(train(tracked.folds(run, tags)))
        run.metrics(flatten({score: mean_std(values) for score, values in scores.items()}))
    return scores
