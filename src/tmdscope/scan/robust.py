"""Levelling steps that the layers of a film do not pull, for one map (rows, columns) or a stack, map by map.

What lies on another level is left out of every fit: by the median (rows), by its distance from the most
frequent height (surface, rows), by its slope (facets), or because a person names points on one level (three
points). Medians of differences, facets and three points do what Gwyddion does under these names (Necas &
Klapetek 2012, doi:10.2478/s11534-011-0096-2), with pixels taken for square.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tmdscope.scan.areal import Heights, Mask, fit_differences, fit_quadratic, powers, quadratic

Step = Callable[[NDArray[Any]], NDArray[np.float32]]
Points = Sequence[Sequence[float]]

CORNERS = ((0.05, 0.05), (0.95, 0.05), (0.05, 0.95))
"""Points of a plane: shares of width and height from the upper left."""
PATCH = 0.05
"""Side of the square around a point whose median counts, as a share of the shorter side."""

WIDE = 2.1
"""Half widths within which pixels are of the most frequent level: 2.5 standard deviations of a normal."""
_LAGS = (0.1, 0.16)
"""Shares of the frame over which heights differ by tilt and bow, and by the film only at few places."""
_SAMPLED = 96
"""A polynomial is fitted to this many rows and columns, evenly spread, at most twice as many."""
_ROUNDS = 20
_BINS = 128
_SMOOTH = ndimage.gaussian_filter1d(np.eye(1, 17, 8)[0], 2.0, mode="constant")
_FINE_BINS = 8
"""The histogram is fine enough when a peak's half width is as many bins as this."""
_SEEN = 5.0
"""Else it is taken anew, this many half widths to both sides of the peak; at most `_ZOOMS` times."""
_ZOOMS = 6
_MEDIAN_SIGMA = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

_UNUSUAL = 2.5
_BESIDE_NOISE = 4.0
_NEAR_SHARE = 0.2
"""A row's jump is doubted when this share of its pixels says that it is as small as jumps usually are."""
_ROW_SHARE = 0.05
"""Rows with less of the most frequent level than this take their offset from the nearest that have more."""
_ROW_ROUNDS = 3
_FACET_ROUNDS = 100
_LEAST = float(np.finfo(np.float32).tiny)  # whose reciprocal is finite, too
_FACET_SHARE = 1 / 20
"""Of the mean square slope: its root is the slope at which a facet hardly counts (Gwyddion's constant)."""
_FACET_END = 1e-6


class Peak(NamedTuple):
    """The most frequent height, and the half width of its peak at half of its height, in nm."""

    height_nm: float
    half_nm: float

    def holds(self, height_nm: NDArray[Any]) -> Mask:
        """Tell which heights are of this level."""
        reach = height_nm.dtype.type(WIDE * self.half_nm)
        return np.asarray(np.abs(height_nm - height_nm.dtype.type(self.height_nm)) <= reach)


def most_frequent(height_nm: NDArray[Any]) -> Peak:
    """Find the highest peak of the smoothed histogram and the narrower of its flanks.

    The histogram is taken anew about the peak until its bins are fine beside it. One height alone has a half
    width of 0.
    """
    ordered = np.sort(height_nm, axis=None).astype(np.float64)
    low, high = (float(ordered[round(share * (len(ordered) - 1))]) for share in (0.005, 0.995))
    peak = Peak(low, 0.0)
    for _ in range(_ZOOMS):
        if high - low <= 1e-6 * max(abs(low), abs(high)):
            break
        edges = np.linspace(low, high, _BINS + 1)
        counts = np.diff(np.searchsorted(ordered, edges)).astype(float)
        density = ndimage.correlate1d(counts, _SMOOTH, output=float, mode="constant")
        best = int(density.argmax())
        beside = density < density[best] / 2
        bins = min(int(flank.argmax()) or _BINS for flank in (beside[best:], beside[best::-1]))
        width = float(edges[1] - edges[0])
        peak = Peak(float(edges[best] + edges[best + 1]) / 2, bins * width)
        if bins >= _FINE_BINS:
            break
        low, high = (peak.height_nm + side * _SEEN * peak.half_nm for side in (-1, 1))
    return peak


def _by_map(level_one: Step) -> Step:
    @wraps(level_one)
    def level(height_nm: NDArray[Any]) -> NDArray[np.float32]:
        height = np.asarray(height_nm, np.float32)
        maps = height.reshape(-1, *height.shape[-2:])
        return np.asarray([level_one(one) for one in maps], np.float32).reshape(height.shape)

    return level


