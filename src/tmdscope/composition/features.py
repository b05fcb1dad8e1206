"""What a model sees of a formula: statistics of element properties over the composition."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Self, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from tmdscope.composition.formulae import SYMBOLS, shares
from tmdscope.errors import UserError
from tmdscope.materials import nearest
from tmdscope.params.common import ElementTable

Values = NDArray[np.float64]

TABLES = get_args(ElementTable)
"""Names of tables of elements."""

STATISTICS = ("mean", "deviation", "minimum", "maximum", "range", "mode")
"""Over the atoms of a composition: those of Ward et al. 2016 (Magpie, doi:10.1038/npjcompumats.2016.28).

`deviation` is the mean absolute deviation from the mean, `mode` the value of the most abundant element.
"""

_BLOCK = 4096
"""Formulae whose elements' values are held in memory at a time."""


@lru_cache(maxsize=len(TABLES))
def element_table(name: str) -> pd.DataFrame:
    """Read a table of ElementEmbeddings: a row per element of `SYMBOLS`, NaN where it does not know one."""
    if name not in TABLES:
        raise UserError(f"unknown table of elements {name!r}; {nearest(name, TABLES)}")
    try:
        from elementembeddings.core import Embedding
    except ModuleNotFoundError as error:
        raise UserError(
            f"tables of elements need {error.name}: pip install 'tmdscope[composition]'"
        ) from error
    found = Embedding.load_data(name)
    labels = [f"{name}_{label}" for label in found.feature_labels]
    table = pd.DataFrame.from_dict(found.embeddings, orient="index", columns=labels, dtype=np.float64)
    return table.reindex(list(SYMBOLS))


class CompositionFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn formulae, text of shape (N,) or (N, 1), into statistics of element properties and shares.

    An element that a table does not know takes the median of those that it knows in the formulae fitted on.

    Parameters
    ----------
    tables : sequence of str
        Names in `TABLES`.
    statistics : sequence of str
        Names in `STATISTICS`.
    elements : bool
        Whether the share of every element in the formulae fitted on is a feature as well.
    """

    def __init__(
        self,
        tables: Sequence[str] = ("magpie",),
        statistics: Sequence[str] = STATISTICS,
        elements: bool = False,
    ) -> None:
        self.tables = tables
        self.statistics = statistics
        self.elements = elements

    def fit(self, X: ArrayLike, y: Any = None) -> Self:  # noqa: ARG002, N803
        """Learn which elements there are, and what stands for those that a table does not know."""
        for name in self.statistics:
            if name not in STATISTICS:
                raise UserError(f"unknown statistic {name!r}; {nearest(name, STATISTICS)}")
        present = shares(formulae_of(X)).any(axis=0)
        known = [element_table(name) for name in self.tables]
        values = pd.concat(known, axis=1) if known else pd.DataFrame(index=list(SYMBOLS))
        filled = values.fillna(values[present].median()).fillna(values.median())
        self.values_, self.properties_ = filled.to_numpy(), np.array(filled.columns, dtype=str)
        self.present_ = present
        self.n_features_in_ = 1
        return self

    def transform(self, X: ArrayLike) -> Values:  # noqa: N803
        """Give the features of formulae, shape (N, features)."""
        check_is_fitted(self)
        found = shares(formulae_of(X))
        parts = [
            _statistics(found[start : start + _BLOCK], self.values_, self.statistics)
            for start in range(0, len(found), _BLOCK)
        ]
        tables = np.concatenate(parts) if parts else np.zeros((0, 0))
        return np.hstack([tables, found[:, self.present_]]) if self.elements else tables

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:  # noqa: ARG002
        """Name the features: ``magpie_Electronegativity_mean``, ``share_Ga``."""
        check_is_fitted(self)
        names = [f"{column}_{statistic}" for statistic in self.statistics for column in self.properties_]
        own = [f"share_{symbol}" for symbol in np.array(SYMBOLS)[self.present_]] if self.elements else []
        return np.array([*names, *own], dtype=object)


def formulae_of(formulae: ArrayLike) -> list[str]:
    """Take text of shape (N,) or (N, 1)."""
    given = np.asarray(formulae, dtype=object)
    if given.ndim > 2 or (given.ndim == 2 and given.shape[1] != 1):
        raise ValueError(f"formulae must be of shape (N,) or (N, 1), not {given.shape}")
    return [str(one) for one in given.ravel()]


def _statistics(found: Values, table: Values, wanted: Sequence[str]) -> Values:
    """Compute statistics, shape (N, statistics x properties), of shares (N, elements)."""
    most = int((found > 0).sum(axis=1).max(initial=1))
    which = np.argsort(-found, axis=1, kind="stable")[:, :most]
    weight = np.take_along_axis(found, which, axis=1)[..., None]
    held, values = weight > 0, table[which]
    mean = (weight * values).sum(axis=1)
    low = np.where(held, values, np.inf).min(axis=1)
    high = np.where(held, values, -np.inf).max(axis=1)
    abundant = np.isclose(weight, weight[:, :1])
    made = {
        "mean": mean,
        "deviation": (weight * abs(values - mean[:, None])).sum(axis=1),
        "minimum": low,
        "maximum": high,
        "range": high - low,
        "mode": np.where(abundant, values, np.inf).min(axis=1),
    }
    return np.hstack([made[name] for name in wanted])
