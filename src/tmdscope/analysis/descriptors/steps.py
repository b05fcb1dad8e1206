"""Steps of the substrate under a film: how far apart, how high."""

from typing import NamedTuple

import numpy as np
from scipy import fft, ndimage

from tmdscope.analysis.descriptors.layers import Layers
from tmdscope.scan.areal import Heights, Mask, remove_quadratic
from tmdscope.scan.growth import LAYER_NM

FEWEST = 5
"""Steps across the frame below which a staircase is not told from roughness."""
CLOSEST_NM = 35.0
"""Spacing below which steps are not told from roughness."""

RIVAL = 0.5
"""A wave is a staircase when no other but its harmonics has more than this share of its strength."""

_FINER = 4
"""The spectrum is sampled this many times as finely as the frame alone would give."""
_LOBE = 2
"""Half width of a Hann window's main lobe, in periods of the frame."""
_PHASES = 24
_CLEAN_NM = 0.3


class Steps(NamedTuple):
    """A staircase: NaN where the frame is too small to hold one, or nothing repeats clearly."""

    spacing_nm: float
    height_nm: float


def find_steps(levelled_nm: Heights, layers: Layers, pixel_nm: tuple[float, float]) -> Steps:
    """Find the staircase that repeats most strongly in heights without tilt and bow, shape (rows, columns).

    A levelled staircase is a sawtooth: spacing from the largest |F|^2 |k| of its power spectrum (Hann window)
    between `FEWEST` steps in the frame and `CLOSEST_NM`, unless another wave has more than `RIVAL` of it;
    height from the first harmonic of the mean profile over that wave's local phase, which follows meanders.
    Offsets between rows stay: taking them out would take steps along the rows with them.
    """
    bare, clean = _substrate(levelled_nm, layers)
    frame = min(size * pixel for size, pixel in zip(bare.shape, reversed(pixel_nm), strict=True))
    window = np.multiply.outer(np.hanning(bare.shape[0]), np.hanning(bare.shape[1]))
    shape = [_FINER * size for size in bare.shape]
    spectrum = np.abs(fft.rfft2(bare * window, shape, workers=1)) ** 2
    along_y, along_x = fft.fftfreq(shape[0], pixel_nm[1])[:, None], fft.rfftfreq(shape[1], pixel_nm[0])[None]
    wave = np.hypot(along_y, along_x)
    strength = np.where((wave >= FEWEST / frame) & (wave <= 1 / CLOSEST_NM), spectrum * wave, 0.0)
    best = np.unravel_index(int(strength.argmax()), strength.shape)
    if strength[best] <= 0 or _rival(strength, int(best[0]), int(best[1])) > RIVAL * strength[best]:
        return Steps(float("nan"), float("nan"))
    vector = complex(along_x[0, best[1]], along_y[best[0], 0])
    return Steps(1 / abs(vector), _height(bare, clean, vector, pixel_nm))


def _rival(strength: Heights, row: int, column: int) -> float:
    """Greatest strength of a wave that is neither the given one nor its second or third harmonic."""
    rows = strength.shape[0]
    along_y, along_x = fft.fftfreq(rows, 1 / rows)[:, None], np.arange(strength.shape[1])[None]
    other = np.ones(strength.shape, bool)
    for harmonic in (1, 2, 3):
        y, x = harmonic * float(along_y[row, 0]), harmonic * column
        lobe = harmonic * _LOBE * _FINER
        for sign in (1, -1):  # a wave and its negative are one
            other &= np.hypot(along_y - sign * y, along_x - sign * x) >= lobe
    return float(strength[other].max(initial=0.0))


def _substrate(levelled_nm: Heights, layers: Layers) -> tuple[Heights, Mask]:
    """Take the film away; edges of layers and particles become 0."""
    bare = levelled_nm - LAYER_NM * layers.number
    bare = bare - np.median(bare)
    clean = (np.abs(bare - ndimage.median_filter(bare, 5)) < _CLEAN_NM) & (np.abs(bare) < 0.5) & ~layers.edges
    return (remove_quadratic(bare, clean) if clean.any() else bare) * clean, clean


def _height(bare: Heights, clean: Mask, vector: complex, pixel_nm: tuple[float, float]) -> float:
    """Height of a sawtooth whose first harmonic has amplitude height / pi; wave vector as x + iy."""
    y, x = np.indices(bare.shape)
    carrier = 2 * np.pi * (vector.imag * y * pixel_nm[1] + vector.real * x * pixel_nm[0])
    scale = [0.5 / (abs(vector) * pixel) for pixel in reversed(pixel_nm)]
    mixed = bare * np.exp(-1j * carrier)
    envelope = ndimage.gaussian_filter(mixed.real, scale) + 1j * ndimage.gaussian_filter(mixed.imag, scale)
    phase = np.angle(envelope * np.exp(1j * carrier))
    place = ((phase[clean] + np.pi) / (2 * np.pi) * _PHASES).astype(int) % _PHASES
    count = np.bincount(place, minlength=_PHASES)
    profile = np.bincount(place, bare[clean], minlength=_PHASES) / np.maximum(count, 1)
    return float(np.pi * 2 * np.abs(np.mean(profile * np.exp(-2j * np.pi * np.arange(_PHASES) / _PHASES))))
