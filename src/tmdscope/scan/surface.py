"""The clean surface of a simulated scan: terraces, grains, boundaries, second layer, adsorbates."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from tmdscope.scan.grains import Field, Layer, Mask, boundaries_of, grow_layer, place_nuclei
from tmdscope.scan.growth import LAYER_NM, Growth

_MEANDER_NM = 120.0
"""Correlation length of step edges and of the film's wavy edges is this and a quarter of this, in nm."""


@dataclass(frozen=True)
class Surface:
    """A surface as it is, before any instrument; maps have shape (rows, columns).

    `substrate_nm` is bare: terraces and roughness. `masks` are ``boundaries``, ``steps``, ``second_layer``.
    """

    height_nm: Field
    substrate_nm: Field
    first: Layer
    second: Layer
    masks: Mapping[str, Mask]
    boundary_length_nm: float
    adsorbates: int


def grow_surface(growth: Growth, size_px: int, pixel_nm: float, rng: np.random.Generator) -> Surface:
    """Grow one frame of a sample, `size_px` >= 2 rows and columns."""
    terraces, steps = _terraces(growth, size_px, pixel_nm, rng)
    roughness = correlated_field(size_px, growth.roughness_correlation_nm / pixel_nm, rng)
    substrate = terraces + np.float32(growth.roughness_rms_nm) * roughness
    first, second = _layers(growth, size_px, pixel_nm, rng)
    boundaries, edges = boundaries_of(first.grain)
    bumps, adsorbates = _adsorbates(growth, size_px, pixel_nm, rng)
    film = np.float32(LAYER_NM) * (first.covered.astype(np.float32) + second.covered)
    height = substrate + film + bumps - _grooves(boundaries, growth, pixel_nm)
    masks = {"boundaries": boundaries, "steps": steps, "second_layer": second.covered}
    # An isotropic line crosses 4 / pi times as many pixel edges as it is long (Cauchy and Crofton).
    length_nm = edges * pixel_nm * np.pi / 4
    return Surface(height, substrate, first, second, masks, float(length_nm), adsorbates)


def correlated_field(size_px: int, correlation_px: float, rng: np.random.Generator) -> Field:
    """Draw white noise smoothed by a Gaussian of standard deviation `correlation_px` > 0: mean 0, RMS 1.

    Correlations longer than the frame leave its longest waves.
    """
    spectrum = fft.rfft2(rng.standard_normal((size_px, size_px), np.float32), workers=1)
    frequency = fft.fftfreq(size_px)[:, None] ** 2 + fft.rfftfreq(size_px)[None, :] ** 2
    above_lowest = np.maximum(frequency - 1 / size_px**2, 0)
    weight = np.exp(-2 * (np.pi * correlation_px) ** 2 * above_lowest)
    weight[0, 0] = 0.0
    field = fft.irfft2(spectrum * weight.astype(np.float32), s=(size_px, size_px), workers=1)
    field -= field.mean(dtype=np.float64)
    return np.asarray((field / field.std(dtype=np.float64)).astype(np.float32))


def _terraces(growth: Growth, size_px: int, pixel_nm: float, rng: np.random.Generator) -> tuple[Field, Mask]:
    """Staircase height in nm and the pixels just before a step."""
    position = (np.arange(size_px, dtype=np.float32) + 0.5) * pixel_nm
    direction = np.radians(growth.step_direction_deg)
    uphill = np.add.outer(np.sin(direction) * position, np.cos(direction) * position)
    uphill += growth.step_waviness_nm * correlated_field(size_px, _MEANDER_NM / pixel_nm, rng)
    level = np.floor(uphill / growth.step_spacing_nm + rng.random())
    steps = np.zeros(level.shape, bool)
    steps[:, :-1] |= level[:, 1:] != level[:, :-1]
    steps[:-1] |= level[1:] != level[:-1]
    return (level * growth.step_height_nm).astype(np.float32), steps


def _layers(growth: Growth, size_px: int, pixel_nm: float, rng: np.random.Generator) -> tuple[Layer, Layer]:
    noise = correlated_field(size_px, _MEANDER_NM / 4 / pixel_nm, rng)
    waviness = growth.edge_roughness * np.clip(noise, -2.5, 2.5)
    to_pixels = (pixel_nm / 1000) ** 2
    everywhere = np.ones((size_px, size_px), bool)
    density = growth.nucleation_density_per_um2 * to_pixels
    nuclei = place_nuclei(density, size_px, growth, rng)
    first = grow_layer(nuclei, density, growth, growth.coverage, waviness, everywhere)
    density = growth.second_layer_density_per_um2 * to_pixels
    nuclei = place_nuclei(density, size_px, growth, rng)
    second = grow_layer(nuclei, density, growth, growth.second_layer_coverage, waviness, first.covered)
    return first, second


def _grooves(boundaries: Mask, growth: Growth, pixel_nm: float) -> Field:
    """Depth in nm of the grooves along grain boundaries."""
    if not boundaries.any():
        return np.zeros(boundaries.shape, np.float32)
    away_nm = ndimage.distance_transform_edt(~boundaries, sampling=pixel_nm).astype(np.float32)
    return np.asarray(growth.boundary_depth_nm * np.exp(-0.5 * (away_nm / growth.boundary_width_nm) ** 2))


def _adsorbates(growth: Growth, size_px: int, pixel_nm: float, rng: np.random.Generator) -> tuple[Field, int]:
    """Height in nm of Gaussian bumps at random places, and how many there are."""
    count = int(rng.poisson(growth.adsorbate_density_per_um2 * (size_px * pixel_nm / 1000) ** 2))
    centres: NDArray[np.float64] = rng.uniform(0, size_px, (count, 2))
    heights = growth.adsorbate_height_nm * rng.lognormal(0, 0.4, count)
    radii = growth.adsorbate_radius_nm / pixel_nm * rng.lognormal(0, 0.2, count)
    bumps = np.zeros((size_px, size_px), np.float32)
    grid = np.arange(size_px) + 0.5
    for (y, x), height, radius in zip(centres, heights, radii, strict=True):
        low = np.maximum(np.floor([y - 4 * radius, x - 4 * radius]), 0).astype(int)
        high = np.ceil([y + 4 * radius, x + 4 * radius]).astype(int)
        rows, columns = slice(low[0], high[0]), slice(low[1], high[1])
        along_y = np.exp(-0.5 * ((grid[rows] - y) / radius) ** 2)
        along_x = np.exp(-0.5 * ((grid[columns] - x) / radius) ** 2)
        bumps[rows, columns] += height * np.multiply.outer(along_y, along_x)
    return bumps, count
