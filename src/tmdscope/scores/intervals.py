"""How sure a score is: 95 % intervals of scores and of their differences, over samples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tmdscope.scores.bootstrap import interval_over_samples
from tmdscope.scores.metrics import Scores, accuracy_of_counts, count_by_sample, macro_f1_of_counts

Bounds = tuple[float, float] | None
"""Lower and upper bound; None where there is no interval, as of one sample."""

NO_INTERVAL = "no interval: 1 sample"
"""What stands in place of an interval of fewer than two samples."""


@dataclass(frozen=True)
class Intervals:
    """Accuracy and macro F1 over samples with 95 % bounds, all in 0..1.

    `scores` are accuracy and macro F1 that the bounds are of; of several models those of their mean counts.
    """

    accuracy: Bounds
    macro_f1: Bounds
    samples: int
    resamples: int
    scores: tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """How much better (-1..1) one model does than another on the same images, with 95 % intervals.

    Without an interval nothing may be decided.
    """

    accuracy: float
    macro_f1: float
    accuracy_ci95: Bounds
    macro_f1_ci95: Bounds
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
    not hold has no F1 term. Where all but a few samples are equally right, as near 0 and 1, both bounds are
    those of `tmdscope.scores.bootstrap.interval_over_samples` instead: one more sample of mean size, its
    images spread over the classes, all of them wrong (for the upper bound: right).

    `predicted` is int, shape (images,), or of several models whose counts are averaged, shape (models,
    images); -1 is invalid. `ValueError` where arrays do not match, are empty, or hold what is no class.
    """
    counts = _mean_counts(labels, predicted, sample_ids)
    says = accuracy_of_counts(counts)
    accuracy, macro_f1 = _bounds(counts, lambda held: held, says, one_more(counts), resamples, seed)
    hits, f1 = _both(counts.sum(axis=0))
    return Intervals(accuracy, macro_f1, len(counts), resamples, (float(hits), float(f1)))


def paired_difference(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    sample_ids: Sequence[str] | NDArray[Any],
    resamples: int,
    seed: int,
) -> Difference:
    """Compare two models (first less second) on the same images by drawing samples with replacement.

    Every resample scores both models, so that what makes images easy or hard for both cancels; otherwise as
    `bootstrap_by_sample`, arguments too: where all but a few samples say the same of both, one more sample
    joins on which one model is wholly wrong and the other wholly right, so that models that agree everywhere
    are still told apart by no more than the samples allow.
    """
    classes = 1 + max(int(np.max(values, initial=0)) for values in (labels, first, second))
    counts = np.stack(
        [_mean_counts(labels, predicted, sample_ids, classes) for predicted in (first, second)], axis=1
    )
    hits, f1 = _both(counts.sum(axis=0))
    alone = accuracy_of_counts(counts)
    wrong, right = one_more(counts[:, 0])
    accuracy, macro_f1 = _bounds(
        counts,
        lambda held: held[..., 0] - held[..., 1],
        alone[:, 0] - alone[:, 1],
        np.stack([[wrong, right], [right, wrong]]),
        resamples,
        seed,
    )
    return Difference(
        accuracy=float(hits[0] - hits[1]),
        macro_f1=float(f1[0] - f1[1]),
        accuracy_ci95=accuracy,
        macro_f1_ci95=macro_f1,
        images=round(float(counts[:, 0].sum())),
        samples=len(counts),
    )


def tell_interval(value: float, bounds: Sequence[float] | None, form: str = ".3f", scale: float = 1) -> str:
    """Write ``0.795 [0.764, 0.824]`` or ``0.795 (no interval: 1 sample)``, numbers multiplied by `scale`."""
    if bounds is None:
        return f"{value * scale:{form}} ({NO_INTERVAL})"
    low, high = (f"{bound * scale:{form}}" for bound in bounds)
    return f"{value * scale:{form}} [{low}, {high}]"


def one_more(counts: NDArray[Any]) -> NDArray[np.float64]:
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


def _both(counts: NDArray[Any]) -> Scores:
    return np.stack([accuracy_of_counts(counts), macro_f1_of_counts(counts)])


def _bounds(
    counts: NDArray[Any],
    compare: Callable[[Scores], Scores],
    says: Scores,
    extremes: NDArray[Any],
    resamples: int,
    seed: int,
) -> tuple[Bounds, Bounds]:
    """Give the bounds of accuracy and of macro F1 from counts by sample (first axis)."""

    def statistic(sums: NDArray[Any]) -> Scores:
        return compare(_both(sums.reshape(-1, *counts.shape[1:]))).T

    flat = counts.reshape(len(counts), -1)
    found = interval_over_samples(flat, statistic, says, extremes.reshape(2, -1), resamples, seed)
    if found is None:
        return None, None
    (low, low_f1), (high, high_f1) = found.tolist()
    return (low, high), (low_f1, high_f1)
