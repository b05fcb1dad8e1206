"""From heights in nm to 8-bit images: the levelling steps, each usable alone, and the area resize.

Every step works on one height map (rows, columns) or on a stack (N, rows, columns), map by map.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmdscope.scan.flatten import median_of_four, remove_row_polynomials, remove_scars, remove_surface

Image8 = NDArray[np.uint8]

_ROUNDING = 1e-6
"""Share of the largest height below which contrast is rounding (float32 heights carry seven digits)."""


SIMPLE = ("plane", "row_medians")
"""Steps of a study that names none, as models of earlier versions were made."""

PAPER = ("plane", "surface", "scars", "row_parabolas", "median")
"""Steps of the MoS2 paper's code, in its order (Moses & Reinhart, doi:10.5281/zenodo.8432222)."""


def level(height_nm: NDArray[Any], percentiles: Sequence[float], steps: Sequence[str] = SIMPLE) -> Image8:
    """Turn heights, (..., rows, columns), into 8-bit images: levelling, percentile clip, full grey range.

    A map whose contrast is below a millionth of its largest height holds rounding, not surface, and becomes
    0: a tilted plane turns out flat. Percentiles are black and white point in %, rising within 0..100; the
    absolute height is lost.
    """
    return to_uint8(flat(height_nm, percentiles, steps))


def flat(
    height_nm: NDArray[Any], percentiles: Sequence[float], steps: Sequence[str] = SIMPLE
) -> NDArray[Any]:
    """Level heights and cut them off at two percentiles, in nm: `level` before its 8 bits."""
    low, high = percentiles
    surface = clip_percentiles(flatten(height_nm, steps), low, high)
    largest = np.abs(height_nm).max(axis=(-2, -1), keepdims=True)
    rough = np.ptp(surface, axis=(-2, -1), keepdims=True) > _ROUNDING * largest
    return np.where(rough, surface, np.float32(0))


def flatten(height_nm: NDArray[Any], steps: Sequence[str]) -> NDArray[Any]:
    """Do some levelling steps (keys of `STEPS`) one after another."""
    for step in steps:
        height_nm = STEPS[step](height_nm)
    return height_nm


def remove_plane(height_nm: NDArray[Any]) -> NDArray[np.float32]:
    """Subtract the plane that fits each height map, shape (..., rows, columns), best by least squares.

    On a full grid the centred row and column coordinates are orthogonal, so that offset and both slopes of
    the fit are independent sums. float32, each map of mean 0 without tilt.
    """
    height: NDArray[np.float64] = np.asarray(height_nm, dtype=np.float64)
    y, x = (np.arange(count) - (count - 1) / 2 for count in height.shape[-2:])
    offset = height.mean(axis=(-2, -1))
    slope_y = height.mean(axis=-1) @ y / (float(y @ y) or 1.0)
    slope_x = height.mean(axis=-2) @ x / (float(x @ x) or 1.0)
    plane = offset[..., None, None] + slope_y[..., None, None] * y[:, None] + slope_x[..., None, None] * x
    levelled: NDArray[np.float32] = (height - plane).astype(np.float32)
    return levelled


def align_rows(height_nm: NDArray[Any]) -> NDArray[Any]:
    """Subtract its median from every row: scan lines that jump in height come to one level."""
    aligned: NDArray[Any] = height_nm - np.median(height_nm, axis=-1, keepdims=True)
    return aligned


STEPS: Mapping[str, Callable[[NDArray[Any]], NDArray[Any]]] = MappingProxyType(
    {
        "plane": remove_plane,
        "surface": remove_surface,
        "row_medians": align_rows,
        "row_parabolas": remove_row_polynomials,
        "scars": remove_scars,
        "median": median_of_four,
    }
)
"""What each name in `prepare.levelling.steps` does; every step is usable alone."""


def clip_percentiles(height_nm: NDArray[Any], low: float, high: float) -> NDArray[Any]:
    """Clip each map to two of its percentiles, so that spikes do not set the grey scale.

    In %, ``0 <= low < high <= 100``; the paper's MoS2 code uses 0.5 and 99.5 (Moses & Reinhart,
    doi:10.5281/zenodo.8432222).
    """
    bounds = np.percentile(height_nm, [low, high], axis=(-2, -1), keepdims=True)
    clipped: NDArray[Any] = np.clip(height_nm, *bounds.astype(height_nm.dtype))
    return clipped


def to_uint8(height_nm: NDArray[Any]) -> Image8:
    """Map each map's minimum to 0 and its maximum to 255, linearly and rounded; a flat map becomes 0."""
    lowest = height_nm.min(axis=(-2, -1), keepdims=True)
    span = height_nm.max(axis=(-2, -1), keepdims=True) - lowest
    scaled = (height_nm - lowest) / np.where(span > 0, span, 1)
    grey: Image8 = np.rint(scaled * 255).astype(np.uint8)
    return grey


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

    Equals the block mean at integer ratios and preserves the mean of the image at every ratio, up and down;
    8-bit values are rounded to the nearest. Pictures that are not square are first cropped to their centred
    square, so that nothing is stretched. `window` (first and last edge along rows, and along columns, in
    pixels) stands in place of that square, and is stretched if its pixels are not square.
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
