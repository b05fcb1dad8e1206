"""How sure a score is: 95 % intervals of scores and of their differences, over samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tmdscope.dataset.bootstrap import drawn_sums, percentile_interval
from tmdscope.learn.metrics import Scores, accuracy_of_counts, count_by_sample, macro_f1_of_counts


@dataclass(frozen=True)
class Intervals:
    """95 % intervals of a score, by resampling samples.

    Attributes
    ----------
    accuracy : tuple of float
        Lower and upper bound of the accuracy, each in 0..1.
    macro_f1 : tuple of float
        Lower and upper bound of the macro F1, each in 0..1.
    samples : int
        How many samples there are to draw from.
    resamples : int
        How many times they were drawn.
    """

    accuracy: tuple[float, float]
    macro_f1: tuple[float, float]
    samples: int
    resamples: int


@dataclass(frozen=True)
class Difference:
    """How much better one model does than another on the same images, with 95 % intervals.

    Attributes
    ----------
    accuracy, macro_f1 : float
        Score of the first less that of the second, in -1..1.
    accuracy_ci95, macro_f1_ci95 : tuple of float
        Lower and upper bound of each.
    images, samples : int
        What they were scored on.
    """

    accuracy: float
    macro_f1: float
    accuracy_ci95: tuple[float, float]
    macro_f1_ci95: tuple[float, float]
    images: int
    samples: int


def bootstrap_by_sample(
    labels: ArrayLike,
    predicted: ArrayLike,
    sample_ids: Sequence[str] | NDArray[Any],
    resamples: int,
    seed: int,
) -> Intervals:
    """Find 95 % intervals of accuracy and macro F1 by drawing samples with replacement.

    Images of one sample are not independent, so whole samples are drawn (the cluster bootstrap of
    Davison & Hinkley, *Bootstrap Methods and their Application*, 1997, section 3.8; percentile
    intervals, section 5.3). Each resample scores like `accuracy` and `macro_f1`: a class that it does
    not hold has no F1 term.

    Parameters
    ----------
    labels : array_like
        True class of each image, int, shape (images,), at least 0.
    predicted : array_like
        Predicted class of each image, int, shape (images,), or of several models whose counts are averaged,
        shape (models, images); -1 is invalid.
    sample_ids : sequence of str
        Sample of each image, shape (images,).
    resamples : int
        How many times to draw, at least 1.
    seed : int
        Seed of the drawing.

    Returns
    -------
    Intervals
        The 2.5th and 97.5th percentiles of both scores.

    Raises
    ------
    ValueError
        The three do not match, are empty, or hold what is no class; or there are no resamples.
    """
    counts = _mean_counts(labels, predicted, sample_ids)
    low, high = percentile_interval(_resampled(counts, resamples, seed).T)
    return Intervals((float(low[0]), float(high[0])), (float(low[1]), float(high[1])), len(counts), resamples)


def paired_difference(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    sample_ids: Sequence[str] | NDArray[Any],
    resamples: int,
    seed: int,
) -> Difference:
    """Compare two models on the same images by drawing samples with replacement.

    Every resample scores both models, so that what makes images easy or hard for both cancels; otherwise
    as `bootstrap_by_sample`.

    Parameters
    ----------
    labels : array_like
        True class of each image, int, shape (images,), at least 0.
    first, second : array_like
        Class that each model predicts for each image, int, shape (images,), or that several models predict
        whose counts are averaged, shape (models, images); -1 is invalid.
    sample_ids : sequence of str
        Sample of each image, shape (images,).
    resamples : int
        How many times to draw, at least 1.
    seed : int
        Seed of the drawing.

    Returns
    -------
    Difference
        First less second, with the 2.5th and 97.5th percentiles.

    Raises
    ------
    ValueError
        The arrays do not match, are empty, or hold what is no class; or there are no resamples.
    """
    classes = 1 + max(int(np.max(values, initial=0)) for values in (labels, first, second))
    counts = np.stack(
        [_mean_counts(labels, predicted, sample_ids, classes) for predicted in (first, second)], axis=1
    )
    drawn = _resampled(counts, resamples, seed)
    low, high = percentile_interval((drawn[..., 0] - drawn[..., 1]).T)
    summed = counts.sum(axis=0)
    hits, f1 = accuracy_of_counts(summed), macro_f1_of_counts(summed)
    return Difference(
        accuracy=float(hits[0] - hits[1]),
        macro_f1=float(f1[0] - f1[1]),
        accuracy_ci95=(float(low[0]), float(high[0])),
        macro_f1_ci95=(float(low[1]), float(high[1])),
        images=round(float(counts[:, 0].sum())),
        samples=len(counts),
    )


def _mean_counts(
    labels: ArrayLike, predicted: ArrayLike, sample_ids: ArrayLike, classes: int | None = None
) -> NDArray[Any]:
    """Count pairs by sample, as means over several models where there are several."""
    models = np.asarray(predicted)
    if models.ndim == 1:
        return count_by_sample(labels, models, sample_ids, classes)
    size = 1 + max(int(np.max(values, initial=0)) for values in (labels, models))
    counted = [count_by_sample(labels, model, sample_ids, classes or size) for model in models]
    mean: NDArray[Any] = np.mean(counted, axis=0)
    return mean


def _resampled(counts: NDArray[Any], resamples: int, seed: int) -> Scores:
    """Score samples (first axis of the counts) drawn with replacement: accuracy and macro F1, x resamples."""
    sums = drawn_sums(counts.reshape(len(counts), -1), resamples, seed)
    drawn = sums.reshape(-1, *counts.shape[1:])
    return np.stack([accuracy_of_counts(drawn), macro_f1_of_counts(drawn)])
