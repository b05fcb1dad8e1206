"""What more samples would bring: error against training samples, a power law, and its uncertainty."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tmdscope.audit.kernel import Learner
from tmdscope.params.audit import AuditParams
from tmdscope.params.common import ScoringParams
from tmdscope.scores.bootstrap import is_bootstrap_enough, percentile_interval
from tmdscope.scores.cohort import Cohort, Rows, Targets, Values
from tmdscope.scores.intervals import Bounds
from tmdscope.scores.task import Metric

_EXPONENTS = np.linspace(0.05, 2.0, 79)


@dataclass(frozen=True)
class PowerLaw:
    """Error ``floor + scale * samples ** -exponent``."""

    floor: float
    scale: float
    exponent: float


@dataclass(frozen=True)
class LearningCurve:
    """Plain metric on images of other samples against the number of training samples (means over draws).

    `score_ci95` is by test sample, None of a single one. `law` is of the distance to the best value there is;
    `twice` what it predicts with twice the samples of the last point, `gain` by how much that is better than
    its value there. Their intervals are over drawn test samples; None where so few of them are told from the
    others by their errors that drawing says nothing (`tmdscope.scores.bootstrap.is_bootstrap_enough`).
    `last_foretold` is the last point's score by a law fitted to those before it: a test of the law. `draws`
    are training sets of each point and fold.
    """

    samples: list[float]
    score: list[float]
    score_ci95: list[Bounds]
    law: PowerLaw
    exponent_ci95: Bounds
    twice: float
    twice_ci95: Bounds
    gain: float
    gain_ci95: Bounds
    last_foretold: float
    draws: int


def learning_curve(
    cohort: Cohort,
    predictor: Learner,
    folds: Sequence[tuple[Rows, Rows]],
    params: AuditParams,
    scoring: ScoringParams,
) -> LearningCurve:
    """Train on shares (rising in 0..1) of the samples and fit a power law to the error.

    Of every outer fold's training samples a share of each class is drawn (at least one), and the fold's own
    images are predicted. The law ``a + b n^-c`` is fitted by least squares with a, b >= 0 and c in 0.05..2
    (the form of Cortes et al. 1993, *Learning Curves: Asymptotic Values and Rate of Convergence*, NIPS 6).
    Test samples are drawn with replacement and the law is fitted anew: the intervals hold that and nothing
    else, not the choice of the law.
    """
    rng, metric = np.random.default_rng(params.seed), cohort.task.plain
    sizes, predictions = [], []
    for share in params.shares:
        drawn = [_draw(cohort, predictor, folds, share, rng) for _ in range(params.draws if share < 1 else 1)]
        sizes.append(float(np.mean([size for size, _ in drawn])))
        predictions.append(np.stack([predicted for _, predicted in drawn]))
    counts = [cohort.task.counts(cohort.targets, predicted, cohort.groups) for predicted in predictions]
    by_sample = np.stack(counts, axis=1)
    samples = len(by_sample)
    weights = rng.multinomial(samples, np.full(samples, 1 / samples), size=scoring.bootstrap)
    resampled = metric.of(np.tensordot(weights, by_sample, axes=1))
    score, points = metric.of(by_sample.sum(axis=0)), np.array(sizes)
    laws = fit_power_laws(points, errors_of(metric, np.vstack([score, resampled])))
    here, there = (_errors(laws, factor * sizes[-1]) for factor in (1, 2))
    twice, gain = scores_of(metric, there), here - there
    before = fit_power_laws(points[:-1], errors_of(metric, score[None, :-1]))
    enough = [is_bootstrap_enough(cohort.task.says(counted)) for counted in counts]
    everything = np.arange(len(cohort.targets))
    return LearningCurve(
        samples=sizes,
        score=score.tolist(),
        score_ci95=[
            _bounds(column) if many else cohort.estimate(everything, predicted, scoring).bounds[metric.name]
            for many, column, predicted in zip(enough, resampled.T, predictions, strict=True)
        ],
        law=PowerLaw(*laws[0].tolist()),
        exponent_ci95=_bounds(laws[1:, 2]) if all(enough) else None,
        twice=float(twice[0]),
        twice_ci95=_bounds(twice[1:]) if all(enough) else None,
        gain=float(gain[0]),
        gain_ci95=_bounds(gain[1:]) if all(enough) else None,
        last_foretold=float(scores_of(metric, _errors(before, sizes[-1]))[0]),
        draws=params.draws,
    )


def errors_of(metric: Metric, scores: Values) -> Values:
    """Give by how much scores fall short of the best that there is."""
    return metric.highest - scores if metric.higher_is_better else scores - metric.lowest


def scores_of(metric: Metric, errors: Values) -> Values:
    """Give the scores that fall short by so much."""
    return metric.highest - errors if metric.higher_is_better else metric.lowest + errors


def fit_power_laws(samples: Values, errors: Values) -> Values:
    """Fit ``a + b n^-c`` with a, b >= 0 by least squares, over a grid of exponents.

    From errors, (curves, points), to a, b and c of each curve, (curves, 3).
    """
    best = np.full((len(errors), 3), np.nan)
    least = np.full(len(errors), np.inf)
    mean = errors.mean(axis=1)
    for exponent in _EXPONENTS:
        x = samples**-exponent
        slope = ((errors - mean[:, None]) @ (x - x.mean())) / ((x - x.mean()) @ (x - x.mean()))
        slope = np.maximum(slope, 0)
        floor = mean - slope * x.mean()
        through_zero = floor < 0
        slope = np.where(through_zero, errors @ x / (x @ x), slope)
        floor = np.where(through_zero, 0.0, floor)
        loss = ((errors - floor[:, None] - slope[:, None] * x) ** 2).sum(axis=1)
        better = loss < least
        least[better] = loss[better]
        best[better] = np.stack([floor, slope, np.full(len(errors), exponent)], axis=1)[better]
    return best


def _errors(laws: Values, samples: float) -> Values:
    errors: Values = laws[:, 0] + laws[:, 1] * samples ** -laws[:, 2]
    return errors


def _bounds(values: Values) -> tuple[float, float]:
    low, high = percentile_interval(values)
    return float(low), float(high)


def _draw(
    cohort: Cohort,
    predictor: Learner,
    folds: Sequence[tuple[Rows, Rows]],
    share: float,
    rng: np.random.Generator,
) -> tuple[float, Targets]:
    """Mean number of training samples over folds, and the predictions of all images."""
    predicted = np.empty_like(cohort.targets)
    sizes = []
    for train, test in folds:
        groups = np.unique(cohort.group[train])
        kept = []
        for label in np.unique(cohort.group_stratum[groups]):
            own = groups[cohort.group_stratum[groups] == label]
            kept.append(rng.permutation(own)[: max(1, round(share * len(own)))])
        chosen = np.concatenate(kept)
        sizes.append(len(chosen))
        predicted[test] = predictor.predict(cohort.rows_of(chosen), test)
    return float(np.mean(sizes)), predicted
