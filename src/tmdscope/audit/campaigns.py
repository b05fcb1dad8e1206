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
from scipy.stats import norm
from scipy.stats import t as student

from tmdscope.audit.confounds import FEATURES
from tmdscope.audit.holding_out import HeldOut, matched_training, rearranged
from tmdscope.audit.kernel import Learner
from tmdscope.audit.scores import Scores, gained, known
from tmdscope.params.audit import AuditParams
from tmdscope.params.common import ScoringParams
from tmdscope.scores.cohort import Cohort, Rows, Targets
from tmdscope.scores.intervals import Bounds, Estimate
from tmdscope.scores.task import Metric

NONE, SOME, MOSTLY = "none found", "part of the score", "the score is campaign"
"""What held-out campaigns say of a score."""

BLOCKS, EMBARGO = "blocks", "embargo"
"""Words in the names of ways to hold out."""

_SIDES = [(key, side) for key in (FEATURES, "order") for side in (0, 1)]


@dataclass(frozen=True)
class HeldOutPart:
    """What came out for one held-out part.

    `first` and `last` are the lowest and highest order of its samples; `excluded` maps a class that training
    lost to its images here, which are not scored. Scores by the plain metric, of the features without and
    with neighbours and of the order alone, are None where nothing is left to score.
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

    `drop`, control less held out, is what goes with the campaign: its intervals, bootstrapped by sample, are
    widened, half-widths added in quadrature, by those of `spread`, the standard deviation of each of the
    task's metrics over arrangements without campaigns (ddof 1, Student's t). `beyond_order` is features less
    order alone, both held out; `chance` the plain metric of the one answer for all that is best without
    looking. `excluded` counts images by class where a held-out part took all of its training samples; `parts`
    is empty for single samples. `lost_share` is of what the control knows beyond chance, with the bounds of
    `drop`.
    """

    name: str
    method: str
    held_out: Scores
    control: Scores
    drop: Scores
    spread: tuple[float, ...]
    order_held_out: Scores
    order_control: Scores
    beyond_order: Scores
    chance: float
    excluded: dict[str, int]
    parts: list[HeldOutPart]
    effect: str | None = None
    lost_share: tuple[float, float, float] | None = None

    @property
    def is_embargo(self) -> bool:
        """Whether single samples were held out, with those shortly before and after."""
        return self.name.startswith(EMBARGO)

    @property
    def in_blocks(self) -> bool:
        """Whether blocks of the order were held out."""
        return BLOCKS in self.name


_Said = Mapping[str, tuple[Targets, Targets]]
"""Predictor to its predictions for the images of a part: held out (M,), and of controls (draws, M)."""


def hold_out(
    cohort: Cohort,
    predictors: Mapping[str, Learner],
    held: Sequence[HeldOut],
    name: str,
    method: str,
    params: AuditParams,
    scoring: ScoringParams,
) -> Campaigns | None:
    """Predict held-out campaigns without and with their neighbours, by ``features`` and by ``order``.

    Every sample is tested in one campaign at most. None where no image can be scored: every part takes all
    training samples of its classes.
    """
    rng = np.random.default_rng(params.seed)
    found, parts, excluded = [], [], dict.fromkeys(cohort.strata, 0)
    for part in held:
        lost, rows = _scorable(cohort, part)
        for label, count in lost.items():
            excluded[label] += count
        said = _predict_part(cohort, predictors, part, rows, params.draws, rng) if len(rows) else {}
        if said:
            found.append((rows, said))
        parts.append(_describe(cohort, part, lost, rows, said))
    if not found:
        return None
    rows = np.concatenate([own for own, _ in found])
    own, controls, order, order_controls = (
        np.concatenate([said[key][side] for _, said in found], axis=-1) for key, side in _SIDES
    )
    spread = _spread(cohort, predictors[FEATURES], held, params.arrangements, rng)
    campaigns = Campaigns(
        name=name,
        method=method,
        held_out=cohort.estimate(rows, own, scoring),
        control=cohort.estimate(rows, controls, scoring),
        drop=_widened(cohort.difference(rows, controls, own, scoring), spread, params.arrangements),
        spread=tuple(spread.values()),
        order_held_out=cohort.estimate(rows, order, scoring),
        order_control=cohort.estimate(rows, order_controls, scoring),
        beyond_order=cohort.difference(rows, own, order, scoring),
        chance=cohort.chance(rows),
        excluded={label: count for label, count in excluded.items() if count},
        parts=parts if len(held) < len(cohort.group_stratum) else [],
    )
    return judged(campaigns, cohort.task.plain)


