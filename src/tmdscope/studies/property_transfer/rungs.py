"""The rungs of the benchmark: what a model sees of a compound, each rung more than the one before."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline

from tmdscope.composition.cheap import CheapProperty
from tmdscope.composition.formulae import chemical_system, same_compounds
from tmdscope.scores.task import Task
from tmdscope.studies.property_transfer.params import BenchmarkParams

Values = NDArray[np.float64]

RUNGS = {
    "composition": "composition alone",
    "dft_predicted": "and the cheap gap as predicted",
    "dft_known": "and the cheap gap as known",
}
"""Inputs of the models, each with those before it, and what a reader calls them."""

LOOKUP = "lookup"
"""The lowest cheap gap of a compound in place of its dear one, where one is known."""


@dataclass(frozen=True)
class Setting:
    """The benchmark's compounds, N rows: inputs of each rung, and of the compounds' table what is asked.

    `table` has ``compound, group, system, fold, dear``; `lowest` is the lowest known cheap gap, NaN where
    none is known. The model of the cheap gap in `cheap` learnt from `wide` compounds, none of them here, and
    errs by `cheap_error` on those that are.
    """

    inputs: dict[str, Values]
    table: pd.DataFrame
    lowest: Values
    cheap: CheapProperty | None = None
    wide: int = 0
    cheap_error: float | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def dear(self) -> Values:
        """Of each compound, shape (N,)."""
        return np.asarray(self.table["dear"], dtype=np.float64)

    @property
    def group(self) -> NDArray[Any]:
        """Name of those that are nearly the same, shape (N,)."""
        return np.asarray(self.table["group"], dtype=object)

    @property
    def system(self) -> NDArray[Any]:
        """Chemical system, shape (N,)."""
        return np.asarray(self.table["system"], dtype=object)

    @property
    def fold(self) -> NDArray[np.int64]:
        """Number of the official fold, shape (N,)."""
        return np.asarray(self.table["fold"], dtype=np.int64)

    def cut(self, fold: NDArray[np.int64]) -> Self:
        """Take other folds."""
        return replace(self, table=self.table.assign(fold=fold))

    def take(self, rows: NDArray[np.bool_]) -> Self:
        """Take some compounds."""
        inputs = {rung: own[rows] for rung, own in self.inputs.items()}
        return replace(self, inputs=inputs, table=self.table[rows], lowest=self.lowest[rows])

    def by_fold(self, task: Task, said: Values) -> list[float]:
        """Score what is said of every compound, fold by fold."""
        return [
            task.score(self.dear[self.fold == number], said[self.fold == number])
            for number in np.unique(self.fold)
        ]

    def pipeline(self, rung: str, model: Any) -> Pipeline:
        """Make what takes formulae of a rung's inputs and a model that was fitted on them."""
        assert self.cheap is not None
        first: Any = self.cheap.features_
        if rung != "composition":
            first = copy(self.cheap).set_params(known=rung == "dft_known")
        return Pipeline([("inputs", first), ("model", model)])


def prepare(
    table: pd.DataFrame, wide: pd.DataFrame, params: BenchmarkParams, tables: Sequence[str]
) -> Setting:
    """Make the inputs of every rung."""
    untold = nearly_in(wide["compound"], table["compound"])
    boosting = HistGradientBoostingRegressor(
        max_iter=params.rounds,
        max_leaf_nodes=63,
        max_features=0.25,
        early_stopping=False,
        random_state=params.seed,
    )
    entries = wide[["lowest", "cheap", "highest", "entries"]].to_numpy(dtype=np.float64)
    cheap = CheapProperty(boosting, tables=tuple(tables)).fit(wide["compound"], entries, untold)
    known = cheap.transform(table["compound"])
    there, held = cheap.look_up(table["compound"])
    said = known[:, -5]
    inputs = {"composition": known[:, :-5], "dft_predicted": known[:, :-4], "dft_known": known}
    return Setting(
        inputs,
        table[["compound", "group", "system", "fold", "dear"]].reset_index(drop=True),
        held[:, 0],
        cheap,
        int((~untold).sum()),
        float(abs(said[there] - held[there, 1]).mean()) if there.any() else None,
        _crossing(table),
    )


def nearly_in(compounds: pd.Series, others: pd.Series) -> NDArray[np.bool_]:
    """Say which compounds are among others, or nearly the same as one of them, shape (N,)."""
    systems = compounds.map(chemical_system)
    near = systems.isin(set(others.map(chemical_system))).to_numpy()
    asked = compounds[near].tolist()
    groups = same_compounds([*asked, *others])
    found = np.zeros(len(compounds), dtype=np.bool_)
    found[near] = np.isin(groups[: len(asked)], groups[len(asked) :])
    return found


def _crossing(table: pd.DataFrame) -> list[str]:
    """Name groups that the official folds part: no fold learns from its own."""
    folds = table.groupby("group")["fold"].nunique()
    return [
        f"official folds part compounds nearly the same as {name}: none of them teaches a model of another's "
        "fold"
        for name in folds[folds > 1].index
    ]
