"""Physical descriptors of a height map in nm with a pixel size: Table 5's properties as quantities."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage
from skimage.feature import peak_local_max
from skimage.morphology import h_minima
from skimage.segmentation import watershed

from tmdscope.analysis.descriptors.layers import Layers, find_layers
from tmdscope.scan.areal import (
    Heights,
    Mask,
    remove_quadratic,
    root_mean_square_height,
    structure_anisotropy,
    texture_aspect_ratio,
)
from tmdscope.scan.growth import LAYER_NM

PARTICLE_NM = 1.1
"""An adsorbate stands at least this much above the first layer: a second layer and two thirds more."""
PARTICLE_APART_NM = 12.0
"""Of two particles closer than this one is counted."""

GROOVE_NM = 5.0
"""Half width (standard deviation) of the grooves that are looked for."""
STRAIGHT_NM = 45.0
"""Length over which a groove is taken for straight."""
DEPTH = 1.5
"""Grooves whose strength is below this many standard deviations of the relief part no grains."""

_DIRECTIONS = 8
_RELIEF_NM = 0.35
_SMALLEST_PX = 3
_FOREIGN_NM = 0.45

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


def describe_physical(
    height_nm: NDArray[Any], pixel_nm: tuple[float, float], known: Layers | None = None
) -> dict[str, float]:
    """Compute `PHYSICAL` of finite heights as measured; NaN where a quantity is not defined for the map.

    `known` are its layers, up to two, where they were found before.
    """
    levelled = remove_quadratic(height_nm)
    layers = known or find_layers(height_nm, pixel_nm)
    area_um2 = layers.number.size * pixel_nm[0] * pixel_nm[1] / 1e6
    surface = remove_quadratic(layers.height_nm)  # as its truth is: what islands weigh on one side goes too
    grains, diameter_nm = find_grains(layers, pixel_nm)
    spacing_nm, step_nm = find_steps(levelled, layers, pixel_nm)
    return {
        "equivalent_diameter_nm": diameter_nm,
        "step_height_nm": step_nm,
        "step_spacing_nm": spacing_nm,
        "slope_anisotropy": structure_anisotropy(levelled, pixel_nm),
        "texture_aspect_ratio": texture_aspect_ratio(surface, pixel_nm),
        "grain_density_per_um2": grains / area_um2,
        "roughness_sq_nm": root_mean_square_height(surface),
        "coverage": float((layers.number > 0).mean()),
        "second_layer_coverage": float((layers.number > 1).mean()),
        "defect_density_per_um2": count_particles(layers, pixel_nm) / area_um2,
    }


def count_particles(layers: Layers, pixel_nm: tuple[float, float]) -> int:
    """Count peaks more than `PARTICLE_NM` above the first layer, or above the substrate where it is bare."""
    above = layers.height_nm - LAYER_NM * np.minimum(layers.number, 1)
    apart = max(1, round(PARTICLE_APART_NM / min(pixel_nm)))
    return len(peak_local_max(above, min_distance=apart, threshold_abs=PARTICLE_NM, exclude_border=False))


def find_grains(layers: Layers, pixel_nm: tuple[float, float]) -> tuple[int, float]:
    """Count grains of the first layer, parted by open area and grooves; mean diameter of circles as large.

    Basins of a watershed on the strength of grooves: the best match, over eight directions, with a straight
    groove of Gaussian profile; basins less than `DEPTH` deep are joined. NaN without any.
    """
    film = layers.number > 0
    bare = layers.bare_nm
    particles = np.abs(bare) > _FOREIGN_NM
    wide = [max(3, round(50.0 / pixel) | 1) for pixel in reversed(pixel_nm)]
    relief = np.where(particles | layers.edges, 0.0, ndimage.uniform_filter(bare, wide) - bare)
    spread = 1.4826 * float(np.median(np.abs(relief[film]))) if film.any() else 0.0
    if spread == 0:
        return 0, float("nan")
    strength = match_grooves(np.clip(relief, -_RELIEF_NM, _RELIEF_NM), pixel_nm) / spread
    beside = ndimage.binary_dilation(~film | particles)
    barrier = np.where(film, np.where(beside, 0.0, strength), 1.0 / spread)
    barrier = ndimage.gaussian_filter(barrier, [max(0.5, 4.0 / pixel) for pixel in reversed(pixel_nm)])
    markers, _ = ndimage.label(h_minima(barrier, DEPTH) & film)
    pixels = np.bincount(watershed(barrier, markers, mask=film).ravel())[1:]
    areas = pixels[pixels >= _SMALLEST_PX] * pixel_nm[0] * pixel_nm[1]
    return len(areas), float(np.sqrt(4 / np.pi * areas).mean()) if len(areas) else float("nan")


def match_grooves(relief_nm: Heights, pixel_nm: tuple[float, float]) -> Heights:
    """Give the largest correlation, nm, of depths (positive in a groove) with grooves of mean 0, norm 1."""
    rows, columns = relief_nm.shape
    top, left = (int(np.ceil(STRAIGHT_NM / 2 / pixel)) + 3 for pixel in reversed(pixel_nm))
    y, x = np.mgrid[-top : top + 1, -left : left + 1]
    y, x = y * pixel_nm[1], x * pixel_nm[0]
    shape = [fft.next_fast_len(size + 2 * reach, real=True) for size, reach in ((rows, top), (columns, left))]
    spectrum = fft.rfft2(relief_nm, shape, workers=1)
    best = np.full(relief_nm.shape, -np.inf)
    for angle in np.arange(_DIRECTIONS) * np.pi / _DIRECTIONS:
        groove = straight_groove(y, x, angle, max(GROOVE_NM, 0.6 * max(pixel_nm)))
        found = fft.irfft2(spectrum * fft.rfft2(groove, shape, workers=1), shape, workers=1)
        np.maximum(best, found[top : top + rows, left : left + columns], out=best)
    return best


def straight_groove(y_nm: Heights, x_nm: Heights, angle_rad: float, width_nm: float) -> Heights:
    """Draw a groove of Gaussian profile through the middle, of mean 0, norm 1."""
    along = (x_nm * np.cos(angle_rad) + y_nm * np.sin(angle_rad)) / (STRAIGHT_NM / 2.4)
    across = (y_nm * np.cos(angle_rad) - x_nm * np.sin(angle_rad)) / width_nm
    groove = np.exp(-0.5 * (along**2 + across**2)) * (1 - across**2)
    groove -= groove.mean()
    return np.asarray(groove / np.sqrt((groove**2).sum()))


def find_steps(levelled_nm: Heights, layers: Layers, pixel_nm: tuple[float, float]) -> tuple[float, float]:
    """Find spacing and height of the staircase that repeats most strongly in heights without tilt and bow.

    A levelled staircase is a sawtooth: spacing from the largest |F|^2 |k| of its power spectrum (Hann window)
    between `FEWEST` steps in the frame and `CLOSEST_NM`, unless another wave has more than `RIVAL` of it;
    height from the first harmonic of the mean profile over that wave's local phase, which follows meanders.
    Offsets between rows stay: taking them out would take steps along the rows with them. NaN where the frame
    is too small to hold one, or nothing repeats clearly.
    """
    bare, clean = _substrate(levelled_nm, layers)
    frame = min(size * pixel for size, pixel in zip(bare.shape, reversed(pixel_nm), strict=True))
    window = np.multiply.outer(np.hanning(bare.shape[0]), np.hanning(bare.shape[1]))
    rows, columns = (_FINER * size for size in bare.shape)
    # by axis, so that the rows of zeros that make the spectrum finer are not transformed
    spectrum = np.abs(fft.fft(fft.rfft(bare * window, columns, axis=1), rows, axis=0)) ** 2
    along_y, along_x = fft.fftfreq(rows, pixel_nm[1])[:, None], fft.rfftfreq(columns, pixel_nm[0])[None]
    wave = np.sqrt(along_y**2 + along_x**2)
    strength = np.where((wave >= FEWEST / frame) & (wave <= 1 / CLOSEST_NM), spectrum * wave, 0.0)
    best = np.unravel_index(int(strength.argmax()), strength.shape)
    if strength[best] <= 0 or _has_rival(strength, int(best[0]), int(best[1])):
        return float("nan"), float("nan")
    vector = complex(along_x[0, best[1]], along_y[best[0], 0])
    return 1 / abs(vector), _height(bare, clean, vector, pixel_nm)


def _has_rival(strength: Heights, row: int, column: int) -> bool:
    """Say whether a wave that is neither the given one nor its second or third harmonic has `RIVAL` of it."""
    rows = len(strength)
    y, x = np.nonzero(strength > RIVAL * strength[row, column])
    y, own = (np.where(at < (rows + 1) // 2, at, at - rows) for at in (y, np.array(row)))  # as `fftfreq`
    other = np.ones(len(y), bool)
    for harmonic in (1, 2, 3):
        lobe = harmonic * _LOBE * _FINER
        for sign in (harmonic, -harmonic):  # a wave and its negative are one
            other &= np.hypot(y - sign * own, x - sign * column) >= lobe
    return bool(other.any())


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
