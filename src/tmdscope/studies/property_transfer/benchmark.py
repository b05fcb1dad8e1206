"""Stage `benchmark`: measured gaps on official folds, from composition, a predicted and a known cheap gap.

No model sees the dear value of a test compound, or of one that is nearly the same; settings are searched anew
inside every fold. The cheap gap that is predicted comes from a model of the wide table from which every
compound of the benchmark was taken out, and those that are nearly the same: so it has seen none of any fold's
test. The best rung is fitted on all compounds and logged, for stage `register`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from tmdscope.composition.intervals import SpreadConformalRegressor
from tmdscope.dataset.audit import SplitAudit
from tmdscope.files import write_json, write_table
from tmdscope.jobs.study import Study
from tmdscope.jobs.tracked import tracked_stage
from tmdscope.params.common import ScoringParams
from tmdscope.record import JsonRecord
from tmdscope.run_record import NO_RUNS, StageRuns
from tmdscope.scores.cohort import Cohort, Values
from tmdscope.scores.facts import FormulaFacts
from tmdscope.scores.intervals import estimate
from tmdscope.scores.scored import FACTS, PREDICTIONS
from tmdscope.scores.task import Task, quantity
from tmdscope.studies.property_transfer.coverage import LEVELS, Coverage, measure_coverage
from tmdscope.studies.property_transfer.params import BenchmarkParams, TablesParams, WaysParams
from tmdscope.studies.property_transfer.rungs import LOOKUP, RUNGS, Setting, prepare
from tmdscope.studies.property_transfer.tables import BENCHMARK, WIDE, read_tables
from tmdscope.studies.property_transfer.tuning import Searching, TreesObjective, make_trees
from tmdscope.tracking.estimators import log_estimator
from tmdscope.tracking.runs import TrackedRun
from tmdscope.tracking.search import open_searches

NAME = "benchmark"
_UNTUNED: Mapping[str, Any] = {"max_features": 1 / 3, "min_samples_leaf": 1}
"""Of trees on folds that share no chemical system: no search has seen those."""


@dataclass(frozen=True)
class Rung:
    """A model's scores: by fold, of all, and of folds that share no chemical system; settings by fold."""

    folds: list[float]
    all: dict[str, Any]
    systems: dict[str, Any] | None = None
    coverage: dict[str, Coverage] = field(default_factory=dict)
    chosen: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Benchmark(JsonRecord):
    """``benchmark.json``: rungs and lookup by name, and differences of rungs, ``FIRST less SECOND``.

    `wide` compounds taught the model of the cheap gap, whose error on unseen compounds is `cheap_error`; the
    model of rung `best` is at `model_uri`.
    """

    enabled: bool
    rungs: dict[str, Rung] = field(default_factory=dict)
    differences: dict[str, dict[str, Any]] = field(default_factory=dict)
    wide: int = 0
    cheap_error: float | None = None
    best: str = ""
    model_uri: str = ""


@dataclass(frozen=True)
class Said:
    """What a rung says of every compound as new, shape (N,), bounds by level, and settings by fold."""

    values: Values
    bounds: dict[float, Values]
    chosen: list[dict[str, Any]]


