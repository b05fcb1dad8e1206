"""Step edges of a grey image: Canny's detector with the TMD paper's settings, closed and counted."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature._canny_cy import _nonmaximum_suppression_bilinear

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]

SIGMA = 0.3
"""Smoothing in px, as in the authors' code."""
LOW, HIGH = 0.1, 0.2
"""Hysteresis thresholds: `skimage.feature.canny`'s own for grey values 0..1."""

_NEIGHBOURS = np.ones((3, 3), bool)


def count_step_edges(scaled: Values) -> int:
    """Count edges in grey values 0..1, float64, shape (rows, columns), after closing small gaps.

    Exactly the number of 4-connected parts of ``canny(scaled, sigma=0.3)`` after dilation and erosion by 3 x
    3 pixels (J. Canny 1986, IEEE Trans. Pattern Anal. Mach. Intell. 8, 679).
    """
    _, parts = ndimage.label(_close(find_edges(scaled)))
    return int(parts)


def find_edges(scaled: Values) -> Mask:
    """Find the edges of ``canny(scaled, sigma=0.3)``, every pixel, without the work that its options need."""
    smooth = ndimage.gaussian_filter(scaled, SIGMA, mode="constant")
    smooth /= _received(*scaled.shape)
    along_rows, along_columns = _sobel(smooth)
    magnitude = along_rows * along_rows
    magnitude += along_columns * along_columns
    np.sqrt(magnitude, out=magnitude)
    inner = _inner(*scaled.shape)
    thin = _nonmaximum_suppression_bilinear(along_rows, along_columns, magnitude, inner, LOW)
    labels, count = ndimage.label(thin > 0, _NEIGHBOURS)
    strong = np.zeros(count + 1, bool)
    strong[labels.ravel()[np.flatnonzero(thin.ravel() >= HIGH)]] = True
    edges: Mask = np.take(strong, labels)
    return edges


def _sobel(smooth: Values) -> tuple[Values, Values]:
    """Slopes along rows and columns, by the operations of `scipy.ndimage.sobel` in their order."""
    padded = np.pad(smooth, 1, mode="symmetric")
    down, right = padded[2:] - padded[:-2], padded[:, 2:] - padded[:, :-2]
    along_rows = down[:, 1:-1] * 2.0 + (down[:, :-2] + down[:, 2:])
    along_columns = right[1:-1] * 2.0 + (right[:-2] + right[2:])
    return along_rows, along_columns


@lru_cache(maxsize=8)
def _received(rows: int, columns: int) -> Values:
    """Share of each pixel's smoothing that comes from inside the image."""
    share: Values = ndimage.gaussian_filter(np.ones((rows, columns)), SIGMA, mode="constant")
    return share + np.finfo(np.float64).eps


@lru_cache(maxsize=8)
def _inner(rows: int, columns: int) -> Mask:
    """All pixels but the outermost."""
    inner = np.zeros((rows, columns), bool)
    inner[1:-1, 1:-1] = True
    return inner


def _close(mask: Mask) -> Mask:
    """Dilate and erode by 3 x 3 pixels; what lies outside the image counts for neither."""
    for outside, combine in ((False, np.logical_or), (True, np.logical_and)):
        padded = np.pad(mask, 1, constant_values=outside)
        tall = combine(combine(padded[:-2], padded[1:-1]), padded[2:])
        mask = combine(combine(tall[:, :-2], tall[:, 1:-1]), tall[:, 2:])
    return mask
