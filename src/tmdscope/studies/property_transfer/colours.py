"""Stage `colours`: the colour of compounds from their formula, their gap, and both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.model_selection import StratifiedKFold

from tmdscope.composition.transfer import LatentVariable, MultiTask, SingleTask
from tmdscope.jobs.study import Study
from tmdscope.jobs.tracked import tracked_stage
from tmdscope.params.common import ScoringParams
from tmdscope.record import JsonRecord
from tmdscope.run_record import NO_RUNS, StageRuns
from tmdscope.scores.cohort import Cohort, Rows, Values
from tmdscope.scores.task import CLASSES
from tmdscope.studies.property_transfer.params import CurvesParams, WaysParams
from tmdscope.studies.property_transfer.tables import COLOURS, read_tables
from tmdscope.studies.property_transfer.ways import features_of

NAME = "colours"
FAMILIES = {
    "white": ("White",),
    "yellow": ("Yellow", "Pale Yellow", "Yellow-White"),
    "orange": ("Orange", "Yellow-Orange", "Orange-Red", "Amber", "Red-Yellow"),
    "red": ("Red", "Dark Red", "Copper-Red"),
    "brown": ("Brown", "Dark Brown", "Bronze", "Ocher"),
    "gray or black": ("Gray", "Dark Gray", "Light Gray", "Black", "Brown-Black"),
}
"""Colours that are told apart, and what Strehlow & Cook call them; others are too rare."""

WAYS = {
    "composition": "composition alone",
    "gap": "gap alone",
    "latent_known": "composition and gap",
    "latent_predicted": "composition and a gap predicted from it",
    "multitask": "composition, colour and gap learnt at once",
}
COMPARED = (
    ("latent_known", "composition"),
    ("gap", "composition"),
    ("latent_predicted", "composition"),
    ("multitask", "composition"),
    ("multitask", "latent_predicted"),
)


@dataclass(frozen=True)
class Colours(JsonRecord):
    """``colours.json``: estimates by way, and differences, ``FIRST less SECOND``; empty without colours."""

    ways: dict[str, dict[str, Any]]
    differences: dict[str, dict[str, Any]]
    counts: dict[str, int]
    compounds: int
    left_out: int
    chance: float


def run(study: Study) -> None:
    """Predict every compound's colour by models that have not seen it, where colours are known."""
    curves, ways = study.section("curves", CurvesParams), study.section("ways", WaysParams)
    scoring, cohort = study.section("scoring", ScoringParams), study.cohort(study)
    of, folder, tables = study.of(cohort.digest), study.layout.scores.parent, read_tables(study.layout.tables)
    path, run_path = folder / "colours.json", folder / "colours_run.json"
    if COLOURS not in tables.tables:
        Colours({}, {}, {}, 0, 0, 0.0).write(path, of)
        NO_RUNS.write(run_path, of)
        print(f"not run: source {tables.about['source']!r} has no colours")
        return
    settings = {"draws": curves.draws, "seed": curves.seed, "tables": ways.tables}
    with tracked_stage(study, NAME, cohort, settings) as tracked:
        found = compare(tables.get(COLOURS), curves, ways, scoring)
        with tracked.run(NAME, {"experiment": NAME}) as run:
            run.params(settings)
            run.metrics({way: one[CLASSES.plain.name] for way, one in found.ways.items()})
        found.write(path, of)
        StageRuns({NAME: run.run_id}, **tracked.where).write(run_path, of)
    for way, one in found.ways.items():
        print(f"{WAYS[way]}: {CLASSES.plain.title} {one[CLASSES.plain.name]:.3f}")


def compare(table: pd.DataFrame, curves: CurvesParams, ways: WaysParams, scoring: ScoringParams) -> Colours:
    """Compare the ways on compounds, each with its median gap and its most frequent colour."""
    everything, left_out = by_compound(table)
    compounds = everything[everything["family"].notna()]
    names = tuple(name for name in FAMILIES if name in set(compounds["family"]))
    labels = np.array([names.index(family) for family in compounds["family"]], dtype=np.int64)
    whole = np.column_stack([features_of(everything["compound"], ways.tables), everything["gap"]])
    inputs, beside = whole[: len(compounds)], whole[len(compounds) :]
    cohort = Cohort.of_features(CLASSES, inputs, labels, compounds["group"].tolist(), names)
    predicted = {way: np.zeros((curves.draws, len(labels)), dtype=np.int64) for way in WAYS}
    for draw in range(curves.draws):
        cut = StratifiedKFold(curves.folds, shuffle=True, random_state=curves.seed + draw)
        for pool, test in cut.split(inputs, labels):
            for way, said in _predict(inputs, labels, beside, pool, test, ways.seed + draw).items():
                predicted[way][draw, test] = said
    rows = np.arange(len(cohort))
    return Colours(
        ways={way: cohort.estimate(rows, said, scoring).record() for way, said in predicted.items()},
        differences={
            f"{first} less {second}": cohort.difference(
                rows, predicted[first], predicted[second], scoring
            ).record()
            for first, second in COMPARED
        },
        counts=cohort.count(rows),
        compounds=len(cohort),
        left_out=left_out,
        chance=cohort.chance(rows),
    )


def by_compound(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Bring the rows of a compound that has a gap together, those of a known colour first.

    ``family`` lacks where no colour of `FAMILIES` is known. Gives also how many have another colour,
    or a colour and no gap.
    """
    family = {colour: name for name, own in FAMILIES.items() for colour in own}
    told = table.assign(family=table["colour"].map(family), gap=pd.to_numeric(table["gap"], errors="coerce"))
    known = told.dropna(subset=["family", "gap"])
    coloured = known.groupby("group").agg(
        compound=("compound", "first"),
        gap=("gap", "median"),
        family=("family", lambda own: own.mode().iloc[0]),
    )
    rest = told[~told["group"].isin(coloured.index)].dropna(subset=["gap"])
    beside = rest.groupby("group").agg(compound=("compound", "first"), gap=("gap", "median"))
    named = told.loc[told["colour"] != "", "group"].nunique()
    return pd.concat([coloured, beside]).reset_index(), named - len(coloured)


def _predict(
    inputs: Values, labels: NDArray[np.int64], beside: Values, pool: Rows, test: Rows, seed: int
) -> Mapping[str, NDArray[np.int64]]:
    """Predict the test; compounds `beside`, of no known colour, teach what a gap is, shape (M, F)."""
    trees = ExtraTreesClassifier(200, max_features=1 / 3, class_weight="balanced", random_state=seed)
    gap = ExtraTreesRegressor(100, max_features=1 / 3, random_state=seed)
    models = {
        "composition": SingleTask(trees),
        "latent_known": LatentVariable(trees),
        "latent_predicted": LatentVariable(trees, known=False, cheap_estimator=gap, random_state=seed),
        "multitask": MultiTask(trees, known=False),
    }
    alone = ExtraTreesClassifier(200, min_samples_leaf=3, class_weight="balanced", random_state=seed)
    taught = np.concatenate([inputs[pool], beside])
    known = np.concatenate([labels[pool], np.full(len(beside), np.nan)])
    found = {
        name: model.fit(taught, known).predict(inputs[test]).astype(np.int64)
        for name, model in models.items()
    }
    return {**found, "gap": alone.fit(inputs[pool, -1:], labels[pool]).predict(inputs[test, -1:])}