def run(study: Study) -> None:
    """Score every rung on the official folds, fold by fold; `benchmark.enabled: false` leaves it out."""
    params, ways = study.section("benchmark", BenchmarkParams), study.section("ways", WaysParams)
    cohort, scoring = study.cohort(study), study.section("scoring", ScoringParams)
    of, folder = study.of(cohort.digest), study.layout.scores.parent
    path, run_path = folder / "benchmark.json", folder / "benchmark_run.json"
    if not params.enabled:
        Benchmark(False).write(path, of)
        NO_RUNS.write(run_path, of)
        print(f"not run: benchmark.enabled is false in {study.layout.settings}")
        return
    asked = study.section("tables", TablesParams)
    task, held = quantity(asked.unit, form=".3f"), read_tables(study.layout.tables)
    settings = {NAME: params.model_dump(mode="json"), "tables": ways.tables}
    table, digest = held.get(BENCHMARK), held.about["files"][f"{BENCHMARK}.parquet"]
    with threadpool_limits(1), tracked_stage(study, NAME, cohort, settings) as opened:
        tracked = opened.on_table(digest, len(table))
        with tracked.run(NAME, {"experiment": NAME}) as run:
            run.params(settings)
            setting = prepare(table, held.get(WIDE), params, ways.tables)
            said = {}
            for rung in RUNGS:
                tags = {"experiment": NAME, "rung": rung}
                with tracked.run(rung, tags, run) as parent:
                    searching = Searching(tracked, open_searches(), parent)
                    said[rung] = predict_folds(setting, rung, params, task, searching)
                    _log_folds(searching, task, setting, said[rung].values, tags)
            found = summarise(task, setting, said, params, scoring)
            searching = Searching(tracked, open_searches(), run)
            source = str(held.about["source"])
            uri = _log_best(searching, setting, found, said, params, task, (source, digest))
        Benchmark(**{**vars(found), "model_uri": uri}).write(path, of)
        StageRuns({NAME: run.run_id}, **tracked.where).write(run_path, of)
    metric = task.primary
    for name, rung_found in found.rungs.items():
        print(f"{RUNGS.get(name, name)}: {metric.title} {metric.tell(float(np.mean(rung_found.folds)))}")


def predict_folds(
    setting: Setting, rung: str, params: BenchmarkParams, task: Task, searching: Searching | None
) -> Said:
    """Predict every compound by a model that has seen none of its fold, nor any that is nearly the same.

    Its settings are searched on what it sees, or, without a search, are fixed.
    """
    inputs, fold = setting.inputs[rung], setting.fold
    values, bounds = np.full(len(fold), np.nan), {level: np.full((len(fold), 2), np.nan) for level in LEVELS}
    chosen = []
    for number in np.unique(fold):
        test = fold == number
        taught = ~test & ~np.isin(setting.group, setting.group[test])
        own = dict(_UNTUNED)
        if searching is not None:
            seen = inputs[taught], setting.dear[taught], setting.group[taught]
            name, tags = f"{rung}-fold-{number}-search", {"experiment": NAME, "fold": str(number)}
            own = searching.choose(name, TreesObjective(params, task, *seen), tags)
        model = with_intervals(params, own)
        model.fit(inputs[taught], setting.dear[taught], groups=setting.group[taught])
        values[test] = model.predict(inputs[test])
        for level in LEVELS:
            bounds[level][test] = model.predict_interval(inputs[test], level)
        chosen.append(own)
    return Said(values, bounds, chosen)


def with_intervals(params: BenchmarkParams, settings: Mapping[str, Any]) -> SpreadConformalRegressor:
    """Make the trees of a rung, unfitted."""
    trees = make_trees(params, settings, params.trees)
    return SpreadConformalRegressor(trees, folds=params.inner_folds, random_state=params.seed)


def predict_systems(setting: Setting, rung: str, params: BenchmarkParams) -> Values:
    """Predict every compound by untuned trees that have seen none of its fold, shape (N,)."""
    inputs, values = setting.inputs[rung], np.full(len(setting.fold), np.nan)
    for number in np.unique(setting.fold):
        test = setting.fold == number
        model = make_trees(params, _UNTUNED, params.trees).fit(inputs[~test], setting.dear[~test])
        values[test] = model.predict(inputs[test])
    return values


def system_folds(systems: NDArray[Any], folds: int) -> NDArray[np.int64]:
    """Cut folds that share no chemical system; give the fold of each compound, shape (N,)."""
    number = np.zeros(len(systems), dtype=np.int64)
    for fold, (_, test) in enumerate(GroupKFold(folds).split(systems, groups=systems)):
        number[test] = fold
    return number


