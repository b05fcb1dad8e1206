"""Intervals by drawing whole samples: images of one sample are not independent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tmdscope.errors import UserError

Values = NDArray[np.float64]

FEW = 5
"""Samples that must differ from what most samples say, before drawing samples shows how a score varies."""

MANY = 50
"""Samples from which on the percentiles of the resamples are taken as they are."""

_PERCENTILES = (2.5, 97.5)
_BLOCK = 4096
"""Resamples whose draws are held in memory at a time, at most."""

_DRAWN = 1 << 23
"""Numbers of samples that are held at a time (64 MiB, twice)."""

_MANY_SAMPLES = 20_000
"""Samples above which those of the same counts are drawn together: it makes no difference which it is."""


def sums_by_sample(values: NDArray[Any], sample_ids: ArrayLike) -> Values:
    """Add up each sample's images: (..., images, columns) to float64 (..., samples, columns), by ids."""
    names, sample = np.unique(np.asarray(sample_ids), return_inverse=True)
    sums = np.zeros((*values.shape[:-2], len(names), values.shape[-1]))
    np.add.at(np.moveaxis(sums, -2, 0), sample, np.moveaxis(values, -2, 0))
    return sums


def drawn_sums(sums: NDArray[Any], resamples: int, seed: int, weigh: bool = False) -> Values:
    """Add up what drawn samples hold, (samples, columns) to float64 (resamples, columns), in flat memory.

    As many samples are drawn as there are, with replacement: the cluster bootstrap of Davison & Hinkley,
    *Bootstrap Methods and their Application* (1997), section 3.8. Or, to `weigh` instead, all samples by
    uniform Dirichlet draws. It needs two samples at least: the spread of one cannot be known.
    """
    if resamples < 1:
        raise ValueError(f"{resamples} resamples: an interval needs at least one")
    if len(sums) < 2:
        raise UserError(f"{len(sums)} sample: an interval over samples needs two at least; add samples")
    samples, rng, alike = len(sums), np.random.default_rng(seed), np.ones(len(sums))
    if samples > _MANY_SAMPLES and np.array_equal(sums, np.rint(sums)):
        sums, counts = np.unique(sums, axis=0, return_counts=True)
        alike = counts.astype(np.float64)
    block, found = min(_BLOCK, max(1, _DRAWN // len(sums))), []
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        draws = (
            rng.dirichlet(alike, size)
            if weigh
            else rng.multinomial(samples, alike / samples, size).astype(np.float64)
        )
        found.append(draws @ sums)
    return np.concatenate(found)


def percentile_interval(drawn: Values, samples: int = MANY) -> Values:
    """Give the middle 95 % of what resamples, shape (resamples, ...), say: the two bounds, shape (2, ...).

    Resamples of few samples vary too little: with fewer than `MANY` (at least 2) the percentiles lie further
    out, where a normal distribution has sqrt(n / (n - 1)) times Student's t of n - 1 degrees of freedom
    (Hesterberg 2015, "What Teachers Should Know About the Bootstrap", doi:10.1080/00031305.2015.1089789). NaN
    in `drawn` is a statistic that is not defined.
    """
    percentiles = _PERCENTILES
    if samples < MANY:
        from scipy.stats import norm  # a second, which who only reads intervals should not wait

        far = small_sample(samples)
        percentiles = (100 * float(norm.cdf(-far)), 100 * float(norm.cdf(far)))
    return np.nanpercentile(drawn, percentiles, axis=0)


def small_sample(samples: int) -> float:
    """Give how many standard deviations of resamples of few samples, two or more, 95 % lie within.

    Normal ones of many samples lie within 1.96, see `percentile_interval`.
    """
    from scipy.stats import t as student

    return float(np.sqrt(samples / (samples - 1)) * student.ppf(0.975, samples - 1))


def interval_over_samples(
    sums: NDArray[Any],
    statistic: Callable[[Values], Values],
    says: NDArray[Any],
    extremes: NDArray[Any],
    resamples: int,
    seed: int,
) -> Values | None:
    """Give the 95 % interval of a statistic over samples: the one place that decides how it is found.

    Where at least `FEW` samples say something else than most do, these are percentiles of samples drawn with
    replacement (`drawn_sums`, `percentile_interval`). Where fewer do, drawing what is there says next to
    nothing of what is rare (31 right images of 17 samples are right in every draw), and each bound is that of
    Gaffke 2005 ("Three test statistics for a nonparametric one-sided hypothesis on the mean of a nonnegative
    variable", Math. Methods Statist. 14; Phan, Thomas & Learned-Miller 2021, "Towards practical mean bounds
    for small samples", ICML, section 2): one more sample joins, which speaks as strongly as can be against
    the score (for the upper bound: for it), samples weigh as a uniform Dirichlet draw says, and the bound is
    that percentile of the weighted statistic. For a share of single images it is the exact interval of
    Clopper & Pearson (1934); images of a sample stay together, so that alike images count as one. For macro
    F1 and for differences it is the same construction, not the same proof: their coverage is simulated in
    ``tests/scores/test_coverage.py``.

    `sums` are what samples hold, (samples, columns), from which `statistic` gives (draws, columns) to (draws,
    ...); `says` it of each sample alone, equal where samples say the same; `extremes`, (2, columns), are what
    one more sample would hold against the score and for it. Gives bounds, (2, ...), with the statistic of the
    samples themselves between them; None with fewer than two samples.
    """
    if resamples < 1:
        raise ValueError(f"{resamples} resamples: an interval needs at least one")
    if len(sums) < 2:
        return None
    if is_bootstrap_enough(says):
        bounds = percentile_interval(statistic(drawn_sums(sums, resamples, seed)), len(sums))
    else:
        low, high = (
            np.nanpercentile(
                statistic(drawn_sums(np.vstack([sums, extreme]), resamples, seed, weigh=True)), at, axis=0
            )
            for extreme, at in zip(extremes, _PERCENTILES, strict=True)
        )
        bounds = np.stack([low, high])
    (value,) = statistic(sums.sum(axis=0, keepdims=True))
    return np.stack([np.fmin(bounds[0], value), np.fmax(bounds[1], value)])


def is_bootstrap_enough(says: NDArray[Any]) -> bool:
    """Say whether at least `FEW` samples, shape (samples,), say something else than the most frequent."""
    _, counts = np.unique(np.round(says, 9), return_counts=True)
    return len(says) - int(counts.max(initial=0)) >= FEW


@dataclass(frozen=True)
class Interval:
    """A mean over the images that counted, with its 95 % interval over their samples.

    Without bounds where there are fewer than two samples, or all say the same and no limits are known.
    """

    mean: float | None
    ci95: tuple[float, float] | None
    images: int
    samples: int


def mean_with_interval(
    values: NDArray[Any],
    sample_ids: Sequence[str],
    resamples: int,
    seed: int,
    limits: tuple[float, float] | None = None,
) -> Interval:
    """Give the mean over images, shape (images,); those without a number (NaN) do not count.

    `limits` are the least and largest value there can be, as 0 and 1 of a share: see `interval_over_samples`;
    without them samples are drawn with replacement however few differ.
    """
    known = np.isfinite(values)
    ids = np.asarray(sample_ids, dtype=str)[known]
    count = int(known.sum())
    if not count:
        return Interval(None, None, 0, 0)
    sums = sums_by_sample(np.stack([values[known], np.ones(count)], axis=1), ids.tolist())
    mean = float(np.mean(values[known]))
    says = sums[:, 0] / sums[:, 1]
    if limits is None and np.ptp(says) < 1e-12:
        return Interval(mean, None, count, len(sums))
    draws = (resamples, seed)
    if limits is None:
        drawn = drawn_sums(sums, *draws)
        bounds: Values | None = percentile_interval(drawn[:, 0] / drawn[:, 1], len(sums))
    else:
        extremes = count / len(sums) * np.array([[limit, 1.0] for limit in limits])
        bounds = interval_over_samples(sums, lambda held: held[:, 0] / held[:, 1], says, extremes, *draws)
    return Interval(mean, None if bounds is None else (float(bounds[0]), float(bounds[1])), count, len(sums))
