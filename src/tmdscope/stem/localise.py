"""Where defects are: methods under one protocol, from a frame to a table of places.

Every method gives a row per defect: ``x_px`` (column) and ``y_px`` (row) of its middle, ``score`` (higher is
surer) and what it knows besides. Places within holes, or at an edge, are left out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import center_of_mass, gaussian_filter, label, maximum_filter, sum_labels
from scipy.spatial import cKDTree
from scipy.stats import norm

from tmdscope.stem.lattice import Bragg, find_bragg
from tmdscope.stem.sites import FLOOR, MAD, Image, Readings, Values, in_holes, read_sites

COLUMNS = ("x_px", "y_px", "score")
"""That every method gives."""


EDGE_A = 1.5
"""Width of the border that does not count, in lattice constants: methods by frequency see edges there."""

_EDGE_OF_SITES_A = 0.6
"""Width of the border where sites are not looked for."""

_NEAR_A = 0.8
"""Beyond the nearest sites, within the next ones, in lattice constants."""
_TAIL = 0.2
"""Least share of a defect's change that a site beside it may have changed by without being one."""


class Localiser(Protocol):
    """A method that finds defects."""

    def __call__(self, image: Image) -> pd.DataFrame:
        """Find the defects of a frame."""


@dataclass(frozen=True)
class Fourier:
    """The seed's method: a map of local means, scaled from 0 to 1, and blobs of what is dark or bright in it.

    It takes a disc about the middle of the spectrum. Its radius is a tenth of the frame, as published, which
    ends within the Bragg ring at one magnification alone; or a share of the ring's, `of_ring`.
    """

    of_ring: float | None = None
    dark: float = 0.25
    bright: float = 0.75
    least_px: int = 5
    most_px: int = 700

    def __call__(self, image: Image) -> pd.DataFrame:
        """Find the defects of a frame."""
        values = np.asarray(image, dtype=np.float32)
        bragg = find_bragg(values)
        radius = 0.1 if self.of_ring is None else self.of_ring * bragg.radius  # cycles a pixel
        mean = _low_pass(values, radius)
        scaled = (mean - mean.min()) / max(float(np.ptp(mean)), 1e-12)
        tables = []
        for inside in (scaled < self.dark, scaled > self.bright):
            blobs, count = label(inside, np.ones((3, 3)))
            numbers = np.arange(1, count + 1)
            area = sum_labels(inside, blobs, numbers)
            kept = numbers[(area > self.least_px) & (area < self.most_px)]
            if not len(kept):
                continue
            places = np.array(center_of_mass(inside, blobs, kept))
            at = tuple(np.round(places).astype(int).T)
            tables.append(_table(places[:, ::-1], np.abs(scaled[at] - 0.5)))
        return _whole(tables, values.shape, bragg)


@dataclass(frozen=True)
class BandPass:
    """Extrema of what is left between slow changes and the Bragg ring, in units of a robust spread."""

    threshold: float = 5.0

    def __call__(self, image: Image) -> pd.DataFrame:
        """Find the defects of a frame."""
        values = np.asarray(image, dtype=np.float32)
        bragg = find_bragg(values)
        a = bragg.a_px()
        smooth = gaussian_filter(values, 0.42 * a)
        left = smooth - gaussian_filter(values, 1.5 * a)
        return _extrema(left, 0.2 * FLOOR * _unit(values), self.threshold, bragg)


@dataclass(frozen=True)
class BraggSubtracted:
    """Extrema of a frame less its lattice: the peaks of its spectrum, broadened by strain."""

    threshold: float = 5.0
    width: float = 0.06
    """Of what is subtracted about each peak, in radii of the ring."""

    def __call__(self, image: Image) -> pd.DataFrame:
        """Find the defects of a frame."""
        values = np.asarray(image, dtype=np.float32)
        bragg = find_bragg(values)
        spectrum, spread = fft.rfft2(values - values.mean()), self.width * bragg.radius
        fy, fx = np.fft.fftfreq(values.shape[0])[:, None], np.fft.rfftfreq(values.shape[1])[None]
        lattice, order = np.zeros(spectrum.shape, np.float32), range(-4, 5)
        for g in (m * bragg.waves[0] + n * bragg.waves[1] for m in order for n in order if (m, n) != (0, 0)):
            if -0.05 < g[0] < 0.55 and abs(g[1]) < 0.55:
                away = (fx - g[0]) ** 2 + (fy - g[1]) ** 2
                np.maximum(lattice, np.exp(-away / (2 * spread**2)), out=lattice)
        rest = fft.irfft2(spectrum * (1 - lattice), values.shape)
        a = bragg.a_px()
        smooth = gaussian_filter(rest, 0.2 * a)
        left = smooth - gaussian_filter(rest, 1.5 * a)
        return _extrema(left, 0.8 * FLOOR * _unit(values), self.threshold, bragg)


