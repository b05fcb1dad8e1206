"""How well predicted numbers agree with true ones, from sums over images.

The statistics of an image, six columns: 1, absolute error, squared error, target and squared target (both
less the mean of all targets), and whether the nearest level is the target's.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tmdscope.scores.bootstrap import sums_by_sample

Values = NDArray[np.float64]


def counter(levels: Sequence[float]) -> Callable[[ArrayLike, NDArray[Any], ArrayLike], Values]:
    """Make what adds up statistics by sample, see `tmdscope.scores.task.Task.count`."""
    middles = (np.asarray(levels[1:], dtype=np.float64) + np.asarray(levels[:-1])) / 2

    def count(targets: ArrayLike, predicted: NDArray[Any], sample_ids: ArrayLike) -> Values:
        true, said, ids = (
            np.asarray(targets, np.float64),
            np.asarray(predicted, np.float64),
            np.asarray(sample_ids),
        )
        if not (true.ndim == 1 and said.shape[1:] == true.shape == ids.shape and true.size):
            raise ValueError(
                f"targets {true.shape}, predictions {said.shape[1:]} and samples {ids.shape} do not match"
            )
        if not (np.isfinite(true).all() and np.isfinite(said).all()):
            raise ValueError("a target or a prediction is no finite number")
        error, centred = said - true, np.broadcast_to(true - true.mean(), said.shape)
        hit = np.searchsorted(middles, said) == np.searchsorted(middles, true)
        columns = np.stack([np.ones_like(said), abs(error), error**2, centred, centred**2, hit], axis=-1)
        return sums_by_sample(columns, ids)

    return count


def extremes(counts: NDArray[Any]) -> Values:
    """Make a sample whose every error is the largest mean error of a sample, and one without error."""
    mean = counts.sum(axis=0) / len(counts)
    size = mean[0]
    worst = (counts[:, 1] / counts[:, 0]).max()
    found = np.stack([mean, mean])
    found[0, 1:3], found[1, 1:3] = (size * worst, size * worst**2), 0
    found[:, 5] = 0, size
    return found


def mae(sums: NDArray[Any]) -> Values:
    """Give the mean absolute error."""
    return share(sums[..., 1], sums[..., 0])


def rmse(sums: NDArray[Any]) -> Values:
    """Give the root of the mean squared error."""
    return np.sqrt(share(sums[..., 2], sums[..., 0]))


def r2(sums: NDArray[Any]) -> Values:
    """Give the share of the targets' variance that is explained; NaN where they do not vary."""
    total = sums[..., 4] - share(sums[..., 3] ** 2, sums[..., 0])
    return 1 - share(sums[..., 2], np.where(total > 1e-12 * sums[..., 4], total, 0))


def binned_accuracy(sums: NDArray[Any]) -> Values:
    """Give the share of predictions whose nearest level is the target's."""
    return share(sums[..., 5], sums[..., 0])


def median(targets: NDArray[Any]) -> float:
    """Predict the median, which has the lowest mean absolute error of all constants."""
    return float(np.median(targets))


def share(part: NDArray[Any], whole: NDArray[Any]) -> Values:
    """Divide; NaN where there is nothing to divide by."""
    found: Values = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)
    return found
