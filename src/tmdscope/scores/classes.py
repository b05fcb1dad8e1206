"""How well predicted classes agree with labels.

Labels and predictions are class indices counted from 0, int, shape (images,). A prediction of -1 is *invalid*
(a multilabel output that is no material): always wrong, and without an F1 term of its own, as in Moses &
Reinhart (doi:10.5281/zenodo.13961220). Everything here follows from the counts of (true, predicted) pairs.
`ValueError` where labels and predictions do not match, are empty, or hold what is no class.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tmdscope.materials import INVALID
from tmdscope.scores.quantities import share

Counts = NDArray[np.int64]
Scores = NDArray[np.float64]


def count(
    labels: ArrayLike, predicted: ArrayLike, sample_ids: ArrayLike, classes: int | None = None
) -> Counts:
    """Count the pairs of true and predicted class in each sample, see `tmdscope.scores.task.Task.count`.

    `predicted` is int, shape (models, images). Gives int64, shape (models, samples, K, K + 1); the last
    column holds the invalid. Without `classes` K is one more than the highest class.
    """
    true, guess, ids = (np.asarray(values) for values in (labels, predicted, sample_ids))
    if not (true.ndim == 1 and guess.shape[1:] == true.shape == ids.shape and true.size):
        raise ValueError(
            f"labels {true.shape}, predictions {guess.shape[1:]} and samples {ids.shape} do not match"
        )
    highest = int(max(true.max(), guess.max()))
    size = highest + 1 if classes is None else classes
    if true.min() < 0 or guess.min() < INVALID or highest >= size:
        raise ValueError(f"labels must lie in 0..{size - 1} and predictions in {INVALID}..{size - 1}")
    _, sample = np.unique(ids, return_inverse=True)
    column = np.where(guess == INVALID, size, guess)
    shape = (len(guess), int(sample.max()) + 1, size, size + 1)
    place = np.broadcast_arrays(np.arange(len(guess))[:, None], sample, true, column)
    cell = np.ravel_multi_index(tuple(place), shape).ravel()
    counts: Counts = np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape)
    return counts


def macro_f1_of_each(true: NDArray[Any], guess: NDArray[Any], mask: NDArray[np.bool_]) -> Scores:
    """Compute the `macro_f1` of many models at once, see `tmdscope.scores.task.Task.score_each`.

    At least one entry counts of every model; none of these is invalid.
    """
    classes = 1 + int(max(true[mask].max(), guess[mask].max()))
    shape = (len(true), classes, classes + 1)
    model = np.broadcast_to(np.arange(len(true))[:, None], true.shape)
    cell = np.ravel_multi_index((model[mask], true[mask], guess[mask]), shape)
    return macro_f1(np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape))


def recall_per_class(counts: NDArray[Any]) -> Scores:
    """Compute the share of each class's images that was recognised, shape (..., K, K + 1) to (..., K).

    NaN for a class without labels.
    """
    return share(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1))


def confusion_matrix(labels: ArrayLike, predicted: ArrayLike, classes: int) -> Counts:
    """Count the valid predictions, shape (classes, classes): rows true, columns predicted."""
    return _pairs(labels, predicted, classes)[:, :classes]


def details(
    labels: NDArray[Any], predicted: NDArray[Any], decoded: NDArray[Any], names: Sequence[str]
) -> dict[str, float]:
    """Describe one part: weighted F1, accuracy and invalid outputs of the paper's decoding, recall by class.

    A class without labels has no recall.
    """
    recalls = zip(names, recall_per_class(_pairs(labels, predicted, len(names))), strict=True)
    return {
        "weighted_f1": float(weighted_f1(_pairs(labels, predicted))),
        "exact_accuracy": float(accuracy(_pairs(labels, decoded))),
        "invalid": float(invalid_count(decoded)),
        **{f"recall.{name}": float(recall) for name, recall in recalls if math.isfinite(recall)},
    }


def invalid_count(predicted: ArrayLike) -> int:
    """Count the predictions that name no class."""
    return int(np.count_nonzero(np.asarray(predicted) == INVALID))


def _pairs(labels: ArrayLike, predicted: ArrayLike, classes: int | None = None) -> Counts:
    """Count (true, predicted) pairs; the last column holds the invalid predictions."""
    together = np.zeros(np.shape(labels), dtype=np.int64)
    return np.asarray(count(labels, np.asarray(predicted)[None], together, classes)[0, 0])


def accuracy(counts: NDArray[Any]) -> Scores:
    """Compute accuracies from counts as `count` gives them: shape (..., K, K + 1) to (...)."""
    return share(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))


def balanced_accuracy(counts: NDArray[Any]) -> Scores:
    """Compute the mean recall of the classes that occur, shape (..., K, K + 1) to (...); NaN without any."""
    recalls = recall_per_class(counts)
    present = np.isfinite(recalls)
    return share(np.where(present, recalls, 0).sum(axis=-1), present.sum(axis=-1))


def f1_per_class(counts: NDArray[Any]) -> Scores:
    """Compute F1 = 2 TP / (2 TP + FP + FN) per class, 0 for a class neither true nor predicted."""
    total = counts.sum(axis=-1) + counts.sum(axis=-2)[..., :-1]
    return np.nan_to_num(share(2.0 * np.diagonal(counts, axis1=-2, axis2=-1), total))


def macro_f1(counts: NDArray[Any]) -> Scores:
    """Compute macro F1 from counts as `count` gives them, shape (..., K, K + 1) to (...).

    The mean is over the classes that occur; NaN where none does.
    """
    present = counts.sum(axis=-1) > 0
    return share((f1_per_class(counts) * present).sum(axis=-1), present.sum(axis=-1))


def weighted_f1(counts: NDArray[Any]) -> Scores:
    """Compute the mean F1 of the classes, weighted by labels, as ``f1_score(average="weighted")``."""
    labels = counts.sum(axis=-1)
    return share((f1_per_class(counts) * labels).sum(axis=-1), labels.sum(axis=-1))


def level_error(counts: NDArray[Any]) -> Scores:
    """Compute the mean distance in levels between true and predicted class; invalid is the farthest."""
    size = counts.shape[-2]
    true, guess = np.arange(size)[:, None], np.arange(size + 1)[None]
    farthest = np.maximum(true, size - 1 - true)
    distance = np.where(guess == size, farthest, abs(guess - true))
    return share((counts * distance).sum(axis=(-2, -1)), counts.sum(axis=(-2, -1)))


def most_frequent(labels: NDArray[Any]) -> int:
    """Predict the most frequent class."""
    return int(np.bincount(labels).argmax())


def extremes(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Make a sample that no model could do worse on, and one that none could do better on.

    From counts of pairs, shape (samples, K, K + 1), to shape (2, K, K + 1): as many images as samples have on
    average, as many of each class that occurs, all wrong (spread over the other classes, or invalid without
    any) and all right.
    """
    classes = np.flatnonzero(counts.sum(axis=(0, 2)))
    images = counts.sum() / len(counts) / len(classes)
    made = np.zeros((2, *counts.shape[1:]))
    others = len(classes) - 1
    for label in classes:
        made[0, label, classes[classes != label] if others else -1] = images / max(others, 1)
        made[1, label, label] = images
    return made
