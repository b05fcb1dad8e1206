"""What more samples would bring: error against training samples, a power law, and its uncertainty."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmdscope.audit.kernel import Predictor
from tmdscope.audit.table import AuditTable, Rows, Values
from tmdscope.scores.bootstrap import interval_over_samples, is_bootstrap_enough, percentile_interval
from tmdscope.scores.intervals import Bounds

_EXPONENTS = np.linspace(0.05, 2.0, 79)


@dataclass(frozen=True)
class PowerLaw:
    """Error ``floor + scale * samples ** -exponent``."""

    floor: float
    scale: float
    exponent: float

    def error(self, samples: float) -> float:
        """Give the error that the law predicts for so many training samples."""
        return float(self.floor + self.scale * samples**-self.exponent)


@dataclass(frozen=True)
class LearningCurve:
    """Accuracy, in 0..1, against the number of training samples (means over draws).

    Attributes
    ----------
    accuracy : list of float
        On images of other samples.
    accuracy_ci95 : list of tuple of float or None
        By test sample; None of a single one.
    exponent_ci95, twice_ci95, gain_ci95 : tuple of float or None
        Over drawn test samples; None where so few of them are told from the others by their errors that
        drawing says nothing (`tmdscope.scores.bootstrap.is_bootstrap_enough`).
    twice : float
        Accuracy that the law predicts with twice the samples of the last point.
    gain : float
        The same less the last point's own value by the law.
    last_foretold : float
        Accuracy of the last point by a law that is fitted to the points before it: a test of the law.
    draws : int
        Training sets of each point and fold.
    """

    samples: list[float]
    accuracy: list[float]
    accuracy_ci95: list[Bounds]
    law: PowerLaw
    exponent_ci95: Bounds
    twice: float
    twice_ci95: Bounds
    gain: float
    gain_ci95: Bounds
    last_foretold: float
    draws: int


def learning_curve(
    table: AuditTable,
    predictor: Predictor,
    folds: Sequence[tuple[Rows, Rows]],
    shares: Sequence[float],
    draws: int,
    resamples: int,
    seed: int,
) -> LearningCurve:
    """Train on shares (rising in 0..1) of the samples and fit a power law to the error.

    Of every outer fold's training samples a share of each class is drawn (at least one), and the fold's own
    images are predicted. The law ``a + b n^-c`` is fitted by least squares with a, b >= 0 and c in 0.05..2
    (the form of Cortes et al. 1993, *Learning Curves: Asymptotic Values and Rate of Convergence*, NIPS 6).
    Test samples are drawn with replacement and the law is fitted anew: the intervals hold that and nothing
    else, not the choice of the law.
    """
    rng = np.random.default_rng(seed)
    sizes, hits = [], []
    for share in shares:
        repeats = draws if share < 1 else 1
        counted = [_draw(table, predictor, folds, share, rng) for _ in range(repeats)]
        sizes.append(float(np.mean([size for size, _ in counted])))
        hits.append(np.mean([hit for _, hit in counted], axis=0))
    right = np.stack(hits, axis=1)
    images = np.bincount(table.group)
    by_sample = np.stack([np.bincount(table.group, column) for column in right.T], axis=1)
    drawn = rng.multinomial(len(images), np.full(len(images), 1 / len(images)), size=resamples)
    resampled = (drawn @ by_sample) / (drawn @ images)[:, None]
    accuracy = right.mean(axis=0)
    points = np.array(sizes)
    laws = fit_power_laws(points, 1 - np.vstack([accuracy, resampled]))
    here, there = ((1 - _errors(laws, factor * sizes[-1])) for factor in (1, 2))
    says = by_sample / images[:, None]
    enough = [is_bootstrap_enough(column) for column in says.T]
    bounds = [
        _bounds(drawn_here) if has_many else _few(hits_here, images, resamples, seed)
        for has_many, drawn_here, hits_here in zip(enough, resampled.T, by_sample.T, strict=True)
    ]
    return LearningCurve(
        samples=sizes,
        accuracy=accuracy.tolist(),
        accuracy_ci95=bounds,
        law=PowerLaw(*map(float, laws[0])),
        exponent_ci95=_bounds(laws[1:, 2]) if all(enough) else None,
        twice=float(there[0]),
        twice_ci95=_bounds(there[1:]) if all(enough) else None,
        gain=float(there[0] - here[0]),
        gain_ci95=_bounds(there[1:] - here[1:]) if all(enough) else None,
        last_foretold=float(1 - _errors(fit_power_laws(points[:-1], 1 - accuracy[None, :-1]), points[-1])[0]),
        draws=draws,
    )


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


def _few(hits: Values, images: NDArray[Any], resamples: int, seed: int) -> Bounds:
    """Give the interval of a share that few samples tell anything of."""
    share, mean = np.stack([hits, images], axis=1), images.mean()
    extremes = np.array([[0.0, mean], [mean, mean]])
    found = interval_over_samples(
        share, lambda held: held[:, 0] / held[:, 1], hits / images, extremes, resamples, seed
    )
    return None if found is None else (float(found[0]), float(found[1]))


def _bounds(values: Values) -> tuple[float, float]:
    low, high = percentile_interval(values)
    return float(low), float(high)


def _draw(
    table: AuditTable,
    predictor: Predictor,
    folds: Sequence[tuple[Rows, Rows]],
    share: float,
    rng: np.random.Generator,
) -> tuple[float, Values]:
    """Mean number of training samples over folds, and which images were predicted rightly."""
    hit = np.zeros(len(table.labels))
    sizes = []
    for train, test in folds:
        groups = np.unique(table.group[train])
        kept = []
        for label in np.unique(table.group_class[groups]):
            own = groups[table.group_class[groups] == label]
            kept.append(rng.permutation(own)[: max(1, round(share * len(own)))])
        chosen = np.concatenate(kept)
        sizes.append(len(chosen))
        hit[test] = predictor.predict(table.rows_of(chosen), test) == table.labels[test]
    return float(np.mean(sizes)), hit
