"""The ways that are compared, by name, and the cohort that they are compared on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.composition.features import CompositionFeatures
from tmdscope.composition.regressors import REGRESSORS
from tmdscope.composition.transfer import (
    CheapValue,
    Difference,
    LatentVariable,
    LinearInCheap,
    MultiTask,
    SingleTask,
)
from tmdscope.jobs.study import Study
from tmdscope.models.tabular import EstimatorMethod, Method
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.task import quantity
from tmdscope.studies.property_transfer.params import TablesParams, WaysParams
from tmdscope.studies.property_transfer.tables import read_tables

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Way:
    """A way to use the cheap property: `make` gives its estimator; it is None for a mean of others.

    Where the cheap property of new rows is not `known`, it is predicted; `unseen`: that of training rows as
    well, by models that have not seen theirs.
    """

    title: str
    make: Any
    known: bool = True
    unseen: bool = False


WAYS: Mapping[str, Way] = {
    "composition": Way("composition alone", SingleTask),
    "lookup": Way("the cheap value itself", CheapValue),
    "linear": Way("a line in the cheap value", LinearInCheap),
    "difference_known": Way("difference, cheap value known", Difference),
    "latent_known": Way("latent variable, cheap value known", LatentVariable),
    "multitask_known": Way("multi-task, cheap value known", MultiTask),
    "average_known": Way("mean of difference and latent variable, known", None),
    "stack_known": Way("mean of both with three regressors each, known", None),
    "difference_predicted": Way("difference, cheap value predicted", Difference, known=False),
    "latent_predicted": Way(
        "latent variable, cheap value predicted", LatentVariable, known=False, unseen=True
    ),
    "multitask_predicted": Way("multi-task, cheap value not given", MultiTask, known=False),
}
"""Of Hutchinson et al. 2017 (arXiv:1711.05099), and what they must improve on."""

STACKED = ("extra_trees", "median_trees", "kernel_ridge")
"""Regressors whose mean `stack_known` is."""


def make_way(name: str, params: WaysParams, regressor: str = "") -> Any:
    """Make the estimator of a way that is no mean, unfitted, around that of `params` if no other is named."""
    way, inner = WAYS[name], REGRESSORS[regressor or params.regressor](params.seed)
    return way.make(inner, known=way.known, folds=params.folds, random_state=params.seed)


def parts_of(name: str, params: WaysParams) -> list[tuple[str, str]]:
    """Name the ways, each with its regressor, whose mean a way is: itself, or several."""
    if WAYS[name].make is not None:
        return [(name, params.regressor)]
    regressors = STACKED if name == "stack_known" else (params.regressor,)
    return [(one, regressor) for regressor in regressors for one in ("difference_known", "latent_known")]


def features_of(formulae: pd.Series, tables: Sequence[str]) -> Values:
    """Give what a model sees of formulae, shape (N, F): no label is in it, and constant columns are not."""
    found = CompositionFeatures(tuple(tables), elements=True).fit_transform(formulae.tolist())
    return np.asarray(found[:, np.ptp(found, axis=0) > 0])


def read_cohort(study: Study) -> Cohort:
    """Read the pairs: composition and, in the last column, the cheap property; targets are the dear one.

    A sample is a compound: those that are nearly the same have one name, so that no fold parts them.
    """
    pairs = read_tables(study.layout.tables).pairs
    ways, unit = study.section("ways", WaysParams), study.section("tables", TablesParams).unit
    inputs = np.column_stack([features_of(pairs["formula"], ways.tables), pairs["cheap"]])
    return Cohort.of_features(
        quantity(unit, form=".3f"), inputs, pairs["dear"].to_numpy(), pairs["group"].tolist(), row="compound"
    )


def make_methods(study: Study, cohort: Cohort) -> Mapping[str, Method]:
    """Make every way that is no mean of others as a method on the cohort."""
    params = study.section("ways", WaysParams)
    settings = params.model_dump(mode="json")
    return {
        name: EstimatorMethod(cohort, make_way(name, params), {"way": name, **settings})
        for name, way in WAYS.items()
        if way.make is not None
    }
