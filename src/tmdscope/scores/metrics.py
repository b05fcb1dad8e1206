"""How well predictions agree with labels.

Labels and predictions are class indices counted from 0, int, shape (images,). A prediction of -1 is *invalid*
(a multilabel output that is no material): always wrong, and without an F1 term of its own, as in Moses &
Reinhart (doi:10.5281/zenodo.13961220). Everything here follows from the counts of (true, predicted) pairs.
`ValueError` where labels and predictions do not match, are empty, or hold what is no class.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tmdscope.materials import INVALID

Counts = NDArray[np.int64]
Scores = NDArray[np.float64]


def accuracy(labels: ArrayLike, predicted: ArrayLike) -> float:
    """Compute the share of correct predictions."""
    return float(accuracy_of_counts(_pairs(labels, predicted)))


def macro_f1(labels: ArrayLike, predicted: ArrayLike) -> float:
    """Compute the mean F1 of the classes that occur among the labels.

    As scikit-learn's ``f1_score(average="macro", labels=present)``.
    """
    return float(macro_f1_of_counts(_pairs(labels, predicted)))


def macro_f1_of_each(labels: ArrayLike, predicted: ArrayLike, counted: ArrayLike, classes: int) -> Scores:
    """Compute the `macro_f1` of many models at once, float64, shape (models,).

    Arrays are of shape (models, images), classes in 0..classes - 1; `counted` (bool) says which entries
    count, at least one per model.
    """
    true, guess, mask = (np.asarray(values) for values in (labels, predicted, counted))
    shape = (len(true), classes, classes + 1)
    model = np.broadcast_to(np.arange(len(true))[:, None], true.shape)
    cell = np.ravel_multi_index((model[mask], true[mask], guess[mask]), shape)
    return macro_f1_of_counts(np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape))


def weighted_f1(labels: ArrayLike, predicted: ArrayLike) -> float:
    """Compute the mean F1 of the classes, weighted by labels, as ``f1_score(average="weighted")``."""
    counts = _pairs(labels, predicted)
    return float(np.average(_f1(counts), weights=counts.sum(axis=1)))


def recall_per_class(labels: ArrayLike, predicted: ArrayLike, classes: int) -> Scores:
    """Compute the share of each class's images that was recognised; NaN for a class without labels."""
    counts = _pairs(labels, predicted, classes)
    images = counts.sum(axis=1)
    hits = np.diagonal(counts).astype(np.float64)
    recall: Scores = np.divide(hits, images, out=np.full(classes, np.nan), where=images > 0)
    return recall


def confusion_matrix(labels: ArrayLike, predicted: ArrayLike, classes: int) -> Counts:
    """Count the valid predictions, shape (classes, classes): rows true, columns predicted."""
    return _pairs(labels, predicted, classes)[:, :classes]


def invalid_count(predicted: ArrayLike) -> int:
    """Count the predictions that name no class."""
    return int(np.count_nonzero(np.asarray(predicted) == INVALID))


def mean_std(values: Sequence[float] | NDArray[Any]) -> dict[str, float]:
    """Compute ``mean`` and ``std`` over folds, at least one.

    The latter is of the population (ddof = 0) as in the paper's tables.
    """
    scores = np.asarray(values, dtype=np.float64)
    if not scores.size:
        raise ValueError("no scores: a mean needs at least one fold")
    return {"mean": float(scores.mean()), "std": float(scores.std())}


def _pairs(labels: ArrayLike, predicted: ArrayLike, classes: int | None = None) -> Counts:
    """Count (true, predicted) pairs; the last column holds the invalid predictions."""
    images = np.asarray(labels).shape
    counts: Counts = count_by_sample(labels, predicted, np.zeros(images, dtype=np.int64), classes)[0]
    return counts


def count_by_sample(
    labels: ArrayLike, predicted: ArrayLike, sample_ids: ArrayLike, classes: int | None = None
) -> Counts:
    """Count the pairs of true and predicted class in each sample, int64, shape (samples, K, K + 1).

    Samples are in order of their ids; the last column holds the invalid. Without `classes` K is one more than
    the highest class.
    """
    true, guess, ids = (np.asarray(values) for values in (labels, predicted, sample_ids))
    if not (true.ndim == 1 and true.shape == guess.shape == ids.shape and true.size):
        raise ValueError(
            f"labels {true.shape}, predictions {guess.shape} and samples {ids.shape} do not match"
        )
    highest = int(max(true.max(), guess.max()))
    size = highest + 1 if classes is None else classes
    if true.min() < 0 or guess.min() < INVALID or highest >= size:
        raise ValueError(f"labels must lie in 0..{size - 1} and predictions in {INVALID}..{size - 1}")
    _, sample = np.unique(ids, return_inverse=True)
    column = np.where(guess == INVALID, size, guess)
    shape = (int(sample.max()) + 1, size, size + 1)
    cell = np.ravel_multi_index((sample, true, column), shape)
    counts: Counts = np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape)
    return counts


def accuracy_of_counts(counts: NDArray[Any]) -> Scores:
    """Compute accuracies from counts as `count_by_sample` gives them: shape (..., K, K + 1) to (...)."""
    hits = np.trace(counts, axis1=-2, axis2=-1)
    return np.asarray(hits / counts.sum(axis=(-2, -1)), dtype=np.float64)


def _f1(counts: NDArray[Any]) -> Scores:
    """Compute F1 = 2 TP / (2 TP + FP + FN) per class, 0 for a class neither true nor predicted."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    total = counts.sum(axis=-1) + counts.sum(axis=-2)[..., :-1]
    scores: Scores = np.divide(2.0 * hits, total, out=np.zeros(hits.shape), where=total > 0)
    return scores


def macro_f1_of_counts(counts: NDArray[Any]) -> Scores:
    """Compute macro F1 from counts as `count_by_sample` gives them, shape (..., K, K + 1) to (...).

    The mean is over the classes that occur; NaN where none does.
    """
    present = counts.sum(axis=-1) > 0
    classes = present.sum(axis=-1)
    summed = np.asarray((_f1(counts) * present).sum(axis=-1), dtype=np.float64)
    mean: Scores = np.divide(summed, classes, out=np.full(summed.shape, np.nan), where=classes > 0)
    return mean
