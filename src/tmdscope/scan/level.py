"""From heights in nm to 8-bit images: the levelling steps, each usable alone, and the area resize.

Every step works on one height map (rows, columns) or on a stack (N, rows, columns), map by map. Steps beside
plane, row medians and those of `tmdscope.scan.robust` compute what the MoS2 paper's code does with pySPM
0.6.3 (Moses & Reinhart, doi:10.5281/zenodo.8432222).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmdscope.scan.robust import (
    CORNERS,
    Points,
    align_masked_rows,
    align_row_differences,
    align_row_jumps,
    level_facets,
    level_three_points,
    remove_masked_surface,
)

Image8 = NDArray[np.uint8]

_ROUNDING = 1e-6
"""Share of the largest height below which contrast is rounding (float32 heights carry seven digits)."""

SCAR_THRESHOLD = 0.5
"""Of pySPM's `filter_scars_removal`, which the paper leaves as it is."""

ROW_DEGREE = 2
"""Of the polynomial that the paper subtracts from every row."""

SIMPLE = ("plane", "row_medians")
"""Steps of a study that names none, as models of earlier versions were made."""

PAPER = ("plane", "surface", "scars", "row_parabolas", "median")
"""Steps of the MoS2 paper's code, in its order (Moses & Reinhart, doi:10.5281/zenodo.8432222)."""

LAYERED = ("row_jumps", "masked_surface", "masked_rows")
"""Steps that keep the heights of layers best, as `benchmarks/levelling_truth.py` measures."""

THREE_POINTS = "three_points"
"""The step that asks which points lie on one level."""


def level(
    height_nm: NDArray[Any],
    percentiles: Sequence[float],
    steps: Sequence[str] = SIMPLE,
    points: Points = CORNERS,
) -> Image8:
    """Turn heights, (..., rows, columns), into 8-bit images: levelling, percentile clip, full grey range.

    A map whose contrast is below a millionth of its largest height holds rounding, not surface, and becomes
    0: a tilted plane turns out flat. Percentiles are black and white point in %, rising within 0..100; the
    absolute height is lost.
    """
    return to_uint8(flat(height_nm, percentiles, steps, points))


def flat(
    height_nm: NDArray[Any],
    percentiles: Sequence[float],
    steps: Sequence[str] = SIMPLE,
    points: Points = CORNERS,
) -> NDArray[Any]:
    """Level heights and cut them off at two percentiles, in nm: `level` before its 8 bits."""
    surface = clip_percentiles(flatten(height_nm, steps, points), *percentiles)
    largest = np.abs(height_nm).max(axis=(-2, -1), keepdims=True)
    rough = np.ptp(surface, axis=(-2, -1), keepdims=True) > _ROUNDING * largest
    return np.where(rough, surface, np.float32(0))


def flatten(height_nm: NDArray[Any], steps: Sequence[str], points: Points = CORNERS) -> NDArray[Any]:
    """Do some levelling steps (keys of `STEPS`) one after another; `points` are those of `THREE_POINTS`."""
    for step in steps:
        named = {"points": points} if step == THREE_POINTS else {}
        height_nm = STEPS[step](height_nm, **named)
    return height_nm


def remove_plane(height_nm: NDArray[Any]) -> NDArray[np.float32]:
    """Subtract the plane that fits each height map, shape (..., rows, columns), best: float32, of mean 0."""
    height: NDArray[np.float64] = np.asarray(height_nm, dtype=np.float64)
    y, x = (np.arange(count) - (count - 1) / 2 for count in height.shape[-2:])
    offset = height.mean(axis=(-2, -1))
    slope_y = height.mean(axis=-1) @ y / (float(y @ y) or 1.0)
    slope_x = height.mean(axis=-2) @ x / (float(x @ x) or 1.0)
    plane = offset[..., None, None] + slope_y[..., None, None] * y[:, None] + slope_x[..., None, None] * x
    return np.asarray(height - plane, np.float32)


def align_rows(height_nm: NDArray[Any]) -> NDArray[Any]:
    """Subtract its median from every row: scan lines that jump in height come to one level."""
    return np.asarray(height_nm - np.median(height_nm, axis=-1, keepdims=True))