@_by_map
def align_row_differences(height_nm: NDArray[Any]) -> NDArray[np.float32]:
    """Shift rows until the median difference between neighbouring rows is 0; the mean offset is 0.

    Offsets are sums of medians. What begins along more than half of a row goes with it.
    """
    return _shift_rows(height_nm, _median(np.diff(height_nm, axis=0)))


@_by_map
def align_row_jumps(height_nm: NDArray[Any]) -> NDArray[np.float32]:
    """Shift rows as `align_row_differences` does, but do not take the straight edge of a layer for a jump.

    A row whose median difference is unusual among rows (`_UNUSUAL` standard deviations, and more than pixels
    scatter) takes that of its pixels that are nearer to the usual one, where they are more than a fifth.
    """
    difference = np.diff(height_nm, axis=0)
    jumps = _median(difference)
    usual = np.median(jumps)
    away = np.abs(jumps - usual)
    noise = np.median(np.abs(difference - jumps[:, None])[::4, ::4]) if len(jumps) else 0.0
    doubted = away > _MEDIAN_SIGMA * max(_UNUSUAL * np.median(away), _BESIDE_NOISE * noise)
    for row in np.flatnonzero(doubted):
        near = difference[row][np.abs(difference[row] - usual) < away[row] / 2]
        if len(near) > _NEAR_SHARE * difference.shape[1]:
            jumps[row] = np.median(near)
    return _shift_rows(height_nm, jumps)