def judged(found: Campaigns, metric: Metric) -> Campaigns:
    """Add the effect, and the share lost of what the control knows beyond chance."""
    drop, bounds = gained(metric, found.drop)
    beyond = metric.gain(found.control.values[metric.name], found.chance)
    share = None if beyond <= 0 or bounds is None else (drop / beyond, bounds[0] / beyond, bounds[1] / beyond)
    return replace(found, effect=campaign_effect(found, metric), lost_share=share)


def campaign_effect(found: Campaigns, metric: Metric, ways: int = 1) -> str | None:
    """Say what held-out campaigns make of a score.

    `NONE` where the interval of the drop reaches zero; `MOSTLY` where its lower bound is at least half of
    what the control knows beyond chance, and that is something; `SOME` between; None where there is no
    interval, as of one sample. The interval is widened so that those of all `ways` that were tried hold at
    once (Bonferroni, normal).
    """
    drop, bounds = gained(metric, found.drop)
    if bounds is None:
        return None
    low = drop - (drop - bounds[0]) * norm.ppf(1 - 0.025 / ways) / norm.ppf(0.975)
    if low <= 0:
        return NONE
    beyond = metric.gain(found.control.values[metric.name], found.chance)
    return MOSTLY if 0 < beyond <= 2 * low else SOME


def _spread(
    cohort: Cohort,
    predictor: Learner,
    held: Sequence[HeldOut],
    arrangements: int,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Score arrangements without campaigns; standard deviation of every metric."""
    scores = []
    for _ in range(arrangements):
        targets, predicted = [], []
        for part in rearranged(cohort, held, rng):
            _, rows = _scorable(cohort, part)
            if len(rows):
                train = cohort.rows_without(part.removed)
                targets.append(cohort.targets[rows])
                predicted.append(predictor.predict(train, rows))
        scores.append(cohort.task.scores(np.concatenate(targets), np.concatenate(predicted)))
    return {name: float(np.std([one[name] for one in scores], ddof=1)) for name in scores[0]}


def _widened(drop: Estimate, spread: Mapping[str, float], arrangements: int) -> Estimate:
    factor = float(student.ppf(0.975, arrangements - 1))

    def widen(name: str, bounds: Bounds) -> Bounds:
        if bounds is None:
            return None
        value = drop.values[name]
        low, high = (math.hypot(bound - value, factor * spread[name]) for bound in bounds)
        return value - low, value + high

    return replace(drop, bounds={name: widen(name, bounds) for name, bounds in drop.bounds.items()})


def _scorable(cohort: Cohort, part: HeldOut) -> tuple[dict[str, int], Rows]:
    """Count images of classes that training loses, and find the rows of the others."""
    left = np.bincount(np.delete(cohort.group_stratum, part.removed), minlength=len(cohort.strata))
    rows = cohort.rows_of(part.test)
    lost = left[cohort.stratum[rows]] == 0
    return {name: count for name, count in cohort.count(rows[lost]).items() if count}, rows[~lost]


def _predict_part(
    cohort: Cohort,
    predictors: Mapping[str, Learner],
    part: HeldOut,
    rows: Rows,
    draws: int,
    rng: np.random.Generator,
) -> _Said:
    train = cohort.rows_without(part.removed)
    held_out = {key: predictor.predict(train, rows) for key, predictor in predictors.items()}
    control = {key: np.empty((draws, len(rows)), cohort.targets.dtype) for key in predictors}
    for group in np.unique(cohort.group[rows]):
        own = np.flatnonzero(cohort.group[rows] == group)
        for draw in range(draws):
            matched = cohort.rows_of(matched_training(cohort, part, int(group), rng))
            for key, predictor in predictors.items():
                control[key][draw, own] = predictor.predict(matched, rows[own])
    return {key: (held_out[key], control[key]) for key in predictors}


def _describe(cohort: Cohort, part: HeldOut, lost: dict[str, int], rows: Rows, said: _Said) -> HeldOutPart:
    times = cohort.group_order[part.test]
    held_out, control, order_held_out, order_control = (
        known(cohort.score(rows, said[key][side])) if said else None for key, side in _SIDES
    )
    return HeldOutPart(
        name=part.name,
        first=float(times.min()),
        last=float(times.max()),
        samples=len(np.unique(cohort.group[rows])),
        images=len(rows),
        excluded=lost,
        held_out=held_out,
        control=control,
        order_held_out=order_held_out,
        order_control=order_control,
    )
