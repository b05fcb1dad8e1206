"""The baseline that sees no image at all: the nearest neighbour by the number of the sample.

Ids count up over the years and materials were grown in campaigns, so its score shows how much of a result the
split could explain.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from tmdscope.errors import UserError

SAMPLE_ID_ONLY = "sample_id_only"
"""Name of the baseline."""


def make_sample_id_classifier() -> Pipeline:
    """Make the baseline, unfitted: its inputs are sample ids, shape (images,)."""
    return make_pipeline(FunctionTransformer(sample_numbers), KNeighborsClassifier(n_neighbors=1))


def sample_numbers(sample_ids: Sequence[str] | NDArray[Any]) -> NDArray[np.float64]:
    """Read sample ids as numbers, float64, shape (images, 1); the last digits count: ``S0012`` is 12."""
    numbers = []
    for sample in sample_ids:
        digits = re.findall(r"[0-9]+", str(sample))
        if not digits:
            raise UserError(
                f"sample id {str(sample)!r} carries no number, so the baseline {SAMPLE_ID_ONLY!r} "
                "has nothing to go by; leave it out for these samples"
            )
        numbers.append(float(digits[-1]))
    return np.array(numbers).reshape(-1, 1)
