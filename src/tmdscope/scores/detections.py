"""How well found objects agree with true ones, from sums over frames: frames, objects, hits, false alarms."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tmdscope.scores.bootstrap import sums_by_sample
from tmdscope.scores.quantities import share

Values = NDArray[np.float64]


def count(targets: ArrayLike, predicted: NDArray[Any], sample_ids: ArrayLike) -> Values:
    """Add up by sample, see `tmdscope.scores.task.Task.count`.

    `targets` are true objects of each frame, (N,); `predicted` hits and false alarms of each, (models, N, 2).
    """
    true, said, ids = np.asarray(targets), np.asarray(predicted), np.asarray(sample_ids)
    if not (true.ndim == 1 and true.size and said.shape[1:] == (*true.shape, 2) and ids.shape == true.shape):
        raise ValueError(
            f"objects {true.shape}, detections {said.shape[1:]} and samples {ids.shape} do not match"
        )
    if (said < 0).any() or (said[..., 0] > true).any():
        raise ValueError("a frame has fewer than no hits or false alarms, or more hits than objects")
    frames = np.broadcast_to(np.stack([np.ones_like(true), true], axis=-1), (len(said), len(true), 2))
    return sums_by_sample(np.concatenate([frames, said], axis=-1), ids)


def extremes(counts: NDArray[Any]) -> Values:
    """Make a sample in which all objects are missed, with false alarms in their place, and a perfect one."""
    frames, objects, _, _ = counts.sum(axis=0) / len(counts)
    return np.array([[frames, objects, 0, max(objects, frames)], [frames, objects, objects, 0]])


def nothing(targets: NDArray[Any]) -> NDArray[np.int64]:  # noqa: ARG001
    """Find nothing in any frame."""
    return np.zeros(2, dtype=np.int64)


def precision(sums: NDArray[Any]) -> Values:
    """Give the share of what was found that is there; NaN where nothing was found."""
    return share(sums[..., 2], sums[..., 2] + sums[..., 3])


def recall(sums: NDArray[Any]) -> Values:
    """Give the share of the objects that were found; NaN without objects."""
    return share(sums[..., 2], sums[..., 1])


def f1(sums: NDArray[Any]) -> Values:
    """Give the harmonic mean of precision and recall: 2 hits / (objects + found)."""
    return share(2 * sums[..., 2], sums[..., 1] + sums[..., 2] + sums[..., 3])


def false_alarms(sums: NDArray[Any]) -> Values:
    """Count the false alarms of a frame, on average."""
    return share(sums[..., 3], sums[..., 0])
