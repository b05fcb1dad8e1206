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


class _Blobs(NamedTuple):
    """Peaks of the volume, brightest first."""

    position: Values  # row, column, channel
    sigma: Values


def count_blobs(scaled: Values) -> int:
    """Count bright blobs, as `skimage.feature.blob_dog` does in the volume of three equal channels.

    Parameters
    ----------
    scaled : numpy.ndarray
        Grey values 0..1, float64, shape (rows, columns).

    Returns
    -------
    int
        Exactly the length of ``blob_dog(volume, threshold=0.001, min_sigma=5, max_sigma=40)``. Where two
        values that decide are equal to rounding, that function is asked.
    """
    blobs = _find_peaks(_scale_space(scaled))
    if blobs is None:
        volume = np.repeat(scaled[..., None], CHANNELS, axis=2)
        return len(blob_dog(volume, min_sigma=MIN_SIGMA, max_sigma=MAX_SIGMA, threshold=THRESHOLD))
    return _count_apart(blobs)


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
    gains: Values = (smooth[:-1] - smooth[1:]) / (RATIO - 1)
    return gains


def _responses(size: int) -> Values:
    """Factors that each truncated Gaussian leaves of the cosines along an axis, shape (sigmas, size)."""
    impulse = np.zeros(size)
    impulse[0] = 1.0
    basis = fft.dct(impulse)
    return np.stack([fft.dct(gaussian_filter1d(impulse, sigma, mode="reflect")) / basis for sigma in _SIGMAS])


def _find_peaks(space: Values) -> _Blobs | None:
    """Find maxima over place and scale; None where rounding decides."""
    padded = np.full([size + 2 for size in space.shape], -np.inf)
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
    return _in_volume(row, column, level, value[found])


def _may_be_peaks(padded: Values, steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where values above the threshold are that no direct neighbour exceeds by more than rounding."""
    values = padded.ravel()
    no_less = values[1:] >= values[:-1] - _TOLERANCE
    no_more = values[1:] <= values[:-1] + _TOLERANCE
    possible = no_less[:-1] & no_more[1:] & (values[1:-1] >= THRESHOLD - _TOLERANCE)
    place: NDArray[np.int64] = np.flatnonzero(possible) + 1
    for step in (steps[1], -steps[1], steps[0], -steps[0]):
        place = place[values[place] >= values[place + step] - _TOLERANCE]
    return place


def _in_volume(row: Places, column: Places, level: Places, value: Values) -> _Blobs:
    """Repeat peaks of the image in every channel and sort them as `peak_local_max` does."""
    channel = np.tile(np.arange(CHANNELS), len(value))
    row, column, level = (np.repeat(place, CHANNELS) for place in (row, column, level))
    order = np.lexsort((level, channel, column, row, -np.repeat(value, CHANNELS)))
    position: Values = np.stack([row, column, channel], axis=1)[order].astype(np.float64)
    sigma: Values = _SIGMAS[level][order].astype(np.float64)
    return _Blobs(position, sigma)


def _count_apart(blobs: _Blobs) -> int:
    """Count the blobs that are left when of two that overlap the smaller goes."""
    loser, winner = _overlapping(blobs)
    alive = np.ones(len(blobs.sigma), bool)
    # A blob that nothing beats stays, whom it beats goes; what then remains open depends on the order.
    beaten = np.zeros(len(alive), bool)
    beaten[loser] = True
    sure = ~beaten
    alive[loser[sure[winner]]] = False
    if (alive & beaten).any():
        return _count_in_order(blobs, loser, winner)
    return int(alive.sum())


def _overlapping(blobs: _Blobs) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of blobs of which one goes: who goes and who stays.

    The larger stays; of two alike the one that comes later, as in `blob_dog`.
    """
    sigma, (row, column, channel) = blobs.sigma, blobs.position.T
    squared = _apart(row) + _apart(column) + _apart(channel)
    larger = np.maximum.outer(sigma, sigma)
    # A ball whose centre lies outside a larger one has less than half of its volume in common with it.
    first, second = np.nonzero(np.triu(squared <= 3.0 * larger**2, 1))
    larger = larger[first, second]
    smaller = np.minimum(sigma[first], sigma[second]) / larger
    gone = _overlap(np.sqrt(squared[first, second] / 3.0) / larger, smaller) > OVERLAP
    first, second = first[gone], second[gone]
    first_stays = sigma[first] > sigma[second]
    return np.where(first_stays, second, first), np.where(first_stays, first, second)


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
    share: Values = np.where(inside, 1.0, lens / (4.0 / 3 * np.pi * radius**3))
    return share


def _count_in_order(blobs: _Blobs, loser: NDArray[np.int64], winner: NDArray[np.int64]) -> int:
    """Settle pairs in the order in which `blob_dog` meets them, that of a set of tuples."""
    low, high = np.minimum(loser, winner), np.maximum(loser, winner)
    outcome = dict(
        zip(
            zip(low.tolist(), high.tolist(), strict=True),
            zip(winner.tolist(), loser.tolist(), strict=True),
            strict=True,
        )
    )
    met = cKDTree(blobs.position).query_pairs(2 * blobs.sigma.max() * np.sqrt(3.0))
    alive = [True] * len(blobs.sigma)
    for stays, goes in [outcome[pair] for pair in met if pair in outcome]:
        if alive[stays]:
            alive[goes] = False
    return sum(alive)
