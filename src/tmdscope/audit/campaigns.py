"""Whether a score survives campaigns that it was not trained on: held-out blocks beside matched controls.

A sample of a held-out campaign is predicted twice: by a model that trained on no sample of the campaign,
and by models that trained on the campaign's other samples too, on as many samples of each class as the
first. The first lacks neighbours in time, the second do not, nothing else differs: what the second score
better is what the model knows of campaigns, not of classes.

All samples of a held-out part share one model, whose luck with its training samples no resampling of test
samples shows. It is measured by rearranging: within each class, samples change places in the order at
random, and the same parts are held out again. The spread of these scores widens the interval of the drop.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t as student

from tmdscope.audit.holding_out import HeldOut, matched_training, rearranged
from tmdscope.audit.kernel import Predictor
from tmdscope.audit.scores import Score, Scorer
from tmdscope.audit.table import AuditTable, Labels, Rows
from tmdscope.scores.intervals import Bounds, Difference
from tmdscope.scores.metrics import accuracy, macro_f1


@dataclass(frozen=True)
class Part:
    """What came out for one held-out part.

    `first` and `last` are the lowest and highest order of its samples; `excluded` maps a class that training
    lost to its images here, which are not scored. Accuracies, of the features without and with neighbours and
    of the order alone, are in 0..1, None where nothing is left to score.
    """

    name: str
    first: float
    last: float
    samples: int
    images: int
    excluded: dict[str, int]
    held_out: float | None
    control: float | None
    order_held_out: float | None
    order_control: float | None


@dataclass(frozen=True)
class Campaigns:
    """A score without and with neighbours in time, on the same images.

    Attributes
    ----------
    drop : Difference
        Control less held out: what goes with the campaign. Its intervals are bootstrapped by sample and
        widened, half-widths added in quadrature, by those of `spread` (Student's t).
    spread : tuple of float
        Standard deviation of accuracy and of macro F1 over arrangements without campaigns (ddof 1).
    beyond_order : Difference
        Features less order alone, both held out.
    chance : float
        Accuracy of naming the most frequent class of these images.
    excluded : dict
        Class to images that could not be scored, for a held-out part took all of its training samples.
    parts : list of Part
        One per held-out part; none for single samples.
    """

    name: str
    method: str
    held_out: Score
    control: Score
    drop: Difference
    spread: tuple[float, float]
    order_held_out: Score
    order_control: Score
    beyond_order: Difference
    chance: float
    excluded: dict[str, int]
    parts: list[Part]

    @property
    def lost_share(self) -> tuple[float, float, float]:
        """Share lost of what the control knows beyond chance, with the bounds of `drop`; NaN without."""
        known = self.control.accuracy - self.chance
        if known <= 0 or self.drop.accuracy_ci95 is None:
            return (float("nan"),) * 3
        low, high = self.drop.accuracy_ci95
        return self.drop.accuracy / known, low / known, high / known


@dataclass(frozen=True)
class Draws:
    """How often chance is asked: `draws` for every held-out sample, at least 2 `arrangements`."""

    draws: int
    arrangements: int
    seed: int


@dataclass(frozen=True)
class _Predicted:
    """Predictions for the images of a part: held out (M,), controls (draws, M), of features and of order."""

    rows: Rows
    held_out: Mapping[str, Labels]
    control: Mapping[str, Labels]


def hold_out(
    scorer: Scorer,
    predictors: Mapping[str, Predictor],
    held: Sequence[HeldOut],
    name: str,
    method: str,
    plan: Draws,
) -> Campaigns | None:
    """Predict held-out campaigns without and with their neighbours, by ``features`` and by ``order``.

    Every sample is tested in one campaign at most. None where no image can be scored: every part takes all
    training samples of its classes.
    """
    table = scorer.table
    rng = np.random.default_rng(plan.seed)
    found, parts, excluded = [], [], dict.fromkeys(table.classes, 0)
    for part in held:
        lost, rows = _scorable(table, part)
        for label, count in lost.items():
            excluded[label] += count
        predicted = _predict_part(table, predictors, part, rows, plan.draws, rng) if len(rows) else None
        if predicted is not None:
            found.append(predicted)
        parts.append(_describe(table, part, lost, predicted))
    if not found:
        return None
    rows = np.concatenate([item.rows for item in found])
    own, order = (np.concatenate([item.held_out[key] for item in found]) for key in ("features", "order"))
    controls, order_controls = (
        np.concatenate([item.control[key] for item in found], axis=1) for key in ("features", "order")
    )
    spread = _spread(table, predictors["features"], held, plan.arrangements, rng)
    return Campaigns(
        name=name,
        method=method,
        held_out=scorer.score(rows, own),
        control=scorer.score(rows, controls),
        drop=_widened(scorer.difference(rows, controls, own), spread, plan.arrangements),
        spread=spread,
        order_held_out=scorer.score(rows, order),
        order_control=scorer.score(rows, order_controls),
        beyond_order=scorer.difference(rows, own, order),
        chance=scorer.chance(rows),
        excluded={label: count for label, count in excluded.items() if count},
        parts=parts if len(held) < len(table.group_class) else [],
    )


def _spread(
    table: AuditTable,
    predictor: Predictor,
    held: Sequence[HeldOut],
    arrangements: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Score arrangements without campaigns; standard deviations of accuracy and macro F1."""
    scores = []
    everything = np.arange(len(table.group_class))
    for _ in range(arrangements):
        labels, predicted = [], []
        for part in rearranged(table, held, rng):
            _, rows = _scorable(table, part)
            if len(rows):
                train = table.rows_of(np.setdiff1d(everything, part.removed))
                labels.append(table.labels[rows])
                predicted.append(predictor.predict(train, rows))
        pair = np.concatenate(labels), np.concatenate(predicted)
        scores.append((accuracy(*pair), macro_f1(*pair)))
    spread = np.std(scores, axis=0, ddof=1)
    return float(spread[0]), float(spread[1])


def _widened(drop: Difference, spread: tuple[float, float], arrangements: int) -> Difference:
    factor = float(student.ppf(0.975, arrangements - 1))

    def widen(value: float, bounds: Bounds, deviation: float) -> Bounds:
        if bounds is None:
            return None
        low, high = (math.hypot(bound - value, factor * deviation) for bound in bounds)
        return value - low, value + high

    return replace(
        drop,
        accuracy_ci95=widen(drop.accuracy, drop.accuracy_ci95, spread[0]),
        macro_f1_ci95=widen(drop.macro_f1, drop.macro_f1_ci95, spread[1]),
    )


def _scorable(table: AuditTable, part: HeldOut) -> tuple[dict[str, int], Rows]:
    """Count images of classes that training loses, and find the rows of the others."""
    left = np.bincount(np.delete(table.group_class, part.removed), minlength=len(table.classes))
    rows = table.rows_of(part.test)
    lost = left[table.labels[rows]] == 0
    counts = np.bincount(table.labels[rows[lost]], minlength=len(table.classes))
    return {name: int(count) for name, count in zip(table.classes, counts, strict=True) if count}, rows[~lost]


def _predict_part(
    table: AuditTable,
    predictors: Mapping[str, Predictor],
    part: HeldOut,
    rows: Rows,
    draws: int,
    rng: np.random.Generator,
) -> _Predicted:
    everything = np.arange(len(table.group_class))
    train = table.rows_of(np.setdiff1d(everything, part.removed))
    held_out = {key: predictor.predict(train, rows) for key, predictor in predictors.items()}
    control = {key: np.full((draws, len(rows)), -1, dtype=np.int64) for key in predictors}
    for group in np.unique(table.group[rows]):
        own = np.flatnonzero(table.group[rows] == group)
        for draw in range(draws):
            matched = table.rows_of(matched_training(table, part, int(group), rng))
            for key, predictor in predictors.items():
                control[key][draw, own] = predictor.predict(matched, rows[own])
    return _Predicted(rows, held_out, control)


def _describe(table: AuditTable, part: HeldOut, lost: dict[str, int], found: _Predicted | None) -> Part:
    times = table.group_order[part.test]
    rows = table.rows_of(part.test)[:0] if found is None else found.rows
    labels = table.labels[rows]

    def right(predicted: Mapping[str, Labels], key: str) -> float:
        return float((predicted[key] == labels).mean())

    return Part(
        name=part.name,
        first=float(times.min()),
        last=float(times.max()),
        samples=len(np.unique(table.group[rows])),
        images=len(rows),
        excluded=lost,
        held_out=right(found.held_out, "features") if found else None,
        control=right(found.control, "features") if found else None,
        order_held_out=right(found.held_out, "order") if found else None,
        order_control=right(found.control, "order") if found else None,
    )
