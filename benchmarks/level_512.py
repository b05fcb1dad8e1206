"""The paper's levelling of 512 x 512 px, against the same done plainly: least squares, row by row."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tmdscope.scan.level import PAPER, SCAR_THRESHOLD, flatten
from tmdscope.scan.surface import correlated_field

NAME = "level-512"
UNIT = "scans/s"
ITEMS = 4
SIZE_PX = 512


def ours() -> None:
    """Level the scans with the steps of the package."""
    for scan in scans():
        flatten(scan, PAPER)


def baseline() -> None:
    """Level the scans plainly."""
    for scan in scans():
        plain_level(scan)


def plain_level(height_nm: NDArray[np.float32]) -> NDArray[np.float64]:
    """Level a scan as the paper's code does: fits to all pixels, loops over rows.

    Parameters
    ----------
    height_nm : numpy.ndarray
        Heights in nm, shape (rows, columns).

    Returns
    -------
    numpy.ndarray
        Levelled heights in nm, same shape.
    """
    height = height_nm.astype(np.float64)
    y, x = (axis.ravel().astype(float) for axis in np.mgrid[: height.shape[0], : height.shape[1]])
    one = np.ones(x.size)
    for design in (np.column_stack([one, x, y]), np.column_stack([one, x, x**2, y])):
        fit = design @ np.linalg.lstsq(design, height.ravel(), rcond=None)[0]
        height = height - fit.reshape(height.shape)
    mended = height.copy()
    for row in range(1, len(height) - 1):
        above, here, below = height[row - 1 : row + 2]
        scar = np.abs(above - below) < SCAR_THRESHOLD * np.abs(here - below)
        mended[row, scar] = above[scar]
    columns = np.arange(height.shape[1])
    for line in mended:
        line -= np.polyval(np.polyfit(columns, line, 2), columns)
    plain: NDArray[np.float64] = ndimage.median_filter(mended, size=2)
    return plain


@cache
def scans() -> list[NDArray[np.float32]]:
    """Make rough tilted surfaces with rows that jump, in nm.

    Returns
    -------
    list of numpy.ndarray
        float32, shape (512, 512).
    """
    rng = np.random.default_rng(1)
    tilt = np.linspace(0, 20, SIZE_PX)
    made = []
    for _ in range(ITEMS):
        rough = correlated_field(SIZE_PX, 12.0, rng) + 0.05 * rng.standard_normal((SIZE_PX, SIZE_PX))
        made.append((rough + tilt + 0.3 * rng.standard_normal((SIZE_PX, 1))).astype(np.float32))
    return made
