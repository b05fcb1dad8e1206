"""Means over folds, and the parts of a fold."""

from collections.abc import Sequence
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
