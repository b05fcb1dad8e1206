"""Stage `curves`: how many dear labels each way needs, and how far it carries to other chemistry."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import GroupKFold
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_limits

from tmdscope.composition.intervals import ConformalRegressor
from tmdscope.composition.regressors import REGRESSORS
from tmdscope.composition.transfer import MultiTask
from tmdscope.jobs.study import Study
from tmdscope.jobs.tracked import Tracked, tracked_stage
from tmdscope.params.common import ScoringParams
from tmdscope.record import JsonRecord
from tmdscope.run_record import StageRuns
from tmdscope.scores.cohort import Cohort, Rows, Values
from tmdscope.scores.intervals import Estimate
from tmdscope.studies.property_transfer.coverage import LEVELS, Coverage, measure_coverage
from tmdscope.studies.property_transfer.params import CurvesParams, WaysParams
from tmdscope.studies.property_transfer.tables import read_tables
from tmdscope.studies.property_transfer.ways import WAYS, make_way, parts_of

NAME = "curves"
ALL = "all"
"""The last point of a curve: every compound that is not tested has its dear property known."""

COVERED = "difference_known"
"""The way whose prediction intervals are measured."""

COMPARED = (
    ("difference_known", "composition"),
    ("latent_known", "composition"),
    ("multitask_known", "composition"),
    ("difference_known", "latent_known"),
    ("difference_known", "multitask_known"),
    ("difference_known", "linear"),
    ("difference_predicted", "composition"),
    ("latent_predicted", "composition"),
    ("multitask_predicted", "composition"),
)
"""Ways that are held against one another, first less second."""

Predicted = NDArray[np.float64]

_DRAWN = 0.35
"""Share of a fold's compounds that a point of fewer draws in all: with few, which ones matters most."""


@dataclass(frozen=True)
class Curves(JsonRecord):
    """``curves.json``: estimates by way and number of labels, differences by ``FIRST less SECOND``.

    `systems` are of folds that share no chemical system; `elements` of compounds of an element that was left
    out whole, by way.
    """

    labels: list[str]
    draws: int
    points: dict[str, dict[str, dict[str, Any]]]
    differences: dict[str, dict[str, dict[str, Any]]]
    systems: dict[str, dict[str, Any]]
    elements: dict[str, dict[str, Any]]
    coverage: dict[str, Coverage]

    def point(self, way: str, label: str) -> Estimate:
        """Read an estimate."""
        return Estimate.read(self.points[way][label])

    def difference(self, pair: tuple[str, str], label: str) -> Estimate:
        """Read a difference."""
        return Estimate.read(self.differences[" less ".join(pair)][label])


def run(study: Study) -> None:
    """Train every way on some compounds, draw after draw; log a run for each point."""
    params, ways = study.section("curves", CurvesParams), study.section("ways", WaysParams)
    scoring, cohort = study.section("scoring", ScoringParams), study.cohort(study)
    of, folder = study.of(cohort.digest), study.layout.scores.parent
    settings = {"curves": params.model_dump(mode="json"), "ways": ways.model_dump(mode="json")}
    systems = read_tables(study.layout.tables).pairs["system"].to_numpy()
    with threadpool_limits(1), tracked_stage(study, NAME, cohort, settings) as tracked:
        predicted = predict_curves(cohort, params, ways)
        rows = np.arange(len(cohort))
        points = {
            way: {label: cohort.estimate(rows, said, scoring) for label, said in own.items()}
            for way, own in predicted.items()
        }
        differences = {
            f"{first} less {second}": {
                label: cohort.difference(
                    rows, predicted[first][label], predicted[second][label], scoring
                ).record()
                for label in predicted[first]
            }
            for first, second in COMPARED
        }
        found = Curves(
            labels=list(predicted["composition"]),
            draws=params.draws,
            points={way: {label: one.record() for label, one in own.items()} for way, own in points.items()},
            differences=differences,
            systems=_other_chemistry(cohort, ways, scoring, _system_folds(systems, params.folds)),
            elements=_other_chemistry(cohort, ways, scoring, _element_folds(systems)),
            coverage=_coverage(cohort, params, ways, scoring),
        )
        run_id = _track(tracked, points, settings)
        found.write(folder / "curves.json", of)
        StageRuns({NAME: run_id}, **tracked.where).write(folder / "curves_run.json", of)
    metric = cohort.task.primary
    for way, own in points.items():
        told = ", ".join(f"{label}: {metric.tell(one.values[metric.name])}" for label, one in own.items())
        print(f"{WAYS[way].title}: {told}")


