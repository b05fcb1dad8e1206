"""A cheap property of any formula: as a wide table knows it, and as a model of that table says."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from tmdscope.composition.features import CompositionFeatures, formulae_of
from tmdscope.composition.formulae import reduced

Values = NDArray[np.float64]

ENTRIES = ("lowest", "median", "highest", "entries")
"""What a wide table knows of a compound's cheap property: of its entries, and how many there are."""


class CheapProperty(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn formulae, text of shape (N,) or (N, 1), into features and a cheap property.

    Columns of what is given: `CompositionFeatures`; the cheap property as predicted; and, where it is
    `known`, lowest, median and highest of the table's entries, else the prediction, and how many there are
    (natural logarithm of one more).

    Parameters
    ----------
    estimator : estimator
        Learns the median from the features.
    known : bool
        Whether what the table knows is given as well.
    tables : sequence of str
        Of elements, see `CompositionFeatures`.
    """

    def __init__(self, estimator: Any, known: bool = True, tables: Sequence[str] = ("magpie",)) -> None:
        self.estimator = estimator
        self.known = known
        self.tables = tables

    def fit(self, X: ArrayLike, y: ArrayLike, untold: ArrayLike | None = None) -> Self:  # noqa: N803
        """Learn from formulae that all differ and their `ENTRIES`, shape (N, 4).

        `untold`, shape (N,): of these the model is told nothing, though the table knows them.
        """
        formulae, entries = formulae_of(X), np.asarray(y, dtype=np.float64)
        names = np.array([reduced(one) for one in formulae])
        order = np.argsort(names)
        self.names_, self.entries_ = names[order], entries[order]
        if (self.names_[1:] == self.names_[:-1]).any():
            raise ValueError("a compound is there twice: bring its entries together")
        taught = np.ones(len(names), bool) if untold is None else ~np.asarray(untold, bool)
        own = np.array(formulae, dtype=object)[taught]
        self.features_ = CompositionFeatures(tuple(self.tables), elements=True).fit(own)
        self.model_ = clone(self.estimator).fit(self.features_.transform(own), entries[taught, 1])
        self.n_features_in_ = 1
        return self

    def transform(self, X: ArrayLike) -> Values:  # noqa: N803
        """Give the columns, shape (N, features + 1), or + 5 where the property is known."""
        check_is_fitted(self)
        features = self.features_.transform(X)
        said = self.model_.predict(features)
        if not self.known:
            return np.column_stack([features, said])
        there, entries = self.look_up(X)
        filled = np.where(there[:, None], entries[:, :3], said[:, None])
        return np.column_stack([features, said, filled, np.log1p(np.where(there, entries[:, 3], 0))])

    def look_up(self, X: ArrayLike) -> tuple[NDArray[np.bool_], Values]:  # noqa: N803
        """Say of which formulae the table knows it, shape (N,), and its `ENTRIES`, NaN elsewhere."""
        check_is_fitted(self)
        asked = np.array([reduced(one) for one in formulae_of(X)])
        place = np.searchsorted(self.names_, asked).clip(max=len(self.names_) - 1)
        there = self.names_[place] == asked
        return there, np.where(there[:, None], self.entries_[place], np.nan)