@_by_map
def remove_masked_surface(height_nm: NDArray[Any]) -> NDArray[np.float32]:
    """Subtract the polynomial of degree two that fits the most frequent level best; that level becomes 0.

    By turns the level's pixels are found and the polynomial is fitted to them, until both agree. Of several
    starts the one counts that brings most pixels to one height.
    """
    steps = [max(1, count // _SAMPLED) for count in height_nm.shape]
    few = height_nm[:: steps[0], :: steps[1]].astype(np.float64)
    y, x = map(powers, height_nm.shape, steps)
    lags = [[int(np.clip(round(share * n), 1, max(1, n - 1))) for n in few.shape] for share in _LAGS]
    starts = [np.zeros(6), fit_quadratic(few, y, x), *(fit_differences(few, y, x, lag) for lag in lags)]
    search = _Search(few, y, x)
    settled = [search.settle(start) for start in starts]
    narrowest = min(found.half_nm for found in settled)
    different = {found.weights.tobytes(): found.weights for found in settled}.values()
    constant, by_x, by_y, by_xx, by_xy, by_yy = max(
        different, key=lambda weights: _together(search.left(weights), narrowest)
    )
    along_y, along_x = (np.linspace(-1, 1, count) for count in height_nm.shape)
    of_rows = constant + by_y * along_y + by_yy * along_y**2
    left = height_nm - of_rows[:, None].astype(np.float32)
    left -= (by_x * along_x + by_xx * along_x**2).astype(np.float32)
    left -= np.multiply.outer(by_xy * along_y, along_x).astype(np.float32)
    return np.asarray(left)


@_by_map
def align_masked_rows(height_nm: NDArray[Any]) -> NDArray[np.float32]:
    """Bring the most frequent level to 0 in every row: subtract the mean of its pixels, found three times.

    Rows with less than a twentieth of it take what lies between their neighbours' means. For heights without
    tilt and bow: `remove_masked_surface` goes before.
    """
    rows, columns = height_nm.shape
    every = slice(None, None, max(1, columns // _SAMPLED))
    for _ in range(_ROW_ROUNDS):
        peak = most_frequent(height_nm[:, every])
        height_nm = height_nm - np.float32(peak.height_nm)
        mask = Peak(0.0, peak.half_nm).holds(height_nm)
        count = np.count_nonzero(mask, axis=1)
        has = np.flatnonzero(count > _ROW_SHARE * columns)
        if len(has) == 0:
            break
        means = (height_nm * mask).sum(axis=1)[has] / count[has]
        height_nm -= np.interp(np.arange(rows), has, means)[:, None].astype(np.float32)
    return height_nm


@_by_map
def level_facets(height_nm: NDArray[Any]) -> NDArray[np.float32]:
    """Subtract the plane along which most facets lie, and the mean: for terraces and islands with flat tops.

    Facets are of 2 x 2 pixels. By turns the plane is turned to their mean slope, weighted by
    ``exp(-20 slope^2 / mean slope^2)``, until that is 0 (Gwyddion's facet levelling).
    """
    down, right = np.diff(height_nm, axis=0), np.diff(height_nm, axis=1)
    y, x = (down[:, 1:] + down[:, :-1]) / 2, (right[1:] + right[:-1]) / 2
    total_y = total_x = 0.0
    for _ in range(_FACET_ROUNDS if y.size else 0):
        steep = y * y + x * x
        scale = float(steep.mean(dtype=np.float64)) * _FACET_SHARE
        if scale < _LEAST:
            break
        weight = np.exp(steep * np.float32(-1 / scale))
        by_y, by_x = (float(np.vdot(weight, slope) / weight.sum()) for slope in (y, x))
        y, x = y - np.float32(by_y), x - np.float32(by_x)
        total_y, total_x = total_y + by_y, total_x + by_x
        if by_y**2 + by_x**2 < _FACET_END**2 * scale:
            break
    rows, columns = (np.arange(count) - (count - 1) / 2 for count in height_nm.shape)
    plane = height_nm.mean(dtype=np.float64) + np.add.outer(total_y * rows, total_x * columns)
    return np.asarray(height_nm - plane.astype(np.float32))


def level_three_points(height_nm: NDArray[Any], points: Points = CORNERS) -> NDArray[np.float32]:
    """Subtract the plane through three points, which become 0.

    A point, x and y in shares of width and height from the upper left, is as high as the median of the square
    of `PATCH` of the shorter side around it. Points on one line are a `numpy.linalg.LinAlgError`.
    """
    height = np.asarray(height_nm, np.float32)
    rows, columns = height.shape[-2:]
    half = max(1, round(PATCH * min(rows, columns) / 2))
    places = [(round(y * (rows - 1)), round(x * (columns - 1))) for x, y in points]
    squares = [[slice(max(0, at - half), at + half + 1) for at in place] for place in places]
    heights = [np.median(height[..., down, right], axis=(-2, -1)) for down, right in squares]
    design = np.asarray([(1.0, *place) for place in places])
    plane_of = np.linalg.solve(design, np.asarray(heights, np.float64).reshape(3, -1))
    offset, along_y, along_x = plane_of.reshape(3, *height.shape[:-2], 1, 1)
    plane = offset + along_y * np.arange(rows)[:, None] + along_x * np.arange(columns)
    return np.asarray(height - plane.astype(np.float32))


def _median(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Median of each row, as `np.median` has it: to sort them all is faster."""
    ordered, columns = np.sort(rows, axis=1), rows.shape[1]
    return np.asarray((ordered[:, (columns - 1) // 2] + ordered[:, columns // 2]) / 2)


def _shift_rows(height_nm: NDArray[np.float32], jumps: NDArray[np.float32]) -> NDArray[np.float32]:
    offsets = np.concatenate([[0.0], np.cumsum(jumps, dtype=np.float64)])
    return np.asarray(height_nm - (offsets - offsets.mean())[:, None].astype(np.float32))


class _Found(NamedTuple):
    """A polynomial, the most frequent level that it leaves, and half the width of that level's peak."""

    weights: Heights
    level: Mask
    half_nm: float


class _Search:
    """Search for polynomials that fit the level that they leave, on a grid with the `powers` y and x."""

    def __init__(self, few: Heights, y: Heights, x: Heights) -> None:
        self.few, self.y, self.x = few, y, x
        self._least_nm = float(np.finfo(np.float32).eps * np.abs(few).max())  # what heights are rounded to
        self._next: dict[bytes, _Found] = {}

    def left(self, weights: Heights) -> Heights:
        return self.few - quadratic(weights, self.y, self.x)

    def settle(self, weights: Heights) -> _Found:
        """Fit to the most frequent level until it no longer changes; two starts that meet go on as one."""
        now = self._look(weights)
        for _ in range(_ROUNDS - 1):
            before = now.level.tobytes()
            if before not in self._next:
                self._next[before] = self._look(self._fit(now.level))
            now = self._next[before]
            if now.level.tobytes() == before:
                return now
        return now._replace(weights=self._fit(now.level))

    def _fit(self, level: Mask) -> Heights:
        return fit_quadratic(self.few, self.y, self.x, level)

    def _look(self, weights: Heights) -> _Found:
        left = self.left(weights)
        height_nm, half_nm = most_frequent(left)
        peak = Peak(height_nm, max(half_nm, self._least_nm))
        return _Found(weights, peak.holds(left), peak.half_nm)


def _together(height_nm: Heights, within_nm: float) -> float:
    """Say how many pairs of pixels have one height: the sum of a histogram's squares."""
    place = np.rint(height_nm / (within_nm or 1.0)).astype(np.int64).ravel()
    return float((np.unique_counts(place).counts.astype(float) ** 2).sum())
