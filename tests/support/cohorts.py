"""Cohorts of feature vectors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmdscope.scores.cohort import Cohort
from tmdscope.scores.task import CLASSES, Task


def make_cohort(
    features: NDArray[Any] | None,
    sample_ids: Sequence[Any] | NDArray[Any],
    targets: NDArray[Any],
    classes: tuple[str, ...],
    task: Task = CLASSES,
    hashes: NDArray[Any] | None = None,
) -> Cohort:
    """Rows of features, named by their number; without other hashes all are different images."""
    ids = np.array([f"{row:04d}" for row in range(len(targets))], dtype=object)
    own = ids if hashes is None else hashes
    return Cohort(task, ids, np.asarray(sample_ids), own, targets, classes, features=features, row="image")
