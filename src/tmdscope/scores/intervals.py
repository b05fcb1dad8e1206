"""How sure a score is: 95 % intervals of metrics and of their differences, over samples."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tmdscope.scores.bootstrap import interval_over_samples
from tmdscope.scores.task import Metric, Task, Values

Bounds = tuple[float, float] | None
"""Lower and upper bound; None where there is no interval, as of one sample."""

NO_INTERVAL = "no interval: 1 sample"
"""What stands in place of an interval of fewer than two samples."""

_CI95 = "_ci95"


@dataclass(frozen=True)
class Estimate:
    """Metrics on some images, or differences of them (first less second), with 95 % intervals over samples.

    `values` and `bounds` are by the metric's name. Without an interval nothing may be decided.
    """

    values: Mapping[str, float]
    bounds: Mapping[str, Bounds]
    images: int
    samples: int

    def record(self) -> dict[str, Any]:
        """Write it flat: ``images``, ``samples``, and ``NAME`` and ``NAME_ci95`` of every metric.

        None where it is not defined.
        """
        bounds = {f"{name}{_CI95}": found and list(found) for name, found in self.bounds.items()}
        values = {name: None if value != value else value for name, value in self.values.items()}
        return {"images": self.images, "samples": self.samples, **values, **bounds}

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> "Estimate":
        """Read what `record` wrote."""
        names = [key.removesuffix(_CI95) for key in record if key.endswith(_CI95)]
        bounds = {name: record[f"{name}{_CI95}"] for name in names}
        return cls(
            {name: np.nan if record[name] is None else record[name] for name in names},
            {name: None if found is None else (found[0], found[1]) for name, found in bounds.items()},
            record["images"],
            record["samples"],
        )

    def tell(self, metric: Metric, sign: bool = False) -> str:
        """Write a metric with its interval, see `tell`."""
        return tell(metric, self.values[metric.name], self.bounds[metric.name], sign)


def estimate(
    task: Task,
    targets: ArrayLike,
    predicted: ArrayLike,
    sample_ids: Sequence[str] | NDArray[Any],
    resamples: int,
    seed: int,
) -> Estimate:
    """Find the metrics of predictions with 95 % intervals by drawing samples with replacement.

    Images of one sample are not independent, so whole samples are drawn (the cluster bootstrap of
    Davison & Hinkley, *Bootstrap Methods and their Application*, 1997, section 3.8; percentile
    intervals, section 5.3). Where all but a few samples say the same, as near 0 and 1, both bounds are
    those of `tmdscope.scores.bootstrap.interval_over_samples` instead: one more sample joins, see
    `Task.extremes`.

    `predicted` is of one model or of several whose statistics are averaged, see `Task.counts`. `ValueError`
    where arrays do not match, are empty, or hold what is no target.
    """
    counts = task.counts(targets, predicted, sample_ids)
    asked = np.size(targets), resamples, seed
    return _estimate(task, counts, lambda held: held, task.extremes(counts), *asked)


def difference(
    task: Task,
    targets: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    sample_ids: Sequence[str] | NDArray[Any],
    resamples: int,
    seed: int,
) -> Estimate:
    """Compare two models (first less second) on the same images by drawing samples with replacement.

    Every resample scores both models, so that what makes images easy or hard for both cancels; otherwise as
    `estimate`, arguments too: where all but a few samples say the same of both, one more sample
    joins on which one model is at its worst and the other at its best, so that models that agree everywhere
    are still told apart by no more than the samples allow.
    """
    counts = task.paired_counts(targets, first, second, sample_ids)
    worst, best = task.extremes(counts[:, 0])
    extremes = np.stack([[worst, best], [best, worst]])
    asked = np.size(targets), resamples, seed
    return _estimate(task, counts, lambda held: held[..., 0] - held[..., 1], extremes, *asked)


def tell_interval(value: float, bounds: Sequence[float] | None, form: str = ".3f", scale: float = 1) -> str:
    """Write ``0.795 [0.764, 0.824]`` or ``0.795 (no interval: 1 sample)``, numbers multiplied by `scale`."""
    if bounds is None:
        return f"{value * scale:{form}} ({NO_INTERVAL})"
    low, high = (f"{bound * scale:{form}}" for bound in bounds)
    return f"{value * scale:{form}} [{low}, {high}]"


def tell(metric: Metric, value: float, bounds: Bounds, sign: bool = False) -> str:
    """Write a metric's value with its interval and unit, as `tell_interval`."""
    told = tell_interval(value, bounds, f"{'+' if sign else ''}{metric.form}")
    return f"{told} {metric.unit}".rstrip()


def _estimate(
    task: Task,
    counts: NDArray[Any],
    compare: Callable[[Values], Values],
    extremes: NDArray[Any],
    images: int,
    resamples: int,
    seed: int,
) -> Estimate:
    """Estimate from statistics by sample (first axis)."""

    def statistic(sums: NDArray[Any]) -> Values:
        return compare(task.values(sums.reshape(-1, *counts.shape[1:]))).T

    flat, says = counts.reshape(len(counts), -1), compare(task.says(counts))
    found = interval_over_samples(flat, statistic, says, extremes.reshape(2, -1), resamples, seed)
    names = [metric.name for metric in task.metrics]
    (values,) = statistic(flat.sum(axis=0, keepdims=True)).tolist()
    bounds = [None] * len(names) if found is None else [(low, high) for low, high in found.T.tolist()]
    return Estimate(
        dict(zip(names, values, strict=True)), dict(zip(names, bounds, strict=True)), images, len(counts)
    )
