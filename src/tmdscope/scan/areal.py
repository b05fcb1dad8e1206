"""Areal parameters of one height map: what the surface is like as a whole, in nm."""

from collections.abc import Sequence
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


def remove_quadratic(height_nm: NDArray[Any], of: Mask | None = None) -> Heights:
    """Subtract the degree-two polynomial that fits a height map (only pixels `of`) best by least squares."""
    height = np.asarray(height_nm, dtype=np.float64)
    terms = quadratic_terms(height.shape)
    fitted = np.ones(height.shape, bool) if of is None else of
    chosen = terms[fitted]
    weights = np.linalg.lstsq(chosen.T @ chosen, chosen.T @ height[fitted], rcond=None)[0]
    return height - terms @ weights


def quadratic_terms(shape: tuple[int, ...]) -> Heights:
    """Give 1, x, y, x2, xy and y2 of each pixel, x and y from -1 to 1, shape (rows, columns, 6)."""
    y, x = (np.linspace(-1, 1, size) for size in shape)
    x, y = np.broadcast_arrays(x[None, :], y[:, None])
    return polynomial_terms(x, y)


def polynomial_terms(x: Heights, y: Heights) -> Heights:
    """Give 1, x, y, x2, xy and y2 in a last axis."""
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


def fit_differences(height_nm: Heights, terms: Heights, lags_px: Sequence[int]) -> Heights:
    """Fit the polynomial whose differences over some rows, and columns, are nearest to the heights'.

    By absolute values, so that a step between few pairs weighs little. `terms`, shape (rows, columns, n), are
    without the constant; given are their n weights.
    """
    slopes: list[Heights] = []
    differences: list[Heights] = []
    for axis, lag in enumerate(lags_px):
        every = slice(None, None, max(1, lag // 2))
        for values, kept in ((terms, slopes), (height_nm, differences)):
            along = np.moveaxis(values, axis, 0)
            kept.append((along[lag:] - along[:-lag])[every, every].reshape(-1, *values.shape[2:]))
    slope, difference = np.concatenate(slopes), np.concatenate(differences)
    weight = np.ones(len(difference))
    for _ in range(12):
        weighted = slope * weight[:, None]
        found = np.linalg.lstsq(weighted.T @ slope, weighted.T @ difference, rcond=None)[0]
        weight = 1 / np.maximum(np.abs(difference - slope @ found), 0.05)
    return np.asarray(found)


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
