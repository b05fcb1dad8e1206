"""How well predictions agree with labels.

Labels and predictions are class indices counted from 0. A prediction of -1 is *invalid* (a multilabel
output that is no material): always wrong, and without an F1 term of its own, as in Moses & Reinhart
(doi:10.5281/zenodo.13961220). Everything here follows from the counts of (true, predicted) pairs.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tmdscope.materials import INVALID

Counts = NDArray[np.int64]
Scores = NDArray[np.float64]


def accuracy(labels: ArrayLike, predicted: ArrayLike) -> float:
    """Compute the share of correct predictions.

    Parameters
    ----------
    labels : array_like
        True class of each image, int, shape (images,), at least 0.
    predicted : array_like
        Predicted class of each image, int, shape (images,); -1 is invalid.

    Returns
    -------
    float
        Accuracy in 0..1.

    Raises
    ------
    ValueError
        The two do not match, are empty, or hold what is no class.
    """
    return float(accuracy_of_counts(_pairs(labels, predicted)))


def macro_f1(labels: ArrayLike, predicted: ArrayLike) -> float:
    """Compute the mean F1 of the classes that occur among the labels.

    Parameters
    ----------
    labels : array_like
        True class of each image, int, shape (images,), at least 0.
    predicted : array_like
        Predicted class of each image, int, shape (images,); -1 is invalid.

    Returns
    -------
    float
        Macro F1 in 0..1: scikit-learn's ``f1_score(average="macro", labels=present)``.

    Raises
    ------
    ValueError
        The two do not match, are empty, or hold what is no class.
    """
    return float(macro_f1_of_counts(_pairs(labels, predicted)))


def macro_f1_of_each(labels: ArrayLike, predicted: ArrayLike, counted: ArrayLike, classes: int) -> Scores:
    """Compute the macro F1 of many models at once.

    Parameters
    ----------
    labels : array_like
        True classes, int, shape (models, images), in 0..classes - 1.
    predicted : array_like
        Predicted classes, int, shape (models, images), in 0..classes - 1.
    counted : array_like
        Which entries count, bool, shape (models, images), at least one per model.
    classes : int
        Number of classes.

    Returns
    -------
    numpy.ndarray
        For each model what `macro_f1` gives, float64, shape (models,).
    """
    true, guess, mask = (np.asarray(values) for values in (labels, predicted, counted))
    shape = (len(true), classes, classes + 1)
    model = np.broadcast_to(np.arange(len(true))[:, None], true.shape)
    cell = np.ravel_multi_index((model[mask], true[mask], guess[mask]), shape)
    return macro_f1_of_counts(np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape))


def weighted_f1(labels: ArrayLike, predicted: ArrayLike) -> float:
    """Compute the mean F1 of the classes, each weighted by its number of labels.

    Parameters
    ----------
    labels : array_like
        True class of each image, int, shape (images,), at least 0.
    predicted : array_like
        Predicted class of each image, int, shape (images,); -1 is invalid.

    Returns
    -------
    float
        Weighted F1 in 0..1: scikit-learn's ``f1_score(average="weighted")``.

    Raises
    ------
    ValueError
        The two do not match, are empty, or hold what is no class.
    """
    counts = _pairs(labels, predicted)
    return float(np.average(_f1(counts), weights=counts.sum(axis=1)))


def recall_per_class(labels: ArrayLike, predicted: ArrayLike, classes: int) -> Scores:
    """Compute the share of each class's images that was recognised.

    Parameters
    ----------
    labels : array_like
        True class of each image, int, shape (images,), in 0..classes - 1.
    predicted : array_like
        Predicted class of each image, int, shape (images,); -1 is invalid and counts as a miss.
    classes : int
        Number of classes.

    Returns
    -------
    numpy.ndarray
        Recall of each class in 0..1, float64, shape (classes,); NaN for a class without labels.

    Raises
    ------
    ValueError
        The two do not match, are empty, or hold what is no class.
    """
    counts = _pairs(labels, predicted, classes)
    images = counts.sum(axis=1)
    hits = np.diagonal(counts).astype(np.float64)
    recall: Scores = np.divide(hits, images, out=np.full(classes, np.nan), where=images > 0)
    return recall


def confusion_matrix(labels: ArrayLike, predicted: ArrayLike, classes: int) -> Counts:
    """Count the valid predictions of each class for each true class.

    Parameters
    ----------
    labels : array_like
        True class of each image, int, shape (images,), in 0..classes - 1.
    predicted : array_like
        Predicted class of each image, int, shape (images,); -1 is invalid and is left out.
    classes : int
        Number of classes.

    Returns
    -------
    numpy.ndarray
        Numbers of images, int64, shape (classes, classes): rows true, columns predicted.

    Raises
    ------
    ValueError
        The two do not match, are empty, or hold what is no class.
    """
    return _pairs(labels, predicted, classes)[:, :classes]


def invalid_count(predicted: ArrayLike) -> int:
    """Count the predictions that name no class.

    Parameters
    ----------
    predicted : array_like
        Predicted class of each image, int, shape (images,); -1 is invalid.

    Returns
    -------
    int
        Number of invalid predictions.
    """
    return int(np.count_nonzero(np.asarray(predicted) == INVALID))


def mean_std(values: Sequence[float] | NDArray[Any]) -> dict[str, float]:
    """Compute mean and standard deviation over folds.

    Parameters
    ----------
    values : sequence of float
        One score per fold, shape (folds,).

    Returns
    -------
    dict
        ``mean`` and ``std``, the latter of the population (ddof = 0) as in the paper's tables.

    Raises
    ------
    ValueError
        There are no values.
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
    """Count the pairs of true and predicted class in each sample.

    Parameters
    ----------
    labels : array_like
        True class of each image, int, shape (images,), at least 0.
    predicted : array_like
        Predicted class of each image, int, shape (images,); -1 is invalid.
    sample_ids : array_like
        Sample of each image, shape (images,).
    classes : int, optional
        Number of classes K; without it one more than the highest.

    Returns
    -------
    numpy.ndarray
        int64, shape (samples, K, K + 1), samples in order of their ids; the last column holds the invalid.

    Raises
    ------
    ValueError
        The three do not match, are empty, or hold what is no class.
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
    """Compute accuracies from counts of pairs.

    Parameters
    ----------
    counts : numpy.ndarray
        As `count_by_sample` gives them, shape (..., K, K + 1).

    Returns
    -------
    numpy.ndarray
        float64 in 0..1, shape (...).
    """
    hits = np.trace(counts, axis1=-2, axis2=-1)
    return np.asarray(hits / counts.sum(axis=(-2, -1)), dtype=np.float64)


def _f1(counts: NDArray[Any]) -> Scores:
    """Compute F1 = 2 TP / (2 TP + FP + FN) per class, 0 for a class neither true nor predicted."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    total = counts.sum(axis=-1) + counts.sum(axis=-2)[..., :-1]
    scores: Scores = np.divide(2.0 * hits, total, out=np.zeros(hits.shape), where=total > 0)
    return scores


def macro_f1_of_counts(counts: NDArray[Any]) -> Scores:
    """Compute macro F1 from counted pairs.

    Parameters
    ----------
    counts : numpy.ndarray
        Pairs of true and predicted class, shape (..., K, K + 1); the last column holds the invalid.

    Returns
    -------
    numpy.ndarray
        float64, shape (...): mean F1 of the classes that occur; NaN where none does.
    """
    present = counts.sum(axis=-1) > 0
    classes = present.sum(axis=-1)
    summed = np.asarray((_f1(counts) * present).sum(axis=-1), dtype=np.float64)
    mean: Scores = np.divide(summed, classes, out=np.full(summed.shape, np.nan), where=classes > 0)
    return mean
