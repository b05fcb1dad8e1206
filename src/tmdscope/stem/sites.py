"""What every column of a frame reads, beside its neighbours."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates, median_filter
from scipy.spatial import cKDTree

from tmdscope.stem.lattice import Bragg, Sites, find_sites

Image = NDArray[np.floating]
Values = NDArray[np.float64]

FLOOR = 0.025
"""Least noise that is believed, in column peaks: without noise all that is not perfect would stand out."""

MAD = 1.4826
"""Standard deviations in a median absolute deviation, of normal numbers."""

_CLEAR, _HAZY = (36, 30), (18, 18)
"""Neighbours of the same sublattice, and then of all three, that a site is compared with: fewer in haze."""
_FEWEST = 4
"""Neighbours that say what is usual."""
_SEEN = 0.6
"""Change of all sites around, in standard deviations of one, that is haze."""
_BESIDE_A = 0.75
"""Between the distances of nearest and of next sites, in lattice constants."""
_ALONG = 41
"""Sites, one after another down the frame, whose median change is that of their few lines."""
_STRIPED = 3.0
"""Variance of these over that by chance where lines differ."""
_MISSING = 0.5
"""Share of its column that a site has lost that may belong to a hole."""
_FEWEST_OF_HOLE = 6
"""Missing columns beside one another that are a hole and not defects."""


@dataclass(frozen=True)
class Readings:
    """What the columns of a frame read: places (x, y), column (0: the brightest), change and its score.

    `haze` is how much brighter than usual it is around, `unit` the brightness of the brightest column, `dark`
    that of hollow sites, `ratio` what the second column has of the first's intensity, `lost` are the places
    in holes, `overlap` which share of a column's peak is seen at the nearest sites.
    """

    places: Values
    column: NDArray[np.int64]
    change: Values
    score: Values
    haze: Values
    unit: float
    dark: float
    ratio: float
    lost: Values
    overlap: float
    bragg: Bragg


def read_sites(image: Image, blur: float = 0.15, a_px: float | None = None) -> Readings:
    """Read the intensity of every column of a frame, holes left out; `a_px` is its lattice constant if known.

    A column's change is its light less the median of its neighbours', and less what sites of all kinds around
    it have changed by, which is haze.
    """
    sites = find_sites(image, a_px)
    values = sites.image
    smooth = gaussian_filter(values, blur * sites.bragg.a_px())
    light = _sample(smooth, sites.places)
    column, levels = _by_light(sites, light)
    height = max(levels[0] - levels[2], 1e-6)
    ratio = (levels[1] - levels[2]) / height
    overlap = _overlap(values, sites.bragg, ratio, blur)
    unit = height / (1 - 3 * overlap)
    places, cell = sites.places[sites.held], sites.cell[sites.held]
    column, light = column[sites.held], light[sites.held] / unit
    change, around = _compared(cell, light, *_CLEAR)
    hazy = np.abs(around) > _SEEN * MAD * np.median(np.abs(change))
    if hazy.any():
        change = np.where(hazy, _compared(cell, light, *_HAZY)[0], change)
    change = change - _of_lines(places[:, 1], change)
    haze = np.zeros(len(places))
    score = np.zeros(len(places))
    for own in (column == 0, column == 1, column == 2):
        spread = MAD * np.median(np.abs(change[own])) if own.any() else np.inf
        score[own] = change[own] / max(spread, FLOOR)
        haze[own] = (light[own] - change[own] - np.median(light[own])) * unit
    kept, lost = column < 2, sites.places[~sites.held]
    of = (places[kept], column[kept], change[kept], score[kept], haze[kept])
    return Readings(*of, unit, levels[2], ratio, lost, overlap, sites.bragg)


def _of_lines(y: Values, change: Values) -> Values:
    """Give how much brighter the lines of each site are than others; 0 where chance accounts for it."""
    order = np.argsort(y, kind="stable")
    along = median_filter(change[order], _ALONG, mode="nearest")
    by_chance = np.pi / 2 / _ALONG * (MAD * np.median(np.abs(change))) ** 2
    if np.var(along) < _STRIPED * by_chance:
        return np.zeros_like(change)
    found = np.empty_like(change)
    found[order] = along
    return found


def in_holes(read: Readings) -> NDArray[np.bool_]:
    """Say which columns are missing at the edge of a hole, or in one too small to lose its lattice."""
    brightness = np.where(read.column == 0, 1.0, max(read.ratio, 0.1))
    missing = np.flatnonzero((read.change < -_MISSING * brightness) & (read.score < -3))
    found = np.zeros(len(read.places), dtype=bool)
    if not len(missing):
        return found
    near, beside = cKDTree(read.places[missing]), _BESIDE_A * read.bragg.a_px()
    groups = connected(near.query_pairs(beside, output_type="ndarray"), len(missing))
    away = cKDTree(read.lost).query(read.places[missing])[0] if len(read.lost) else np.inf
    at_edge = np.bincount(groups, np.broadcast_to(away < beside, len(missing))) > 0
    found[missing] = (at_edge | (np.bincount(groups) >= _FEWEST_OF_HOLE))[groups]
    return found


def connected(pairs: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Give the number of the group of each thing, which pairs connect."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1])


def _overlap(values: Image, bragg: Bragg, ratio: float, blur: float) -> float:
    """Say which share of a column's peak, blurred, its neighbours hold: three of them light up a hollow site.

    How wide columns are follows from how the second Bragg ring falls behind the first: a honeycomb whose
    columns have a `ratio` r of intensities has structure factors of sqrt(1 + r^2 - r) and 1 + r.
    """
    first, second = bragg.waves, bragg.waves - np.roll(bragg.waves, 1, axis=0)
    window = [np.hanning(side) for side in values.shape]
    strengths = []
    for waves in (first, second):
        down = np.exp(-2j * np.pi * np.outer(waves[:, 1], np.arange(values.shape[0]))) * window[0]
        across = np.exp(-2j * np.pi * np.outer(waves[:, 0], np.arange(values.shape[1]))) * window[1]
        strengths.append(float(np.abs(((down @ (values - values.mean())) * across).sum(axis=1)).mean()))
    r = min(max(ratio, 0.0), 1.0)
    fall = np.log(strengths[0] / np.sqrt(1 + r**2 - r) * (1 + r) / max(strengths[1], 1e-12))
    variance = max(float(fall), 0.0) / (4 * np.pi**2 * bragg.radius**2) + (blur * bragg.a_px()) ** 2
    return float(min(np.exp(-(bragg.a_px() ** 2) / 3 / (2 * variance)), 0.15))


def _by_light(sites: Sites, light: Values) -> tuple[NDArray[np.int64], list[float]]:
    """Rank the three columns of a cell by their median light: their ranks by site, and the medians."""
    medians = [float(np.median(light[sites.held & (sites.column == k)])) for k in range(3)]
    order = np.argsort(medians)[::-1]
    return np.argsort(order)[sites.column], [medians[k] for k in order]


def _offsets(count: int, same: bool) -> NDArray[np.int64]:
    """List the steps to the nearest neighbours in the triangular lattice, or in one of its three columns."""
    steps = np.stack(np.meshgrid(np.arange(-12, 13), np.arange(-12, 13)), axis=-1).reshape(-1, 2)
    u, v = steps.T
    far = u**2 + v**2 + u * v
    kept = (far > 0) & (((u - v) % 3 == 0) | (not same))
    return np.asarray(steps[kept][np.argsort(far[kept], kind="stable")[:count]])


def _of_neighbours(cell: NDArray[np.int64], light: Values, count: int, same: bool) -> Values:
    """Give for each site the median light of its neighbours; its own where it has but few."""
    steps = _offsets(count, same)
    origin = cell.min(axis=0) + steps.min(axis=0)
    grid = np.full(cell.max(axis=0) + steps.max(axis=0) - origin + 1, np.nan, dtype=np.float32)
    u, v = (cell - origin).T
    grid[u, v] = light
    near = np.sort(grid[u[:, None] + steps[:, 0], v[:, None] + steps[:, 1]], axis=1)  # nan comes last
    there = count - np.isnan(near).sum(axis=1)
    rows = np.arange(len(near))
    middle = near[rows, np.maximum(there - 1, 0) // 2] + near[rows, np.minimum(there // 2, count - 1)]
    return np.where(there >= _FEWEST, middle / 2, light)


def _sample(image: Image, places: Values) -> Values:
    """Read an image between pixels at places, x then y."""
    return np.asarray(map_coordinates(image, places[:, ::-1].T, order=1, mode="nearest"), dtype=np.float64)


def _compared(cell: NDArray[np.int64], light: Values, same: int, around: int) -> tuple[Values, Values]:
    """Give by how much sites differ from so many of the same column and from all around; and the latter."""
    change = light - _of_neighbours(cell, light, same, same=True)
    usual = _of_neighbours(cell, change, around, same=False)
    return change - usual, usual
