"""Predictions that see no image, and what outer folds say put together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tmdscope.models.scales import Labels
from tmdscope.models.tabular import SampleIdMethod
from tmdscope.search.framed import Said
from tmdscope.studies.growth_temperature.asked import Asked, Folds
from tmdscope.studies.growth_temperature.cohorts import nuisances_of
from tmdscope.studies.growth_temperature.record import CONSTANT, MAJORITY, NUISANCES, SAMPLE_NUMBER

_NEIGHBOURS = 5
"""Samples of like growth time and substrate that are asked."""


def blind(asked: Asked, folds: Folds) -> dict[str, Said]:
    """Predict every row without its image, from the training parts of folds; where samples have numbers."""
    cohort, scale = asked.cohort, asked.scale
    constants, means, nearest, by_nuisance = [], [], [], []
    table = nuisances_of(cohort)
    known = pd.get_dummies(table, dtype=float).to_numpy() if table.size else table.to_numpy()
    for number, (seen, unseen) in enumerate(folds):
        label = cohort.task.naive(cohort.targets[seen])
        mean = np.full(len(unseen), scale.numbers(cohort.targets[seen]).mean())
        labels = np.full(len(unseen), label, dtype=np.int64)
        constants.append(Said(labels, scale.numbers(labels)))
        means.append(Said(scale.classify(mean), mean))
        if cohort.order is not None:
            near = SampleIdMethod(cohort).predict_unseen(seen, unseen, number, 2)
            nearest.append(Said(near, scale.numbers(near)))
        if known.size:
            own = make_pipeline(StandardScaler(), KNeighborsClassifier(min(_NEIGHBOURS, len(seen))))
            near = own.fit(known[seen], cohort.targets[seen]).predict(known[unseen])
            by_nuisance.append(Said(near, scale.numbers(near)))
    found = {MAJORITY: pool(constants, folds), CONSTANT: pool(means, folds)}
    others = {SAMPLE_NUMBER: nearest, NUISANCES: by_nuisance}
    return {**found, **{name: pool(said, folds) for name, said in others.items() if said}}


def pool(said: Sequence[Said], folds: Folds) -> Said:
    """Put what outer folds say of their rows together, row by row."""
    rows = np.concatenate([unseen for _, unseen in folds])
    columns: list[Any] = [_joined([getattr(one, name) for one in said]) for name in _COLUMNS]
    return take(Said(*columns), np.argsort(rows))


def take(said: Said, rows: Labels) -> Said:
    """Copy what is said of some rows."""
    known = [getattr(said, name) for name in _COLUMNS]
    columns: list[Any] = [None if column is None else column[rows] for column in known]
    return Said(*columns)


_COLUMNS = ("labels", "numbers", "probabilities", "decoded")


def _joined(columns: Sequence[NDArray[Any] | None]) -> Any:
    known = [column for column in columns if column is not None]
    return np.concatenate(known) if len(known) == len(columns) else None
