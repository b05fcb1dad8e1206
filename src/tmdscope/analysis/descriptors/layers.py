"""Which layer of the film each pixel of a height map shows."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tmdscope.scan.areal import Heights, Mask, fit_differences, powers, quadratic, remove_quadratic
from tmdscope.scan.growth import LAYER_NM

CLOSED_BELOW = 0.25
"""Two levels of which the upper covers less than this are a closed film and its second layer."""

_LAGS_NM = (100.0, 160.0)
"""Distances of the height differences that tell tilt and bow from the film: a step or two lies in each."""
_ROUNDS = 8
_MOST_JUMP_NM = 0.2
_HISTOGRAM_NM = 0.02
_SMOOTH = ndimage.gaussian_filter1d(np.eye(1, 25, 12)[0], 3.0, mode="constant")
_HOLE_SHARE = 0.003
_HOLE_NM = (0.45, 0.6)
"""A level below the most frequent one is real when this share of the frame lies about a layer deeper."""
_THIRD_SHARE = 0.05
"""... and no more than this share would be a third layer: particles, but no film."""


@dataclass(frozen=True)
class Layers:
    """Heights above the substrate without tilt, bow and offsets between rows; layers of the film, 0 to 2."""

    height_nm: Heights
    number: NDArray[np.int64]

    @property
    def bare_nm(self) -> Heights:
        """Heights less the film: steps, roughness, boundaries and adsorbates are left, in nm."""
        return self.height_nm - LAYER_NM * self.number

    @cached_property
    def smooth_nm(self) -> Heights:
        """Heights without scars, see `median_of_nine`."""
        return median_of_nine(self.height_nm)

    @cached_property
    def edges(self) -> Mask:
        """Pixels beside another number of layers, bool, shape (rows, columns)."""
        highest, lowest = ndimage.maximum_filter(self.number, 3), ndimage.minimum_filter(self.number, 3)
        return np.asarray(highest != lowest)


def find_layers(height_nm: NDArray[Any], pixel_nm: tuple[float, float], most: int = 2) -> Layers:
    """Tell layers apart by their height, finite, shape (rows, columns), and level on all of them at once.

    By turns, every pixel takes the number of layers that its height is nearest to, and a polynomial of degree
    two and a median per row are fitted to what they leave; of several starts the one that leaves least
    counts. The lowest level is taken for the substrate; where there are but two and the upper is small
    (`CLOSED_BELOW`), for a closed film: heights alone cannot tell.
    """
    starts = [
        remove_quadratic(height_nm),
        *(_without_background(height_nm, pixel_nm, lag) for lag in _LAGS_NM),
    ]
    settled = (_settle(start, most) for start in starts)
    height, smooth, number = min(settled, key=lambda found: _misfit(*found[1:]))
    lowest = _lowest(smooth, number, most)
    return Layers(height - LAYER_NM * lowest, np.clip(number - lowest, 0, most))


def median_of_nine(height: Heights) -> Heights:
    """Give ``ndimage.median_filter(height, 3)`` by comparing whole maps; a scar, one row thick, goes."""
    padded = np.empty([size + 2 for size in height.shape])
    padded[1:-1, 1:-1] = height
    padded[0], padded[-1] = padded[1], padded[-2]
    padded[:, 0], padded[:, -1] = padded[:, 1], padded[:, -2]
    one, two, three = padded[:-2], padded[1:-1], padded[2:]
    below, above = np.minimum(one, two), np.maximum(one, two)
    low, high = np.minimum(below, three), np.maximum(above, three)
    middle = np.maximum(below, np.minimum(above, three))
    return _median_of_three(
        np.maximum(np.maximum(low[:, :-2], low[:, 1:-1]), low[:, 2:]),
        _median_of_three(middle[:, :-2], middle[:, 1:-1], middle[:, 2:]),
        np.minimum(np.minimum(high[:, :-2], high[:, 1:-1]), high[:, 2:]),
    )


def _median_of_three(one: Heights, two: Heights, three: Heights) -> Heights:
    return np.asarray(np.maximum(np.minimum(one, two), np.minimum(np.maximum(one, two), three)))


def _settle(start: Heights, most: int) -> tuple[Heights, Heights, NDArray[np.int64]]:
    """Level and count layers by turns until both agree; 0 is the most frequent height.

    Given are heights, the same smoothed, and the layers that are nearest to these.
    """
    height = start - _most_frequent(start)
    smooth = median_of_nine(height)
    number = _nearest_layer(smooth, most)
    for _ in range(_ROUNDS):
        film = LAYER_NM * number
        usual = np.abs(height - film) < LAYER_NM / 2
        bare = remove_quadratic(start - film, usual)
        # A row is never moved by as much as half a layer: a row of film is no row of substrate that jumped.
        height = bare - np.clip(_row_medians(bare, usual), -_MOST_JUMP_NM, _MOST_JUMP_NM) + film
        height -= _most_frequent(height)
        smooth = median_of_nine(height)
        before, number = number, _nearest_layer(smooth, most)
        if (number == before).all():
            break
    return height, smooth, number


def _row_medians(bare: Heights, usual: Mask) -> Heights:
    """Median of the usual pixels of each row, 0 where there are none, shape (rows, 1)."""
    ordered = np.sort(np.where(usual, bare, np.inf), axis=1)
    middle = np.maximum(usual.sum(axis=1) - 1, 0) // 2
    medians = ordered[np.arange(len(ordered)), middle]
    return np.where(np.isfinite(medians), medians, 0.0)[:, None]


def _nearest_layer(height: Heights, most: int) -> NDArray[np.int64]:
    return np.clip(np.rint(height / LAYER_NM), -most, most).astype(np.int64)


def _misfit(smooth: Heights, number: NDArray[np.int64]) -> float:
    """Mean distance in nm from the nearest layer."""
    return float(np.minimum(np.abs(smooth - LAYER_NM * number), LAYER_NM / 2).mean())


def _lowest(smooth: Heights, number: NDArray[np.int64], most: int) -> int:
    """Tell which level is the substrate, counted from the most frequent one."""
    bare = smooth[np.abs(smooth) < LAYER_NM / 2]
    spread = 1.4826 * float(np.median(np.abs(bare - np.median(bare))))
    depth = float(np.clip(3 * spread, *_HOLE_NM))
    for level in range(-most, 0):
        third = np.abs(smooth - LAYER_NM * (level + most + 1)) < LAYER_NM / 3
        if (smooth < LAYER_NM * (level + 1) - depth).mean() > _HOLE_SHARE and third.mean() < _THIRD_SHARE:
            return level
    return -1 if (number > 0).mean() < CLOSED_BELOW else 0


def _most_frequent(height: Heights) -> float:
    """Most frequent height in nm."""
    ordered = np.sort(height, axis=None)
    low, high = (percentile(ordered, share) for share in (0.005, 0.995))
    edges = np.linspace(low, high + 1e-9, max(8, int((high - low) / _HISTOGRAM_NM)) + 1)
    counts = np.diff(np.searchsorted(ordered, edges)).astype(float)
    best = int(ndimage.correlate1d(counts, _SMOOTH, output=float, mode="constant").argmax())
    return float((edges[best] + edges[best + 1]) / 2)


def percentile(ordered: Heights, share: float) -> float:
    """Give ``np.quantile(ordered, share)`` of rising values."""
    place = share * (len(ordered) - 1)
    below, part = int(place), place % 1
    low, high = ordered[below], ordered[min(below + 1, len(ordered) - 1)]
    return float(low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part))


def _without_background(height_nm: NDArray[Any], pixel_nm: tuple[float, float], lag_nm: float) -> Heights:
    """Subtract the polynomial of degree two whose differences fit the heights' best, by absolute values."""
    height = np.asarray(height_nm, dtype=np.float64)
    lags = [
        int(np.clip(round(lag_nm / pixel), 1, size - 1))
        for pixel, size in zip(reversed(pixel_nm), height.shape, strict=True)
    ]
    y, x = map(powers, height.shape)
    return height - quadratic(fit_differences(height, y, x, lags), y, x)