def remove_surface(height_nm: NDArray[Any], degree_x: int = 2, degree_y: int = 1) -> NDArray[np.float32]:
    """Subtract the sum of a polynomial in x and one in y that fits each map best: float32, maps of mean 0.

    Without mixed terms, as in pySPM's `corr_fit2d`, whose degrees are the defaults, those in x depend on the
    means of the columns alone, those in y on the means of the rows.
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
    """Subtract from every row the polynomial that fits it best by least squares: float32, rows of mean 0."""
    height = np.asarray(height_nm, dtype=np.float32)
    middle = height.mean(axis=-1, dtype=np.float64, keepdims=True).astype(np.float32)
    centred: NDArray[np.float32] = height - middle
    basis = _polynomials(height.shape[-1], degree).astype(np.float32)
    centred -= (centred @ basis) @ basis.T
    return centred


def remove_scars(height_nm: NDArray[Any], threshold: float = SCAR_THRESHOLD) -> NDArray[Any]:
    """Replace pixels that stand out from the rows above and below by the pixel above.

    A scar's neighbours above and below differ by less than `threshold` times its difference from the one
    below. First and last row stay; all comparisons are with the heights as given.
    """
    height = np.asarray(height_nm)
    above, middle, below = height[..., :-2, :], height[..., 1:-1, :], height[..., 2:, :]
    scar = np.abs(above - below) < threshold * np.abs(middle - below)
    mended = height.copy()
    np.copyto(mended[..., 1:-1, :], above, where=scar)
    return mended


def median_of_four(height_nm: NDArray[Any]) -> NDArray[Any]:
    """Take the upper median of every pixel and its neighbours to the left, above, and above left.

    Equals `scipy.ndimage.median_filter` of size 2 on each map, edges reflected, by six comparisons.
    """
    height = np.asarray(height_nm)
    padding = [(0, 0)] * (height.ndim - 2) + [(1, 0), (1, 0)]
    wide = np.pad(height, padding, mode="edge")
    left, right = wide[..., :, :-1], wide[..., :, 1:]
    low, high = np.minimum(left, right), np.maximum(left, right)
    lower_high = np.minimum(high[..., :-1, :], high[..., 1:, :])
    return np.asarray(np.maximum(lower_high, np.maximum(low[..., :-1, :], low[..., 1:, :])))


@lru_cache(maxsize=64)
def _polynomials(count: int, degree: int) -> NDArray[np.float64]:
    """Orthonormal polynomials on a row of pixels, shape (count, degree + 1)."""
    if not 0 <= degree < count:
        raise ValueError(f"a polynomial of degree {degree} does not fit {count} pixels")
    x = np.linspace(-1, 1, count)
    return np.linalg.qr(x[:, None] ** np.arange(degree + 1))[0]


def _fit(profile: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
    return (profile @ basis) @ basis.T


STEPS: Mapping[str, Callable[..., NDArray[Any]]] = MappingProxyType(
    {
        "plane": remove_plane,
        "surface": remove_surface,
        "row_medians": align_rows,
        "row_parabolas": remove_row_polynomials,
        "scars": remove_scars,
        "median": median_of_four,
        "row_differences": align_row_differences,
        "row_jumps": align_row_jumps,
        "masked_surface": remove_masked_surface,
        "masked_rows": align_masked_rows,
        "facets": level_facets,
        THREE_POINTS: level_three_points,
    }
)
"""What each name in `prepare.levelling.steps` does; every step is usable alone."""


def clip_percentiles(height_nm: NDArray[Any], low: float, high: float) -> NDArray[Any]:
    """Clip each map to two of its percentiles (the paper's: 0.5, 99.5), so that spikes set no grey scale."""
    bounds = np.percentile(height_nm, [low, high], axis=(-2, -1), keepdims=True)
    return np.asarray(np.clip(height_nm, *bounds.astype(height_nm.dtype)))


def to_uint8(height_nm: NDArray[Any]) -> Image8:
    """Map each map's minimum to 0 and its maximum to 255, linearly and rounded; a flat map becomes 0."""
    lowest = height_nm.min(axis=(-2, -1), keepdims=True)
    span = height_nm.max(axis=(-2, -1), keepdims=True) - lowest
    scaled = (height_nm - lowest) / np.where(span > 0, span, 1)
    return np.asarray(np.rint(scaled * 255).astype(np.uint8))


def crop_square(image: NDArray[Any]) -> NDArray[Any]:
    """View the centred square, (..., n, n), of images; an odd rest is cut off at the lower right."""
    rows, columns = image.shape[-2:]
    side = min(rows, columns)
    top, left = (rows - side) // 2, (columns - side) // 2
    return image[..., top : top + side, left : left + side]


def resize_area(
    image: NDArray[Any],
    size_px: int,
    window: tuple[tuple[float, float], tuple[float, float]] | None = None,
) -> NDArray[Any]:
    """Resize images (uint8 or floating) so that each new pixel is the exact mean of the area it covers.

    8-bit values are rounded to the nearest. What is shown is the centred square, or `window` (first and last
    edge along rows, and along columns, in pixels), which is stretched if its pixels are not square.
    """
    square = crop_square(image) if window is None else image
    rows, columns = ((0.0, float(count)) for count in square.shape[-2:]) if window is None else window
    exact = square.astype(np.float32) if square.dtype == np.uint8 else square
    resized = _average(_average(exact, size_px, -2, rows), size_px, -1, columns)
    return np.rint(resized).astype(np.uint8) if square.dtype == np.uint8 else resized


def _average(image: NDArray[Any], size_px: int, axis: int, edges: tuple[float, float]) -> NDArray[Any]:
    """Average one of the last two axes by the area each new pixel covers.

    A few weighted sums, in place where they can be: they run without Python's lock, beside other threads.
    """
    pixels, weights = _overlaps(image.shape[axis], *edges, size_px)
    shape = list(image.shape)
    shape[axis] = size_px
    total: NDArray[Any] = np.zeros(shape, image.dtype)
    for covered, weight in zip(pixels, weights.astype(image.dtype), strict=True):
        part = np.take(image, covered, axis=axis)
        part *= weight if axis == -1 else weight[:, None]
        total += part
    return total


@lru_cache(maxsize=64)
def _overlaps(old: int, start: float, stop: float, new: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which old pixels each new one covers along an axis, and their shares, both (most covered, new)."""
    edges = start + np.arange(new + 1) * ((stop - start) / new)
    first = np.floor(edges[:-1]).astype(np.int64)
    most = int((np.ceil(edges[1:]).astype(np.int64) - first).max())
    pixels = first + np.arange(most)[:, None]
    shares = np.clip(np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels), 0, None)
    return np.minimum(pixels, old - 1), shares / shares.sum(axis=0)
