"""Means over folds, and the parts of a fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PARTS = ("train", "val", "test")
"""Parts of a fold."""


@dataclass(frozen=True)
class MeanStd:
    """A score over folds: mean and population standard deviation."""

    mean: float
    std: float


def mean_std(values: Sequence[float] | NDArray[Any]) -> dict[str, float]:
    """Compute ``mean`` and ``std`` over folds, at least one.

    The latter is of the population (ddof = 0) as in the paper's tables.
    """
    scores = np.asarray(values, dtype=np.float64)
    if not scores.size:
        raise ValueError("no scores: a mean needs at least one fold")
    return {"mean": float(scores.mean()), "std": float(scores.std())}


def mean_over_folds(scores: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Give ``mean`` and population ``std`` of each score over the folds that have it, as a number."""
    names = dict.fromkeys(name for fold in scores for name, value in fold.items() if np.isfinite(value))
    known = {name: [fold[name] for fold in scores if np.isfinite(fold.get(name, np.nan))] for name in names}
    return {name: mean_std(values) for name, values in known.items()}
