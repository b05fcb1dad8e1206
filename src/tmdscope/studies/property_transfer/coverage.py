"""How often values of compounds that were not learnt from lie inside prediction intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tmdscope.params.common import ScoringParams
from tmdscope.scores.bootstrap import mean_with_interval

Values = NDArray[np.float64]

LEVELS = (0.8, 0.9, 0.95)
"""Levels of prediction intervals whose coverage is measured."""


@dataclass(frozen=True)
class Coverage:
    """Of a level: the share of compounds whose value lay inside, with its interval, and the mean width."""

    share: float
    ci95: tuple[float, float] | None
    width: float


def measure_coverage(
    values: Values, bounds: Mapping[float, Values], groups: Sequence[str], scoring: ScoringParams
) -> dict[str, Coverage]:
    """Measure it for bounds, shape (N, 2), by their level."""
    found = {}
    for level, (low, high) in {level: own.T for level, own in bounds.items()}.items():
        inside = ((low <= values) & (values <= high)).astype(np.float64)
        share = mean_with_interval(inside, groups, scoring.bootstrap, scoring.seed, (0, 1))
        assert share.mean is not None  # every compound counts
        found[f"{level:g}"] = Coverage(share.mean, share.ci95, float(np.mean(high - low)))
    return found