def predict_curves(cohort: Cohort, params: CurvesParams, ways: WaysParams) -> dict[str, dict[str, Predicted]]:
    """Predict every compound with each way and number of labels, shape (draws, N).

    A draw cuts other folds and orders their training compounds anew, alike for every way; few labels are
    drawn from an order several times. The dear property of the first so many is known, the cheap one of all.
    Numbers of labels that a fold does not leave are left out.
    """
    folds = [_folds(cohort, params.folds, params.seed + draw) for draw in range(params.draws)]
    least = min(len(pool) for own in folds for pool, _ in own)
    orders = {str(count): max(1, int(_DRAWN * least) // count) for count in params.labels if count < least}
    orders[ALL] = 1
    predicted = {
        way: {label: np.full((params.draws * most, len(cohort)), np.nan) for label, most in orders.items()}
        for way in WAYS
    }

    def predict_fold(draw: int, number: int, pool: Rows, test: Rows) -> None:
        rng = np.random.default_rng([params.seed, draw, number])
        inputs = CheapInputs.of(cohort, pool, test, ways, number)
        for time in range(max(orders.values())):
            order = rng.permutation(pool)
            for label, most in orders.items():
                if time < most:
                    known = order if label == ALL else order[: int(label)]
                    for way, said in inputs.predict(cohort, known, ways).items():
                        predicted[way][label][draw * most + time, test] = said

    Parallel(n_jobs=-1, prefer="threads")(
        delayed(predict_fold)(draw, number, pool, test)
        for draw, own in enumerate(folds)
        for number, (pool, test) in enumerate(own)
    )
    return predicted


@dataclass(frozen=True)
class CheapInputs:
    """What is known of the cheap property in a fold, made once for all ways and numbers of labels.

    `unseen`, shape (N,), has it of training compounds as models predict that have not seen theirs, and of
    `test` ones as a model of all training compounds does.
    """

    test: Rows
    pool: Rows
    unseen: Values

    @classmethod
    def of(cls, cohort: Cohort, pool: Rows, test: Rows, ways: WaysParams, number: int) -> "CheapInputs":
        """Predict the cheap property of all compounds of a fold."""
        inputs, cheap = cohort.inputs[:, :-1], cohort.inputs[:, -1]
        regressor = REGRESSORS[ways.regressor](ways.seed + number)
        unseen = np.full(len(cohort), np.nan)
        for taught, asked in GroupKFold(ways.folds).split(pool, groups=cohort.groups[pool]):
            model = clone(regressor).fit(inputs[pool[taught]], cheap[pool[taught]])
            unseen[pool[asked]] = model.predict(inputs[pool[asked]])
        unseen[test] = clone(regressor).fit(inputs[pool], cheap[pool]).predict(inputs[test])
        return cls(test, pool, unseen)

    def predict(self, cohort: Cohort, known: Rows, ways: WaysParams) -> dict[str, Values]:
        """Train every way on compounds whose dear property is known and predict the test.

        What ways share, where only the test's cheap property differs or one is a mean of others, is trained
        once.
        """
        fitted: dict[Any, Any] = {}
        said: dict[tuple[str, str], Values] = {}

        def predict_part(name: str, regressor: str) -> Values:
            way, asked = WAYS[name], cohort.inputs[self.test].copy()
            if not way.known:
                asked[:, -1] = self.unseen[self.test]
            key = way.make, way.unseen, regressor
            if key not in fitted:
                model = make_way(name, ways, regressor).set_params(known=True)
                fitted[key] = model.fit(*self._taught(name, cohort, known))
            if way.make is MultiTask:  # of others the predicted value is in the column already
                fitted[key].set_params(known=way.known)
            return np.asarray(fitted[key].predict(asked))

        parts = {name: parts_of(name, ways) for name in WAYS}
        for part in dict.fromkeys(part for own in parts.values() for part in own):
            said[part] = predict_part(*part)
        return {name: np.mean([said[part] for part in own], axis=0) for name, own in parts.items()}

    def _taught(self, name: str, cohort: Cohort, known: Rows) -> tuple[Values, Values]:
        """Give what a way learns from."""
        inputs = cohort.inputs
        if WAYS[name].make is MultiTask:  # compounds without the dear property as well
            dear = np.full(len(cohort), np.nan)
            dear[known] = cohort.targets[known]
            return inputs[self.pool], dear[self.pool]
        latent = self.unseen[known] if WAYS[name].unseen else inputs[known, -1]
        return np.column_stack([inputs[known, :-1], latent]), cohort.targets[known]


def _folds(cohort: Cohort, folds: int, seed: int) -> list[tuple[Rows, Rows]]:
    cut = GroupKFold(folds, shuffle=True, random_state=seed)
    return [(pool, test) for pool, test in cut.split(cohort.targets, groups=cohort.groups)]


def _system_folds(systems: NDArray[Any], folds: int) -> list[tuple[Rows, Rows]]:
    return list(GroupKFold(folds).split(systems, groups=systems))


def _element_folds(systems: NDArray[Any], least: int = 20) -> Iterator[tuple[Rows, Rows]]:
    """Leave out all compounds of an element, one after another, where at least so many have it."""
    elements = [set(system.split("-")) for system in systems]
    for element in sorted(set().union(*elements)):
        has = np.array([element in own for own in elements])
        if least <= has.sum() <= len(has) / 2:
            yield np.flatnonzero(~has), np.flatnonzero(has)


def _other_chemistry(
    cohort: Cohort, ways: WaysParams, scoring: ScoringParams, folds: Any
) -> dict[str, dict[str, Any]]:
    """Score three ways where tests are of chemistry that was not learnt from; rows may be tested twice."""
    tested: list[Rows] = []
    said: dict[str, list[Values]] = {way: [] for way in ("composition", "difference_known", "latent_known")}
    for pool, test in folds:
        tested.append(test)
        for way, parts in said.items():
            model = make_way(way, ways).fit(cohort.inputs[pool], cohort.targets[pool])
            parts.append(model.predict(cohort.inputs[test]))
    rows = np.concatenate(tested)
    return {
        way: cohort.estimate(rows, np.concatenate(parts), scoring).record() for way, parts in said.items()
    }


def _coverage(
    cohort: Cohort, params: CurvesParams, ways: WaysParams, scoring: ScoringParams
) -> dict[str, Coverage]:
    """Measure how often values of compounds that were not learnt from lie inside prediction intervals."""
    bounds = {level: np.zeros((len(cohort), 2)) for level in LEVELS}
    for pool, test in _folds(cohort, params.folds, params.seed):
        model = ConformalRegressor(make_way(COVERED, ways), folds=ways.folds, random_state=params.seed)
        model.fit(cohort.inputs[pool], cohort.targets[pool], groups=cohort.groups[pool])
        for level in LEVELS:
            bounds[level][test] = model.predict_interval(cohort.inputs[test], level)
    return measure_coverage(cohort.targets, bounds, cohort.groups.tolist(), scoring)


def _track(
    tracked: Tracked, points: Mapping[str, Mapping[str, Estimate]], settings: Mapping[str, Any]
) -> str:
    """Log a run for the stage, one below it for every way, and below that one for every point."""
    with tracked.run(NAME, {"experiment": NAME}) as run:
        run.params(settings)
        for way, own in points.items():
            with tracked.run(way, {"experiment": NAME, "way": way}, run) as parent:
                curve = [one.values for one in own.values()]
                parent.history(curve)
                for label, one in own.items():
                    with tracked.run(f"{way}-{label}", {"experiment": NAME, "way": way}, parent) as point:
                        point.metrics(one.values)
    return run.run_id
