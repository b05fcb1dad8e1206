"""The clean surface of a simulated scan: terraces, grains, boundaries, second layer, adsorbates.

Grains grow from nuclei as polygons until they meet and a target coverage is reached (kinetic Wulff
construction): their edges move out at constant speeds, three slow ones 120 degrees apart and three fast ones
between them, so that grain *i* reaches a point at the largest, over its edges, of distance along the normal
over speed. A point belongs to the grain that arrives first. A Poisson process of nuclei leaves
``exp(-density * area(t))`` open (Avrami 1939, J. Chem. Phys. 7, 1103), which tells how far a grain can reach.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from tmdscope.scan.flaws import Flawed, add_flaws
from tmdscope.scan.growth import LAYER_NM, Growth

Field = NDArray[np.float32]
Mask = NDArray[np.bool_]

_MARGIN_OPEN = 1e-4
"""Nuclei are placed around the frame as far as matters while more than this fraction is open."""

_MEANDER_NM = 120.0
"""Correlation length of step edges and of the film's wavy edges is this and a quarter of this, in nm."""


@dataclass(frozen=True)
class Nuclei:
    """Nuclei in and around a frame, arrays of shape (nuclei,), in pixels from the frame's first corner.

    `angle_rad` is the direction of a slow edge's normal; relative growth speeds have a mean of about 1.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    angle_rad: NDArray[np.float64]
    speed: NDArray[np.float64]
    inside: Mask


@dataclass(frozen=True)
class Layer:
    """One grown layer: where it is, and each pixel's index of a nucleus (-1: open), shape (rows, columns)."""

    nuclei: Nuclei
    covered: Mask
    grain: NDArray[np.int32]


def place_nuclei(density_per_px: float, size_px: int, growth: Growth, rng: np.random.Generator) -> Nuclei:
    """Scatter nuclei over a frame and as far around it as their grains can reach in: a Poisson process."""
    margin = _reach(_MARGIN_OPEN, density_per_px, growth) * growth.grain_circumradius
    width = size_px + 2 * margin
    count = rng.poisson(density_per_px * width**2)
    x, y = rng.uniform(-margin, size_px + margin, (2, count))
    turned = rng.random(count) < growth.twin_fraction
    angle_deg = growth.orientation_deg + rng.normal(0, growth.orientation_spread_deg, count) + 60.0 * turned
    speed = rng.lognormal(0, growth.speed_spread, count)
    inside = (x >= 0) & (x < size_px) & (y >= 0) & (y < size_px)
    return Nuclei(x, y, np.radians(angle_deg), speed, inside)


def grow_layer(
    nuclei: Nuclei, density_per_px: float, growth: Growth, coverage: float, waviness: Field, allowed: Mask
) -> Layer:
    """Let nuclei grow until they cover a given fraction of the frame, where they are allowed to.

    `coverage`, a fraction of all pixels, 0 to 1, is met to half a pixel unless `allowed` has less room,
    nothing nucleates, or an edge along the pixels' rows reaches many of them at once. `waviness`, within -0.5
    and 0.5, is the relative delay of growth at each pixel: it makes edges wavy.
    """
    wanted = min(round(coverage * allowed.size), int(allowed.sum()))
    if wanted == 0 or len(nuclei.x) == 0:
        return Layer(nuclei, np.zeros(allowed.shape, bool), np.full(allowed.shape, -1, np.int32))
    still_open = 0.3 * (1 - wanted / allowed.sum()) + 1e-3
    reach = _reach(still_open, density_per_px, growth)
    while True:
        arrival, grain = _arrivals(nuclei, growth, allowed.shape, reach)
        arrival *= 1 + waviness
        times = arrival[allowed]
        stop = float(np.partition(times, wanted - 1)[wanted - 1])
        if stop <= reach * (1 + float(waviness.min())):
            break
        reach *= 1.5
    covered = allowed & (arrival <= stop)
    return Layer(nuclei, covered, np.where(covered, grain, np.int32(-1)))


def boundaries_of(grain: NDArray[np.int32]) -> tuple[Mask, int]:
    """Find where two grains meet, given the grain of each pixel, shape (rows, columns); negative: none.

    Pixels whose right or lower neighbour belongs to another grain, and the number of pixel edges between two
    grains.
    """
    present = grain >= 0
    right = (grain[:, 1:] != grain[:, :-1]) & present[:, 1:] & present[:, :-1]
    lower = (grain[1:] != grain[:-1]) & present[1:] & present[:-1]
    mask = np.zeros(grain.shape, bool)
    mask[:, :-1] |= right
    mask[:-1] |= lower
    return mask, int(right.sum()) + int(lower.sum())


