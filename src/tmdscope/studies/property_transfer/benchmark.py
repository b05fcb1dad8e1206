"""Stage `benchmark`: measured gaps on official folds, from composition, a predicted and a known cheap gap.

No model sees the dear value of a test compound, or of one that is nearly the same. The cheap gap that is
predicted comes from a model of the wide table from which every compound of the benchmark was taken out, and
those that are nearly the same: so it has seen none of any fold's test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import GroupKFold

from tmdscope.composition.features import CompositionFeatures
from tmdscope.composition.formulae import chemical_system, same_compounds
from tmdscope.composition.regressors import MedianTrees
from tmdscope.jobs.study import Study
from tmdscope.jobs.tracked import Tracked, tracked_stage
from tmdscope.params.common import ScoringParams
from tmdscope.record import JsonRecord, write_record
from tmdscope.scores.cohort import Cohort, Values
from tmdscope.scores.intervals import Estimate, estimate
from tmdscope.scores.task import Task, quantity
from tmdscope.studies.property_transfer.params import BenchmarkParams, TablesParams, WaysParams
from tmdscope.studies.property_transfer.tables import BENCHMARK, WIDE, read_tables

NAME = "benchmark"
RUNGS = {
    "composition": "composition alone",
    "dft_predicted": "and the cheap gap as predicted",
    "dft_known": "and the cheap gap as known",
}
"""Inputs of the models, each with those before it, and what a reader calls them."""

LOOKUP = "lookup"
"""The lowest cheap gap of a compound in place of its dear one, where one is known."""


@dataclass(frozen=True)
class Rung:
    """A model's scores: by fold, of all, and of folds that share no chemical system."""

    folds: list[float]
    all: dict[str, Any]
    systems: dict[str, Any] | None


@dataclass(frozen=True)
class Benchmark(JsonRecord):
    """``benchmark.json``: rungs and lookup by name, and differences of rungs, ``FIRST less SECOND``.

    `wide` compounds taught the model of the cheap gap, whose error on unseen compounds is `cheap_error`.
    """

    enabled: bool
    rungs: dict[str, Rung]
    differences: dict[str, dict[str, Any]]
    wide: int = 0
    cheap_error: float | None = None


@dataclass(frozen=True)
class Setting:
    """The benchmark's compounds: inputs of each rung, dear values, groups, systems and official folds."""

    inputs: Mapping[str, Values]
    dear: Values
    group: NDArray[Any]
    system: NDArray[Any]
    fold: NDArray[np.int64]


def run(study: Study) -> None:
    """Score every rung on the official folds, fold by fold; `benchmark.enabled: false` leaves it out."""
    params, ways = study.section(NAME, BenchmarkParams), study.section("ways", WaysParams)
    cohort, scoring = study.cohort(study), study.section("scoring", ScoringParams)
    of, folder = study.of(cohort.digest), study.layout.scores.parent
    path, run_path = folder / "benchmark.json", folder / "benchmark_run.json"
    if not params.enabled:
        Benchmark(False, {}, {}).write(path, of)
        write_record(run_path, {"runs": {}}, of)
        print(f"not run: benchmark.enabled is false in {study.layout.settings}")
        return
    task = quantity(study.section("tables", TablesParams).unit, form=".3f")
    held = read_tables(study.layout.tables)
    table, wide = held.get(BENCHMARK), held.get(WIDE)
    settings = {NAME: params.model_dump(mode="json"), "tables": ways.tables}
    with tracked_stage(study, NAME, cohort, settings) as tracked:
        setting, unseen = prepare(table, wide, params, ways.tables)
        predicted = {rung: predict_folds(setting, rung, setting.fold, params) for rung in RUNGS}
        apart = _system_folds(setting.system, len(np.unique(setting.fold)))
        systems = {rung: predict_folds(setting, rung, apart, params) for rung in RUNGS}
        found = _summarise(task, setting, predicted, systems, scoring)
        found = Benchmark(
            True,
            {**found.rungs, LOOKUP: _lookup(task, table, wide, scoring)},
            found.differences,
            len(wide) - len(unseen),
            _cheap_error(setting, table, wide),
        )
        run_id = _track(tracked, task, found, settings)
        found.write(path, of)
        write_record(run_path, {**tracked.where, "runs": {NAME: run_id}}, of)
    metric = task.primary
    for name, rung in found.rungs.items():
        print(f"{RUNGS.get(name, name)}: {metric.title} {metric.tell(float(np.mean(rung.folds)))}")