def summarise(
    task: Task, setting: Setting, said: Mapping[str, Said], params: BenchmarkParams, scoring: ScoringParams
) -> Benchmark:
    """Score all rungs, paired by compound, and the lookup; folds of other chemical systems are predicted."""
    cohort = Cohort.of_features(task, setting.inputs["composition"], setting.dear, setting.group.tolist())
    rows, resamples = np.arange(len(cohort)), (scoring.bootstrap, scoring.seed)
    apart = setting.cut(system_folds(setting.system, len(np.unique(setting.fold))))
    rungs = {}
    for rung, own in said.items():
        other = predict_systems(apart, rung, params)
        rungs[rung] = Rung(
            setting.by_fold(task, own.values),
            cohort.estimate(rows, own.values, scoring).record(),
            estimate(task, setting.dear, other, setting.system, *resamples).record(),
            measure_coverage(setting.dear, own.bounds, setting.group.tolist(), scoring),
            own.chosen,
        )
    differences = {
        f"{later} less {first}": cohort.difference(
            rows, said[later].values, said[first].values, scoring
        ).record()
        for first, later in pairwise(said)
    }
    best = min(rungs, key=lambda rung: float(np.mean(rungs[rung].folds)))
    there = np.isfinite(setting.lowest)
    known = setting.take(there)
    looked_up = estimate(task, known.dear, known.lowest, known.group, *resamples)
    rungs[LOOKUP] = Rung(known.by_fold(task, known.lowest), looked_up.record())
    return Benchmark(True, rungs, differences, setting.wide, setting.cheap_error, best)


def _log_folds(
    searching: Searching, task: Task, setting: Setting, values: Values, tags: Mapping[str, str]
) -> None:
    """Log the score of every fold in a run of its own, and their mean."""
    name, scores = task.primary.name, setting.by_fold(task, values)
    for number, value in enumerate(scores):
        own = {**tags, "fold": str(number)}
        with searching.tracked.run(f"{tags['rung']}-fold-{number}", own, searching.parent) as fold:
            fold.metrics({name: value})
    searching.parent.metrics({name: float(np.mean(scores)), f"{name}_all": task.score(setting.dear, values)})


def _log_best(
    searching: Searching,
    setting: Setting,
    found: Benchmark,
    said: Mapping[str, Said],
    params: BenchmarkParams,
    task: Task,
    data: tuple[str, str],
) -> str:
    """Fit the best rung on all compounds, with settings searched on them, and log it with what is known."""
    best, rung, (source, digest) = found.best, found.rungs[found.best], data
    inputs = setting.inputs[best]
    objective = TreesObjective(params, task, inputs, setting.dear, setting.group)
    own = searching.choose(f"{best}-search", objective, {"experiment": NAME})
    model = with_intervals(params, own).fit(inputs, setting.dear, groups=setting.group)
    model.model_.set_params(n_jobs=None)
    facts = FormulaFacts(
        task=task,
        prop="band gap",
        inputs=f"{RUNGS['composition']}{'' if best == 'composition' else f', {RUNGS[best]}'}",
        source=source,
        data_sha256=digest,
        compounds=len(setting.dear),
        wide=setting.wide,
        folds=rung.folds,
        pooled=rung.all,
        systems=rung.systems or {},
        coverage={level: vars(one) for level, one in rung.coverage.items()},
        settings={"trees": params.trees, **own},
        audit=SplitAudit([], setting.warnings),
    )
    table = setting.table.assign(predicted=said[best].values)
    _log_facts(searching.parent, facts, table)
    unit, elements = task.primary.unit, sorted({one for name in setting.system for one in name.split("-")})
    about = {"prop": facts.prop, "unit": unit, "lowest": 0.0, "source": source, "elements": elements}
    pipeline = setting.pipeline(best, model)
    return log_estimator(searching.parent, pipeline, table["compound"].tolist(), **about)


def _log_facts(run: TrackedRun, facts: FormulaFacts, predictions: pd.DataFrame) -> None:
    with TemporaryDirectory(prefix="tmdscope-") as folder:
        write_json(Path(folder) / FACTS, facts.to_dict())
        write_table(Path(folder) / PREDICTIONS, predictions)
        for name in (FACTS, PREDICTIONS):
            run.artifact(Path(folder) / name)