def _reach(still_open: float, density_per_px: float, growth: Growth) -> float:
    """Time after which a fraction of an endless surface is still open (Avrami)."""
    if density_per_px == 0:
        return 0.0
    mean_square_speed = math.exp(2 * growth.speed_spread**2)
    return math.sqrt(-math.log(still_open) / (density_per_px * growth.grain_area * mean_square_speed))


def _arrivals(
    nuclei: Nuclei, growth: Growth, shape: tuple[int, ...], reach: float
) -> tuple[Field, NDArray[np.int32]]:
    """First arrival at each pixel and whose it is; exact wherever it is not later than `reach`."""
    arrival = np.full(shape, np.inf, np.float32)
    grain = np.full(shape, -1, np.int32)
    rows, columns = shape
    radius = reach * growth.grain_circumradius * nuclei.speed
    left = np.clip(np.floor(nuclei.x - radius), 0, columns).astype(int)
    right = np.clip(np.ceil(nuclei.x + radius), 0, columns).astype(int)
    top = np.clip(np.floor(nuclei.y - radius), 0, rows).astype(int)
    bottom = np.clip(np.ceil(nuclei.y + radius), 0, rows).astype(int)
    x_centres, y_centres = np.arange(columns) + 0.5, np.arange(rows) + 0.5
    towards = nuclei.angle_rad[:, None] + np.radians([0.0, 120.0])
    normal_x, normal_y = np.cos(towards) / nuclei.speed[:, None], np.sin(towards) / nuclei.speed[:, None]
    fast = np.float32(1 / growth.edge_speed_ratio)
    for i in np.flatnonzero((left < right) & (top < bottom)):
        window = slice(top[i], bottom[i]), slice(left[i], right[i])
        x = np.multiply.outer(normal_x[i], x_centres[window[1]] - nuclei.x[i]).astype(np.float32)
        y = np.multiply.outer(normal_y[i], y_centres[window[0]] - nuclei.y[i]).astype(np.float32)
        along = x[:, None, :] + y[:, :, None]
        third = -along[0] - along[1]
        slow_time = np.maximum(np.maximum(along[0], along[1]), third)
        fast_time = np.minimum(np.minimum(along[0], along[1]), third)
        time = np.maximum(slow_time, fast_time * -fast)
        first = time < arrival[window]
        np.copyto(arrival[window], time, where=first)
        np.copyto(grain[window], np.int32(i), where=first)
    return arrival, grain


@dataclass(frozen=True)
class Surface:
    """A surface as it is, before any instrument; maps have shape (rows, columns).

    `substrate_nm` is bare: terraces and roughness. `masks` are ``boundaries``, ``steps``, ``second_layer``.
    What cracks and pinholes took is not in `first` and `second`.
    """

    height_nm: Field
    substrate_nm: Field
    first: Layer
    second: Layer
    masks: Mapping[str, Mask]
    boundary_length_nm: float
    adsorbates: int
    flawed: Flawed


def grow_surface(growth: Growth, size_px: int, pixel_nm: float, rng: np.random.Generator) -> Surface:
    """Grow one frame of a sample, `size_px` >= 2 rows and columns."""
    terraces, steps = _terraces(growth, size_px, pixel_nm, rng)
    roughness = correlated_field(size_px, growth.roughness_correlation_nm / pixel_nm, rng)
    substrate = terraces + np.float32(growth.roughness_rms_nm) * roughness
    first, second = _layers(growth, size_px, pixel_nm, rng)
    boundaries, edges = boundaries_of(first.grain)
    bumps, adsorbates = _adsorbates(growth, size_px, pixel_nm, rng)
    flawed = add_flaws(first.covered.astype(np.int64) + second.covered, growth.flaws, pixel_nm, rng)
    first, second = (_without(layer, flawed.removed) for layer in (first, second))
    film = np.float32(LAYER_NM) * flawed.layers.astype(np.float32)
    grooves = np.where(flawed.removed, np.float32(0), _grooves(boundaries, growth, pixel_nm))
    height = substrate + film + bumps - grooves + flawed.wrinkles_nm
    masks = {"boundaries": boundaries, "steps": steps, "second_layer": flawed.layers > 1}
    # An isotropic line crosses 4 / pi times as many pixel edges as it is long (Cauchy and Crofton).
    length_nm = edges * pixel_nm * np.pi / 4
    return Surface(height, substrate, first, second, masks, float(length_nm), adsorbates, flawed)


def _without(layer: Layer, removed: Mask) -> Layer:
    """Take away what cracks and pinholes took."""
    grain = np.where(removed, np.int32(-1), layer.grain)
    return replace(layer, covered=layer.covered & ~removed, grain=grain)


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
