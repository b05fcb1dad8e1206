"""Steps of the paper's levelling beside plane and row medians: surface, scars, row parabolas, median.

Every step works on one height map (rows, columns) or on a stack (N, rows, columns), map by map. What they
compute is what the MoS2 paper's code does with pySPM 0.6.3 (Moses & Reinhart, doi:10.5281/zenodo.8432222).
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCAR_THRESHOLD = 0.5
"""Of pySPM's `filter_scars_removal`, which the paper leaves as it is."""

ROW_DEGREE = 2
"""Of the polynomial that the paper subtracts from every row."""


def remove_surface(height_nm: NDArray[Any], degree_x: int = 2, degree_y: int = 1) -> NDArray[np.float32]:
    """Subtract the sum of a polynomial in x and one in y that fits each map best by least squares.

    There are no mixed terms, as in pySPM's `corr_fit2d`, whose degrees are the defaults. On a full grid the
    terms in x then depend on the means of the columns alone, those in y on the means of the rows. Degrees are
    at least 0 and below the pixels there; float32, each map of mean 0.
    """
    height = np.asarray(height_nm)
    rows, columns = height.shape[-2:]
    along_x = _fit(height.mean(axis=-2, dtype=np.float64), _polynomials(columns, degree_x))
    along_y = _fit(height.mean(axis=-1, dtype=np.float64), _polynomials(rows, degree_y))
    along_y -= along_y.mean(axis=-1, keepdims=True)
    bent: NDArray[np.float32] = np.subtract(height, along_x[..., None, :], dtype=np.float32)
    bent -= along_y[..., :, None].astype(np.float32)
    return bent


def remove_row_polynomials(height_nm: NDArray[Any], degree: int = ROW_DEGREE) -> NDArray[np.float32]:
    """Subtract from every row the polynomial that fits it best by least squares: float32, rows of mean 0.

    The fits of all rows are two matrix products with orthonormal polynomials.
    """
    height = np.asarray(height_nm, dtype=np.float32)
    middle = height.mean(axis=-1, dtype=np.float64, keepdims=True).astype(np.float32)
    centred: NDArray[np.float32] = height - middle
    basis = _polynomials(height.shape[-1], degree).astype(np.float32)
    centred -= (centred @ basis) @ basis.T
    return centred


def remove_scars(height_nm: NDArray[Any], threshold: float = SCAR_THRESHOLD) -> NDArray[Any]:
    """Replace pixels that stand out from the rows above and below by the pixel above.

    A pixel is a scar where its neighbours above and below differ by less than `threshold` (0 finds none)
    times its own difference from the one below. First and last row stay; all comparisons are with the heights
    as given.
    """
    height = np.asarray(height_nm)
    above, middle, below = height[..., :-2, :], height[..., 1:-1, :], height[..., 2:, :]
    scar = np.abs(above - below) < threshold * np.abs(middle - below)
    mended = height.copy()
    np.copyto(mended[..., 1:-1, :], above, where=scar)
    return mended


def median_of_four(height_nm: NDArray[Any]) -> NDArray[Any]:
    """Take the upper median of every pixel and its neighbours to the left, above, and above left.

    Equals `scipy.ndimage.median_filter` of size 2 on each map, edges reflected: the third smallest of four,
    found by six comparisons.
    """
    height = np.asarray(height_nm)
    padding = [(0, 0)] * (height.ndim - 2) + [(1, 0), (1, 0)]
    wide = np.pad(height, padding, mode="edge")
    left, right = wide[..., :, :-1], wide[..., :, 1:]
    low, high = np.minimum(left, right), np.maximum(left, right)
    third: NDArray[Any] = np.maximum(
        np.minimum(high[..., :-1, :], high[..., 1:, :]), np.maximum(low[..., :-1, :], low[..., 1:, :])
    )
    return third


@lru_cache(maxsize=64)
def _polynomials(count: int, degree: int) -> NDArray[np.float64]:
    """Orthonormal polynomials on a row of pixels, shape (count, degree + 1)."""
    if not 0 <= degree < count:
        raise ValueError(f"a polynomial of degree {degree} does not fit {count} pixels")
    x = np.linspace(-1, 1, count)
    return np.linalg.qr(x[:, None] ** np.arange(degree + 1))[0]


def _fit(profile: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
    return (profile @ basis) @ basis.T
