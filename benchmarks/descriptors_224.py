"""The paper's fourteen descriptors of 224 px scans, against plain calls of scikit-image."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.plain_descriptors import describe_plainly
from tmdscope.analysis.descriptors.paper import describe_paper
from tmdscope.materials import MATERIALS
from tmdscope.params.images import DescribeParams
from tmdscope.scan.level import level
from tmdscope.scan.simulate import SamplePlan, simulate_sample

NAME = "descriptors-224"
UNIT = "images/s"
ITEMS = 10

SIZE_PX = 224
SETTINGS = DescribeParams(gaussian_sigma_px=1.0, opening_radius_px=5)


def ours() -> None:
    """Describe every image."""
    for image in images():
        describe_paper(image, SETTINGS)


def baseline() -> None:
    """Describe every image by plain calls, blobs in two dimensions, which is the faster way."""
    for image in images():
        describe_plainly(image, volume=False)


@cache
def images() -> NDArray[np.uint8]:
    """Simulate scans of every material.

    Returns
    -------
    numpy.ndarray
        uint8, shape (10, 224, 224).
    """
    plans = [SamplePlan(f"descriptors-{name}", name, ITEMS // len(MATERIALS)) for name in MATERIALS]
    scans = [scan for plan in plans for scan in simulate_sample(plan, SIZE_PX, 1000.0, 1)]
    return level(np.stack([scan.scan.height_nm for scan in scans]), (0.5, 99.5))