@dataclass(frozen=True)
class SiteIntensity:
    """Intensities on the fitted lattice, each less what its neighbours of the same sublattice have.

    The threshold on their robust score lets through `alarms` sites of a frame by chance, of normal noise.
    Besides the place it gives ``column`` (0: the brightest sublattice), ``change``, the intensity less the
    neighbours' in units of column 0, its deviation ``spread`` among usual sites of the sublattice, and
    ``ratio``, what the second column has of the first's intensity. `a_px` is the lattice constant if known.
    """

    alarms: float = 0.1
    blur: float = 0.15
    """Width of the filter, about the probe's, in lattice constants."""
    a_px: float | None = None

    def __call__(self, image: Image) -> pd.DataFrame:
        """Find the defects of a frame."""
        return self.table(*self.sites(image))

    def sites(self, image: Image) -> tuple[Readings, NDArray[np.int64]]:
        """Read a frame, and say which of its sites are defects."""
        read = read_sites(image, self.blur, self.a_px)
        found = np.flatnonzero((np.abs(read.score) > self._threshold(read)) & ~in_holes(read))
        found = found[_strongest(read, found)]
        found = found[inner(read.places[found], np.shape(image), read.bragg.a_px(), _EDGE_OF_SITES_A)]
        return read, found

    def table(self, read: Readings, found: NDArray[np.int64]) -> pd.DataFrame:
        """List some sites as defects."""
        table = _table(read.places[found], np.abs(read.score[found]) / self._threshold(read))
        spread = read.change[found] / read.score[found]
        told = {"column": read.column[found], "change": read.change[found], "spread": spread}
        return table.assign(**told, ratio=read.ratio)

    def _threshold(self, read: Readings) -> float:
        return float(norm.isf(self.alarms / (2 * max(len(read.change), 1))))


def _strongest(read: Readings, found: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Leave out of sites that were found what lies beside a much stronger one: it is that one's tail."""
    kept, strength = np.ones(len(found), dtype=bool), np.abs(read.change[found])
    share = max(_TAIL, 2 * read.overlap)
    if len(found) > 1:
        for first, second in cKDTree(read.places[found]).query_pairs(_NEAR_A * read.bragg.a_px()):
            weak, strong = sorted((first, second), key=lambda k: strength[k])
            kept[weak] &= strength[weak] > share * strength[strong]
    return kept


def _low_pass(values: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """Keep what varies slower than `radius`, cycles a pixel."""
    fy, fx = np.fft.fftfreq(values.shape[0])[:, None], np.fft.rfftfreq(values.shape[1])[None]
    spectrum = fft.rfft2(values)
    spectrum[np.hypot(fy, fx) > radius] = 0
    return np.asarray(fft.irfft2(spectrum, values.shape))


def _unit(values: Image) -> float:
    """Estimate a column's height, robustly, from the range of the pixels."""
    low, high = np.percentile(values[::2, ::2], [1, 99])
    return float(high - low)


def _extrema(residual: Image, floor: float, threshold: float, bragg: Bragg) -> pd.DataFrame:
    """Find extrema of a residual above a threshold, in units of its robust spread, which a floor holds up."""
    strength = np.abs(residual - np.median(residual))
    strength /= max(MAD * float(np.median(strength)), floor, 1e-12)
    size = 2 * int(0.5 * bragg.a_px()) + 1
    peaks = (strength == maximum_filter(strength, size)) & (strength > threshold)
    places = np.argwhere(peaks)
    table = _table(_between(strength, places)[:, ::-1], strength[peaks] / threshold)
    return _whole([table], residual.shape, bragg)


def _between(strength: Image, places: NDArray[np.int64]) -> Values:
    """Move maxima between pixels, by a parabola along each axis."""
    moved = places.astype(np.float64)
    for axis in (0, 1):
        step = np.eye(2, dtype=int)[axis]
        below, above = ((places + s * step).clip(0, np.array(strength.shape) - 1) for s in (-1, 1))
        a, b, c = (strength[tuple(at.T)] for at in (below, places, above))
        bent = a - 2 * b + c
        moved[:, axis] += np.where(bent < 0, 0.5 * (a - c) / np.where(bent < 0, bent, 1), 0).clip(-0.5, 0.5)
    return moved


def _table(places: Values, score: Values) -> pd.DataFrame:
    return pd.DataFrame({"x_px": places[:, 0], "y_px": places[:, 1], "score": score})


def whole_table(places: Values, score: Values, shape: tuple[int, ...], a_px: float) -> pd.DataFrame:
    """Make a table of defects of a frame of a shape (rows, columns), without what lies at an edge."""
    return _inner(_table(places, score), shape, a_px)


def _whole(tables: list[pd.DataFrame], shape: tuple[int, ...], bragg: Bragg) -> pd.DataFrame:
    """Put tables together, without what lies at an edge."""
    if not tables:
        return pd.DataFrame({name: np.empty(0) for name in COLUMNS})
    return _inner(pd.concat(tables, ignore_index=True), shape, bragg.a_px())


def _inner(table: pd.DataFrame, shape: tuple[int, ...], a_px: float) -> pd.DataFrame:
    return table[inner(table[["x_px", "y_px"]].to_numpy(), shape, a_px)].reset_index(drop=True)


def inner(places: Values, shape: tuple[int, ...], a_px: float, edge_a: float = EDGE_A) -> NDArray[np.bool_]:
    """Say which places, x then y, count: not those at an edge of a frame of a shape (rows, columns)."""
    edge = edge_a * a_px
    fits = (places >= edge) & (places <= np.array(shape[::-1]) - 1 - edge)
    return np.asarray(fits.all(axis=1))


METHODS: Mapping[str, Callable[[], Localiser]] = {
    "seed": Fourier,
    "seed_ring": lambda: Fourier(of_ring=0.9),
    "bandpass": BandPass,
    "bragg": BraggSubtracted,
    "sites": SiteIntensity,
}
"""Methods by name, each with its usual settings; a network is trained: `tmdscope.stem.pixelnet`."""
