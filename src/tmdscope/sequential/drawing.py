"""Draws of the held-out test that all stages of a sequence share, and the intervals that they give."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tmdscope.learn.crossval import FoldResult
from tmdscope.params.common import ScoringParams
from tmdscope.params.sequential import Encoding, Volume
from tmdscope.scores.bootstrap import is_bootstrap_enough, percentile_interval
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.intervals import Bounds
from tmdscope.sequential.plan import Arm
from tmdscope.sequential.run import StageResult

_BLOCK = 100

Scores = NDArray[np.float64]


class Cell(NamedTuple):
    """What a bar of the paper's Figure 4 shows; stages are numbered from 0."""

    arm: Arm
    encoding: Encoding
    stage: int
    volume: Volume


@dataclass(frozen=True)
class Drawn:
    """A score of the held-out test, or a difference of scores, over draws that all cells share.

    `plain` is over samples and members drawn with replacement, shape (draws,), NaN where a draw holds no
    image; `low` and `high` over weighed samples and drawn members, with one more sample that is at the low or
    high end. `says` is `Task.says` of each sample alone, shape (samples,); NaN of those that are not in the
    test.
    """

    plain: Scores
    low: Scores
    high: Scores
    says: Scores

    def less(self, other: "Drawn") -> "Drawn":
        """Give the difference: one more sample speaks against the first as strongly as for the other."""
        return Drawn(
            self.plain - other.plain, self.low - other.high, self.high - other.low, self.says - other.says
        )

    def interval(self, value: float) -> Bounds:
        """Give the 95 % interval, which holds the score itself; None with fewer than two samples."""
        says = self.says[np.isfinite(self.says)]
        if len(says) < 2:
            return None
        if is_bootstrap_enough(says):
            low, high = percentile_interval(self.plain)
        else:
            low, high = np.percentile(self.low, 2.5), np.percentile(self.high, 97.5)
        return min(float(low), value), max(float(high), value)


def mean_drawn(found: Sequence[Drawn]) -> Drawn:
    """Give the mean of differences, draw by draw; what a sample says is over those that hold it."""
    parts = (np.stack([getattr(one, name) for one in found]) for name in ("plain", "low", "high"))
    says = np.stack([one.says for one in found])
    known = np.isfinite(says).sum(axis=0)
    mean = np.divide(np.nansum(says, axis=0), known, out=np.full(len(known), np.nan), where=known > 0)
    plain, low, high = (part.mean(axis=0) for part in parts)
    return Drawn(plain, low, high, mean)


def members_of(found: Sequence[StageResult]) -> list[FoldResult]:
    """List the members of a cell: every fold of every seed; those of two cells are paired by their places."""
    return [fold for result in found for fold in result.folds]


def draw_cells(
    cells: Mapping[Cell, Sequence[StageResult]], cohort: Cohort, scoring: ScoringParams
) -> dict[Cell, Drawn]:
    """Draw the test's primary metric of every cell, mean over members: the same samples and members for all.

    A cell's results are one for each seed; targets of the cohort are in the order of the classes' coming.
    """
    task, resamples = cohort.task, scoring.bootstrap
    everything = max((found[0].parts[0].test for found in cells.values()), key=len)
    names = np.unique(cohort.sample_ids[everything])
    members = len(members_of(next(iter(cells.values()))))
    rng = np.random.default_rng(scoring.seed)
    samples_drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    members_drawn = rng.multinomial(members, np.full(members, 1 / members), size=resamples) / members
    weights = rng.dirichlet(np.ones(len(names) + 1), size=resamples)

    def score(draws: NDArray[Any], counts: NDArray[Any]) -> Scores:
        blocks = np.split(draws.astype(np.float64), range(_BLOCK, resamples, _BLOCK))
        flat = counts.reshape(len(counts), -1)
        scores = [task.primary.of((block @ flat).reshape(-1, *counts.shape[1:])) for block in blocks]
        summed: Scores = (np.concatenate(scores) * members_drawn).sum(axis=1)
        return summed

    drawn = {}
    for cell, found in cells.items():
        rows = found[0].parts[0].test
        sample = np.searchsorted(names, cohort.sample_ids[rows])
        tested = np.unique(sample)
        predicted = np.stack([fold.probabilities[rows].argmax(axis=1) for fold in members_of(found)])
        counted = task.count(cohort.targets[rows], predicted, sample).swapaxes(0, 1)
        counts = np.zeros((len(names), *counted.shape[1:]), dtype=counted.dtype)
        counts[tested] = counted
        ends = task.extremes(counted[:, 0])[:: 1 if task.primary.higher_is_better else -1]
        low, high = (
            score(weights, np.concatenate([counts, np.broadcast_to(end, (1, *counts.shape[1:]))]))
            for end in ends
        )
        says = np.full(len(names), np.nan)
        says[tested] = task.says(counted.sum(axis=1))
        drawn[cell] = Drawn(score(samples_drawn, counts), low, high, says)
    return drawn