def prepare(
    table: pd.DataFrame, wide: pd.DataFrame, params: BenchmarkParams, tables: Sequence[str]
) -> tuple[Setting, NDArray[Any]]:
    """Make the inputs of every rung; gives the wide compounds as well that were taken out of its model."""
    taken_out = nearly_in(wide["compound"], table["compound"])
    features = CompositionFeatures(tuple(tables), elements=True).fit(table["compound"])
    own = features.transform(table["compound"])
    taught = wide[~taken_out]
    model = HistGradientBoostingRegressor(
        max_iter=params.rounds,
        max_leaf_nodes=63,
        max_features=0.25,
        early_stopping=False,
        random_state=params.seed,
    ).fit(features.transform(taught["compound"]), taught["cheap"])
    said = model.predict(own)
    known = wide.set_index("compound").reindex(table["compound"])
    held = known["cheap"].notna().to_numpy()
    filled = [np.where(held, known[name], said) for name in ("lowest", "cheap", "highest")]
    entries = np.log1p(known["entries"].fillna(0).to_numpy())
    predicted = np.column_stack([own, said])
    inputs = {
        "composition": own,
        "dft_predicted": predicted,
        "dft_known": np.column_stack([predicted, *filled, entries]),
    }
    columns = (table[name].to_numpy() for name in ("dear", "group", "system", "fold"))
    return Setting(inputs, *columns), wide["compound"][taken_out].to_numpy()


def nearly_in(compounds: pd.Series, others: pd.Series) -> NDArray[np.bool_]:
    """Say which compounds are among others, or nearly the same as one of them, shape (N,)."""
    systems = compounds.map(chemical_system)
    near = systems.isin(set(others.map(chemical_system))).to_numpy()
    asked = compounds[near].tolist()
    groups = same_compounds([*asked, *others])
    found = np.zeros(len(compounds), dtype=np.bool_)
    found[near] = np.isin(groups[: len(asked)], groups[len(asked) :])
    return found


def predict_folds(setting: Setting, rung: str, fold: NDArray[np.int64], params: BenchmarkParams) -> Values:
    """Predict every compound by a model that has seen none of its fold, nor any that is nearly the same."""
    inputs, predicted = setting.inputs[rung], np.full(len(fold), np.nan)
    for number in np.unique(fold):
        test = fold == number
        taught = ~test & ~np.isin(setting.group, setting.group[test])
        model = MedianTrees(params.trees, max_features=1 / 3, n_jobs=-1, random_state=params.seed)
        predicted[test] = model.fit(inputs[taught], setting.dear[taught]).predict(inputs[test])
    return predicted


def _system_folds(systems: NDArray[Any], folds: int) -> NDArray[np.int64]:
    number = np.zeros(len(systems), dtype=np.int64)
    for fold, (_, test) in enumerate(GroupKFold(folds).split(systems, groups=systems)):
        number[test] = fold
    return number


def _summarise(
    task: Task,
    setting: Setting,
    predicted: Mapping[str, Values],
    systems: Mapping[str, Values],
    scoring: ScoringParams,
) -> Benchmark:
    cohort = Cohort.of_features(task, setting.inputs["composition"], setting.dear, setting.group.tolist())
    rows = np.arange(len(cohort))
    rungs = {
        rung: Rung(
            _by_fold(task, setting.dear, said, setting.fold),
            cohort.estimate(rows, said, scoring).record(),
            estimate(
                task, setting.dear, systems[rung], setting.system, scoring.bootstrap, scoring.seed
            ).record(),
        )
        for rung, said in predicted.items()
    }
    names = list(predicted)
    differences = {
        f"{later} less {first}": cohort.difference(rows, predicted[later], predicted[first], scoring).record()
        for first, later in pairwise(names)
    }
    return Benchmark(True, rungs, differences)


def _by_fold(task: Task, dear: Values, said: Values, fold: NDArray[np.int64]) -> list[float]:
    return [task.score(dear[fold == number], said[fold == number]) for number in np.unique(fold)]


def _lookup(task: Task, table: pd.DataFrame, wide: pd.DataFrame, scoring: ScoringParams) -> Rung:
    both = table.merge(wide, on="compound")
    asked = both["dear"].to_numpy(), both["lowest"].to_numpy()
    found = estimate(task, *asked, both["group"].tolist(), scoring.bootstrap, scoring.seed)
    return Rung(_by_fold(task, *asked, both["fold"].to_numpy()), found.record(), None)


def _cheap_error(setting: Setting, table: pd.DataFrame, wide: pd.DataFrame) -> float:
    """Score the model of the cheap gap on compounds that were taken out of it."""
    known = wide.set_index("compound")["cheap"].reindex(table["compound"]).to_numpy()
    held = np.isfinite(known)
    return float(abs(setting.inputs["dft_predicted"][held, -1] - known[held]).mean())


def _track(tracked: Tracked, task: Task, found: Benchmark, settings: Mapping[str, Any]) -> str:
    """Log a run for the stage, one below it for each rung, and below that one for each fold."""
    name = task.primary.name
    with tracked.run(NAME, {"experiment": NAME}) as run:
        run.params(settings)
        for rung, scores in found.rungs.items():
            tags = {"experiment": NAME, "rung": rung}
            with tracked.run(rung, tags, run) as parent:
                parent.metrics(
                    {
                        name: float(np.mean(scores.folds)),
                        f"{name}_all": Estimate.read(scores.all).values[name],
                    }
                )
                for number, value in enumerate(scores.folds):
                    with tracked.run(f"{rung}-fold-{number}", {**tags, "fold": str(number)}, parent) as fold:
                        fold.metrics({name: value})
    return run.run_id
