"""Blobs by difference of Gaussians in a grey image seen as a volume of three equal channels.

The authors of the TMD paper give `skimage.feature.blob_dog` an image of shape (rows, columns, 3), which it
takes for a volume. Here the same count comes from the two dimensions that differ: a Gaussian with the
boundary rule `reflect` is diagonal in the cosine basis (DCT-II), and only blobs that overlap are compared.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree
from skimage.feature import blob_dog

Values = NDArray[np.float64]
Places = NDArray[np.int64]

MIN_SIGMA, MAX_SIGMA, RATIO = 5.0, 40.0, 1.6
THRESHOLD = 0.001
OVERLAP = 0.5
"""Settings of the authors' code; ratio and overlap are `blob_dog`'s own defaults."""

CHANNELS = 3
_LEVELS = int(np.log(MAX_SIGMA / MIN_SIGMA) / np.log(RATIO) + 1)
_SIGMAS = MIN_SIGMA * RATIO ** np.arange(_LEVELS + 1)
_TOLERANCE = 1e-11
"""Differences of the scale space below this are rounding: peaks this close are left to `blob_dog` itself."""

_OUTSIDE = -10.0
"""Lower than any difference of Gaussians of grey values 0..1."""


class _Peaks(NamedTuple):
    """Peaks of the scale space, brightest first. Blob 3 n + c of the volume is peak n in channel c."""

    row: Values
    column: Values
    sigma: Values


def count_blobs(scaled: Values) -> int:
    """Count bright blobs in grey values 0..1, float64, shape (rows, columns).

    Exactly the length of ``blob_dog(volume, threshold=0.001, min_sigma=5, max_sigma=40)``. Where two values
    that decide are equal to rounding, that function is asked.
    """
    peaks = _find_peaks(_scale_space(scaled))
    if peaks is None:
        volume = np.repeat(scaled[..., None], CHANNELS, axis=2)
        return len(blob_dog(volume, min_sigma=MIN_SIGMA, max_sigma=MAX_SIGMA, threshold=THRESHOLD))
    return _count_apart(peaks)


def _scale_space(scaled: Values) -> Values:
    """Differences of successive Gaussians, shape (levels, rows, columns)."""
    rows, columns = scaled.shape
    spectrum = fft.dctn(scaled) * _gains(rows, columns)
    space: Values = fft.idctn(spectrum, axes=(1, 2), overwrite_x=True, workers=1)
    return space


@lru_cache(maxsize=8)
def _gains(rows: int, columns: int) -> Values:
    """Factors that each difference of Gaussians leaves of every cosine."""
    along_rows, along_columns = _responses(rows), _responses(columns)
    smooth = along_rows[:, :, None] * along_columns[:, None, :]
    return (smooth[:-1] - smooth[1:]) / (RATIO - 1)


def _responses(size: int) -> Values:
    """Factors that each truncated Gaussian leaves of the cosines along an axis, shape (sigmas, size)."""
    impulse = np.zeros(size)
    impulse[0] = 1.0
    basis = fft.dct(impulse)
    return np.stack([fft.dct(gaussian_filter1d(impulse, sigma, mode="reflect")) / basis for sigma in _SIGMAS])


def _find_peaks(space: Values) -> _Peaks | None:
    """Find maxima over place and scale; None where rounding decides."""
    padded = np.full([size + 2 for size in space.shape], _OUTSIDE)
    padded[1:-1, 1:-1, 1:-1] = space
    steps = np.array(padded.strides) // padded.itemsize
    around = (np.indices((3, 3, 3)).reshape(3, 27).T - 1) @ steps
    values, place = padded.ravel(), _may_be_peaks(padded, steps)
    neighbours = values[place + around[:, None]]
    value = neighbours[13].copy()
    neighbours[13] = -np.inf
    margin = value - neighbours.max(axis=0)
    if (np.abs(margin) <= _TOLERANCE).any() or (np.abs(value - THRESHOLD) <= _TOLERANCE).any():
        return None
    found = margin > 0
    level, row, column = np.array(np.unravel_index(place[found], padded.shape)) - 1
    order = np.lexsort((column, row, -value[found]))
    peaks = _Peaks(row[order].astype(float), column[order].astype(float), _SIGMAS[level[order]])
    alike = (np.diff(peaks.row) == 0) & (np.diff(peaks.column) == 0) & (np.diff(value[found][order]) == 0)
    return None if alike.any() else peaks


def _may_be_peaks(padded: Values, steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where values above the threshold are that no direct neighbour exceeds by more than rounding."""
    values = padded.ravel()
    rise = values[1:] - values[:-1]
    possible = values[1:-1] >= THRESHOLD - _TOLERANCE
    possible &= rise[:-1] >= -_TOLERANCE
    possible &= rise[1:] <= _TOLERANCE
    place: NDArray[np.int64] = np.flatnonzero(possible) + 1
    for step in (steps[1], -steps[1], steps[0], -steps[0]):
        place = place[values[place] >= values[place + step] - _TOLERANCE]
    return place


