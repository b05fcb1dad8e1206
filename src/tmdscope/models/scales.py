"""What settings are measured in: widths of kernels and radii, by the training images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from tmdscope.errors import UserError

Features = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]
Targets = NDArray[Any]


class FamilyError(UserError):
    """A method cannot be fitted with its settings; the message names the family and says why."""


def kernel_width(gamma: float, inputs: Features) -> float:
    """Give a kernel's gamma, in units of scikit-learn's `scale`: 1 / (values x variance)."""
    spread: float = inputs.shape[1] * float(inputs.astype(np.float64).var())
    if spread == 0:
        raise FamilyError("all features are equal: the kernel has no width")
    return gamma / spread


def median_distance(inputs: Features, minkowski: int = 2) -> float:
    """Give the median distance between two images, shape (N, F)."""
    distances = pdist(inputs, "minkowski", p=minkowski) if len(inputs) > 1 else np.zeros(1)
    found = float(np.median(distances))
    if found == 0:
        raise FamilyError("half of the images or more are equal: distances have no unit")
    return found
