"""Areal parameters of one height map: what the surface is like as a whole, in nm."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

Heights = NDArray[np.float64]
Mask = NDArray[np.bool_]

DECAY = 0.2
"""Autocorrelation at which the texture's extent is read (ISO 25178-2, Str and Sal)."""
SLOPE_SCALE_NM = 10.0
"""Standard deviation of the Gaussian whose derivatives are the slopes of the structure tensor."""
_OF_X, _OF_Y = np.array([0, 1, 0, 2, 1, 0]), np.array([0, 0, 1, 0, 1, 2])
"""Powers of x and y in 1, x, y, x2, xy and y2."""


def remove_quadratic(height_nm: NDArray[Any], of: Mask | None = None) -> Heights:
    """Subtract the degree-two polynomial that fits a height map (only pixels `of`) best by least squares."""
    height = np.asarray(height_nm, dtype=np.float64)
    y, x = map(powers, height.shape)
    return height - quadratic(fit_quadratic(height, y, x, of), y, x)


@lru_cache(maxsize=64)
def powers(count: int, step: int = 1) -> Heights:
    """Give the powers 0 to 4 of every `step`-th of `count` places from -1 to 1, shape (5, places)."""
    return np.ascontiguousarray(np.vander(np.linspace(-1, 1, count)[::step], 5, increasing=True).T)


def quadratic(weights: Heights, y: Heights, x: Heights) -> Heights:
    """Sum up 1, x, y, x2, xy and y2 by weight on a grid whose rows and columns have the `powers` y and x."""
    table = np.zeros((3, 3))
    table[_OF_Y, _OF_X] = weights
    return np.asarray(y[:3].T @ (table @ x[:3]))


def fit_quadratic(height_nm: Heights, y: Heights, x: Heights, of: Mask | None = None) -> Heights:
    """Find the weights of the `quadratic` that fits heights (only pixels `of`) best by least squares."""
    counted = np.ones_like(height_nm) if of is None else of.astype(np.float64)
    moments, sums = y @ counted @ x.T, y[:3] @ (height_nm * counted) @ x[:3].T
    normal = moments[np.add.outer(_OF_Y, _OF_Y), np.add.outer(_OF_X, _OF_X)]
    return np.asarray(np.linalg.lstsq(normal, sums[_OF_Y, _OF_X], rcond=None)[0])


def fit_differences(height_nm: Heights, y: Heights, x: Heights, lags_px: Sequence[int]) -> Heights:
    """Find the weights of the `quadratic` whose differences over some rows, and columns, are the heights'.

    Nearly so, by absolute values, so that a step between few pairs weighs little. The constant is 0.
    """

    def look(down: slice, right: slice) -> Heights:
        terms = y[_OF_Y[1:]][:, down, None] * x[_OF_X[1:]][:, None, right]
        return np.concatenate([terms.reshape(5, -1), height_nm[down, right].reshape(1, -1)])

    pairs = []
    for axis, lag in enumerate(lags_px):
        step = max(1, lag // 2)
        every, near, far = slice(None, None, step), slice(None, -lag, step), slice(lag, None, step)
        one, other = ((near, every), (far, every)) if axis == 0 else ((every, near), (every, far))
        pairs.append(look(*other) - look(*one))
    both = np.concatenate(pairs, axis=1)
    slope, difference = both[:-1], both[-1]
    weight = np.ones_like(difference)
    for _ in range(12):
        weighted = slope * weight
        found = np.linalg.lstsq(weighted @ slope.T, weighted @ difference, rcond=None)[0]
        weight = 1 / np.maximum(np.abs(difference - found @ slope), 0.05)
    return np.concatenate([[0.0], found])


def root_mean_square_height(levelled_nm: Heights) -> float:
    """Give the root mean square height Sq (ISO 25178-2) in nm, about the mean of a levelled map."""
    return float(levelled_nm.std())


def structure_anisotropy(levelled_nm: Heights, pixel_nm: tuple[float, float]) -> float:
    """Say how much slopes prefer one direction: the coherence of the mean structure tensor.

    (a - b) / (a + b) with its eigenvalues a >= b (Bigun & Granlund 1987): 1 for ridges of one direction, NaN
    for a flat map. Pixels are given by width and height.
    """
    scale = [SLOPE_SCALE_NM / size for size in reversed(pixel_nm)]
    along_y = ndimage.gaussian_filter(levelled_nm, scale, order=(1, 0)) / pixel_nm[1]
    along_x = ndimage.gaussian_filter(levelled_nm, scale, order=(0, 1)) / pixel_nm[0]
    yy, xx, xy = (along_y**2).mean(), (along_x**2).mean(), (along_x * along_y).mean()
    return float(np.hypot(xx - yy, 2 * xy) / (xx + yy)) if xx + yy > 0 else float("nan")


def texture_aspect_ratio(levelled_nm: Heights, pixel_nm: tuple[float, float]) -> float:
    """Give the texture aspect ratio Str (ISO 25178-2): 1 for a texture without direction, NaN for a flat map.

    Shortest over longest distance at which the autocorrelation has decayed to 0.2, over all directions; what
    does not decay counts as reaching half of the frame. Pixels are given by width and height.
    """
    centred = levelled_nm - levelled_nm.mean()
    shape = [fft.next_fast_len(2 * size, real=True) for size in centred.shape]
    spectrum = fft.rfft2(centred, shape)
    correlation = fft.irfft2(np.abs(spectrum) ** 2, shape)
    if correlation[0, 0] <= 0:
        return float("nan")
    overlap = [
        size - np.abs(fft.fftfreq(full, 1 / full)) for size, full in zip(centred.shape, shape, strict=True)
    ]
    pairs = np.multiply.outer(*(np.maximum(part, 1.0) for part in overlap))
    correlation *= centred.size / (correlation[0, 0] * pairs)
    half = 0.5 * min(size * pixel for size, pixel in zip(centred.shape, reversed(pixel_nm), strict=True))
    angles = np.radians(np.arange(0, 180, 3))
    distances = np.arange(0.0, half, 0.5 * min(pixel_nm))
    places = [
        np.multiply.outer(part(angles), distances) / size
        for part, size in ((np.sin, pixel_nm[1]), (np.cos, pixel_nm[0]))
    ]
    values = ndimage.map_coordinates(correlation, places, order=1, mode="grid-wrap")
    decayed = values <= DECAY
    reach = np.where(decayed.any(axis=1), distances[decayed.argmax(axis=1)], half)
    return float(reach.min() / reach.max())