def _count_apart(peaks: _Peaks) -> int:
    """Count the blobs that are left when of two that overlap the smaller goes."""
    loser, winner = _overlapping(peaks)
    beaten = np.zeros(CHANNELS * len(peaks.sigma), bool)
    beaten[loser] = True
    # A blob that nothing beats stays, whom it beats goes; what then remains open depends on the order.
    alive = np.ones(len(beaten), bool)
    alive[loser[~beaten[winner]]] = False
    if (alive & beaten).any():
        return _count_in_order(peaks, loser, winner)
    return int(alive.sum())


def _overlapping(peaks: _Peaks) -> tuple[Places, Places]:
    """Pairs of blobs: who goes, who stays: the larger, of two alike the later, as in `blob_dog`."""
    squared = _apart(peaks.row) + _apart(peaks.column)
    larger = np.maximum.outer(peaks.sigma, peaks.sigma)
    # A ball whose centre lies outside a larger one has less than half of its volume in common with it.
    first, second = np.nonzero(np.triu(squared <= 3.0 * larger**2))
    squared, larger = squared[first, second], larger[first, second]
    smaller = np.minimum(peaks.sigma[first], peaks.sigma[second]) / larger
    channel, other = (item.ravel()[:, None] for item in np.indices((CHANNELS, CHANNELS)))
    distance = np.sqrt((squared + (channel - other) ** 2) / 3.0) / larger
    gone = (_overlap(distance, np.broadcast_to(smaller, distance.shape)) > OVERLAP) & (distance <= 1.0)
    gone &= (first < second) | (channel < other)
    one, two = (CHANNELS * first + channel)[gone], (CHANNELS * second + other)[gone]
    one_stays = np.broadcast_to(peaks.sigma[first] > peaks.sigma[second], gone.shape)[gone]
    return np.where(one_stays, two, one), np.where(one_stays, one, two)


def _apart(along: Values) -> Values:
    return np.square(np.subtract.outer(along, along))


def _overlap(distance: Values, radius: Values) -> Values:
    """Share of a ball of some radius <= 1 that lies in a ball of radius 1.

    The lens of two balls as `skimage.feature` has it (MathWorld, Sphere-Sphere Intersection).
    """
    inside = distance <= 1 - radius
    apart = np.where(inside, 1.0, distance)
    lens = np.pi / (12 * apart) * (1 + radius - apart) ** 2
    lens *= apart**2 + 2 * apart * (1 + radius) - 3 * (1 + radius**2) + 6 * radius
    return np.where(inside, 1.0, lens / (4.0 / 3 * np.pi * radius**3))


def _count_in_order(peaks: _Peaks, loser: Places, winner: Places) -> int:
    """Settle pairs in the order in which `blob_dog` meets them, that of a set of tuples."""
    pairs = zip(np.minimum(loser, winner).tolist(), np.maximum(loser, winner).tolist(), strict=True)
    outcome = dict(zip(pairs, zip(winner.tolist(), loser.tolist(), strict=True), strict=True))
    places = [np.repeat(along, CHANNELS) for along in (peaks.row, peaks.column)]
    channel = np.tile(np.arange(CHANNELS, dtype=np.float64), len(peaks.sigma))
    met = cKDTree(np.stack([*places, channel], axis=1)).query_pairs(2 * peaks.sigma.max() * np.sqrt(3.0))
    alive = [True] * len(channel)
    for stays, goes in map(outcome.__getitem__, filter(outcome.__contains__, met)):
        if alive[stays]:
            alive[goes] = False
    return sum(alive)
