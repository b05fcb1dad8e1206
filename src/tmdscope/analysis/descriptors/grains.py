"""Grains of the first layer, parted by open area and by the grooves of grain boundaries."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, signal
from skimage.morphology import h_minima
from skimage.segmentation import watershed

from tmdscope.analysis.descriptors.layers import Layers
from tmdscope.scan.areal import Heights

GROOVE_NM = 5.0
"""Half width (standard deviation) of the grooves that are looked for."""
STRAIGHT_NM = 45.0
"""Length over which a groove is taken for straight."""
DEPTH = 1.5
"""Grooves whose strength is below this many standard deviations of the relief part no grains."""

_DIRECTIONS = 8
_RELIEF_NM = 0.35
_SMALLEST_PX = 3
_PARTICLE_NM = 0.45


@dataclass(frozen=True)
class Grains:
    """Grains of the first layer; the diameter is the mean of circles of their areas, NaN without any."""

    count: int
    diameter_nm: float


def find_grains(layers: Layers, pixel_nm: tuple[float, float]) -> Grains:
    """Part the first layer into grains; pixels are given by width and height.

    Basins of a watershed on the strength of grooves: the best match, over eight directions, with a straight
    groove of Gaussian profile; basins less than `DEPTH` deep are joined.
    """
    film = layers.number > 0
    bare = layers.bare_nm
    particles = np.abs(bare) > _PARTICLE_NM
    wide = [max(3, round(50.0 / pixel) | 1) for pixel in reversed(pixel_nm)]
    relief = np.where(particles | layers.edges, 0.0, ndimage.uniform_filter(bare, wide) - bare)
    spread = 1.4826 * float(np.median(np.abs(relief[film]))) if film.any() else 0.0
    if spread == 0:
        return Grains(0, float("nan"))
    strength = match_grooves(np.clip(relief, -_RELIEF_NM, _RELIEF_NM), pixel_nm) / spread
    beside = ndimage.binary_dilation(~film | particles)
    barrier = np.where(film, np.where(beside, 0.0, strength), 1.0 / spread)
    barrier = ndimage.gaussian_filter(barrier, [max(0.5, 4.0 / pixel) for pixel in reversed(pixel_nm)])
    markers, _ = ndimage.label(h_minima(barrier, DEPTH) & film)
    pixels = np.bincount(watershed(barrier, markers, mask=film).ravel())[1:]
    areas = pixels[pixels >= _SMALLEST_PX] * pixel_nm[0] * pixel_nm[1]
    return Grains(len(areas), float(np.sqrt(4 / np.pi * areas).mean()) if len(areas) else float("nan"))


def match_grooves(relief_nm: Heights, pixel_nm: tuple[float, float]) -> Heights:
    """Give the largest correlation, nm, of depths (positive in a groove) with grooves of mean 0, norm 1."""
    reach = [int(np.ceil(STRAIGHT_NM / 2 / pixel)) + 3 for pixel in reversed(pixel_nm)]
    y, x = np.mgrid[-reach[0] : reach[0] + 1, -reach[1] : reach[1] + 1]
    y, x = y * pixel_nm[1], x * pixel_nm[0]
    width = max(GROOVE_NM, 0.6 * max(pixel_nm))
    best = np.full(relief_nm.shape, -np.inf)
    for angle in np.arange(_DIRECTIONS) * np.pi / _DIRECTIONS:
        along = (x * np.cos(angle) + y * np.sin(angle)) / (STRAIGHT_NM / 2.4)
        across = (y * np.cos(angle) - x * np.sin(angle)) / width
        groove = np.exp(-0.5 * (along**2 + across**2)) * (1 - across**2)
        groove -= groove.mean()
        groove /= np.sqrt((groove**2).sum())
        np.maximum(best, signal.oaconvolve(relief_nm, groove, mode="same"), out=best)
    return best
