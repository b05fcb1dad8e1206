"""Whether the features tell early from late samples of one class: then more than the class has changed."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from tmdscope.audit.kernel import KernelRidge
from tmdscope.params.audit import AuditParams
from tmdscope.params.common import ScoringParams
from tmdscope.scores.bootstrap import is_bootstrap_enough, percentile_interval, sums_by_sample
from tmdscope.scores.cohort import Cohort, Rows, Values

_FEWEST = 8
"""Samples of a class below which early and late are not told apart."""

_FOLDS = 10


@dataclass(frozen=True)
class Drift:
    """How well early and late samples of one class are told apart.

    `split_at` is the order of the first late sample; `auc` the area under the ROC curve over samples, 0.5
    where they are alike, with its interval by sample: samples drawn with replacement, or, where few are on
    the wrong side of any, one more early and one more late
    (`tmdscope.scores.bootstrap.interval_over_samples`). `null_mean` and `null_95` (95th percentile) are of
    shuffles within the class, `p_value` the share of them, this order among them, that do as well.
    """

    name: str
    samples: int
    images: int
    split_at: float
    auc: float
    auc_ci95: tuple[float, float]
    null_mean: float
    null_95: float
    p_value: float
    permutations: int


def measure_drift(
    cohort: Cohort, kernel: KernelRidge, params: AuditParams, scoring: ScoringParams
) -> list[Drift]:
    """Tell early from late samples within each class with at least eight samples at different times.

    The samples of a class are halved at their median place in the order. Kernel ridge regression on -1
    (early) and +1 (late) is cross-validated over ten folds of samples drawn at random; a sample's value is
    the mean output of its images, and the AUC that of its ranks. The null shuffles early and late among the
    class's samples, with the same folds, so that what the method itself adds (a left-out sample shifts the
    mean of the rest) is in the null too. p counts the data's own order among the shuffles (Phipson & Smyth
    2010, doi:10.2202/1544-6115.1585).
    """
    found = []
    for label, name in enumerate(cohort.strata):
        groups = np.flatnonzero(cohort.group_stratum == label)
        if len(groups) < _FEWEST:
            continue
        times = cohort.group_order[groups]
        late = np.searchsorted(np.sort(times), times) * 2 >= len(times)  # equal times stay together
        if late.all() or not late.any():
            continue
        rng = np.random.default_rng([params.seed, label])
        shuffles = np.stack([late, *(rng.permutation(late) for _ in range(params.permutations))], axis=1)
        values = _values(cohort, kernel, groups, shuffles, rng)
        aucs = _aucs(values, shuffles)
        bounds = _interval(values[:, 0], late, scoring.bootstrap, rng)
        found.append(
            Drift(
                name=name,
                samples=len(groups),
                images=len(cohort.rows_of(groups)),
                split_at=float(times[late].min()),
                auc=float(aucs[0]),
                auc_ci95=bounds,
                null_mean=float(aucs[1:].mean()),
                null_95=float(np.quantile(aucs[1:], 0.95)),
                p_value=float((aucs >= aucs[0] - 1e-12).mean()),
                permutations=params.permutations,
            )
        )
    return found


def _values(
    cohort: Cohort,
    kernel: KernelRidge,
    groups: Rows,
    shuffles: np.ndarray,
    rng: np.random.Generator,
) -> Values:
    """Mean cross-validated output of every sample's images for every shuffle, shape (samples, shuffles)."""
    rows = cohort.rows_of(groups)
    sample = np.searchsorted(groups, cohort.group[rows])
    targets = np.zeros((len(cohort.targets), shuffles.shape[1]))
    targets[rows] = np.where(shuffles[sample], 1.0, -1.0)
    fold = rng.permutation(len(groups)) % min(_FOLDS, len(groups))
    outputs = np.zeros((len(rows), shuffles.shape[1]))
    for number in np.unique(fold):
        test = fold[sample] == number
        outputs[test] = kernel.fit_outputs(rows[~test], rows[test], targets)
    return sums_by_sample(outputs, sample) / np.bincount(sample)[:, None]


def _aucs(values: Values, late: np.ndarray) -> Values:
    """AUC of every column: the share of (early, late) pairs in the right order, ties half (Mann-Whitney)."""
    ranks = rankdata(values, axis=0)
    ones = late.sum(axis=0)
    zeros = len(late) - ones
    with np.errstate(invalid="ignore"):
        share: Values = ((ranks * late).sum(axis=0) - ones * (ones + 1) / 2) / (ones * zeros)
    return share


def _interval(
    values: Values, late: np.ndarray, resamples: int, rng: np.random.Generator
) -> tuple[float, float]:
    ordered = (np.sign(values[late][:, None] - values[~late]) + 1) / 2
    if is_bootstrap_enough(np.concatenate([ordered.mean(axis=1), ordered.mean(axis=0)])):
        drawn = rng.integers(len(values), size=(len(values), resamples))
        low, high = percentile_interval(_aucs(values[drawn], late[drawn]))
    else:
        lates, earlies = (rng.dirichlet(np.ones(size + 1), size=resamples) for size in ordered.shape)
        low, high = (
            np.percentile(((lates @ np.pad(ordered, (0, 1), constant_values=more)) * earlies).sum(axis=1), at)
            for more, at in ((0.0, 2.5), (1.0, 97.5))
        )
    return float(low), float(high)
