"""Nuclei that grow as polygons until they meet and a target coverage is reached.

Kinetic Wulff construction: a grain's six edges move out at constant speeds, three slow edges 120 degrees
apart and three fast ones between them, so that the time at which grain *i* would reach a point is the
largest, over its edges, of distance along the normal over speed. Every point belongs to the grain that
arrives first. A Poisson process of nuclei leaves ``exp(-density * area(t))`` of the surface open (Avrami
1939, J. Chem. Phys. 7, 1103), which tells how far a grain can reach.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tmdscope.scan.growth import Growth

Field = NDArray[np.float32]
Mask = NDArray[np.bool_]

_MARGIN_OPEN = 1e-4
"""Nuclei are placed around the frame as far as matters while more than this fraction is open."""


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
