"""Prediction intervals around any regressor that hold what they promise, whatever is wrong with it."""

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.model_selection import GroupKFold
from sklearn.utils.validation import check_is_fitted

Values = NDArray[np.float64]
Rows = NDArray[np.int64]


class ConformalRegressor(MetaEstimatorMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A regressor with prediction intervals by cross-validation (CV+: Barber et al. 2021, arXiv:1905.02928).

    Every training row is predicted by a model that has not seen its group; an interval is the range in which
    such errors, added to what the same models say of a new row, leave a share `level` of them.

    Parameters
    ----------
    estimator : estimator
        Any regressor.
    folds : int
        Into which training rows are cut.
    random_state : int or None
        Of the folds.
    """

    def __init__(self, estimator: Any, *, folds: int = 5, random_state: int | None = None) -> None:
        self.estimator = estimator
        self.folds = folds
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Self:  # noqa: N803
        """Learn from rows, (N, F), and find what errors are made on rows of groups that were not learnt."""
        inputs, targets = np.asarray(X), np.asarray(y, dtype=np.float64)
        self.models_, self.error_, self.fold_ = [], np.zeros(len(targets)), np.zeros(len(targets), np.int64)
        for number, (taught, asked) in enumerate(_parts(targets, groups, self.folds, self.random_state)):
            model = clone(self.estimator).fit(inputs[taught], targets[taught])
            self.error_[asked] = abs(model.predict(inputs[asked]) - targets[asked])
            self.fold_[asked] = number
            self.models_.append(model)
        self.model_ = clone(self.estimator).fit(inputs, targets)
        return self

    def predict(self, X: ArrayLike) -> Values:  # noqa: N803
        """Predict with the model of all training rows, shape (N,)."""
        check_is_fitted(self)
        return np.asarray(self.model_.predict(X))

    def predict_interval(self, X: ArrayLike, level: float = 0.9) -> Values:  # noqa: N803
        """Give the bounds, shape (N, 2), between which a new row's value lies with probability `level`.

        Unbounded where there are too few training rows to say. `ValueError` unless 0 < level < 1.
        """
        check_is_fitted(self)
        if not 0 < level < 1:
            raise ValueError(f"level {level} must lie between 0 and 1")
        said = np.stack([model.predict(X) for model in self.models_])[self.fold_]
        rows = len(self.error_)
        kept = int(np.ceil(level * (rows + 1)))
        if kept > rows:
            return np.tile([-np.inf, np.inf], (said.shape[1], 1))
        high = np.partition(said + self.error_[:, None], kept - 1, axis=0)[kept - 1]
        low = -np.partition(-said + self.error_[:, None], kept - 1, axis=0)[kept - 1]
        return np.stack([low, high], axis=1)


class SpreadConformalRegressor(MetaEstimatorMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A forest with prediction intervals that are wider where its trees disagree.

    Every training row is predicted by a forest that has not seen its group; its error counts in units of
    that forest's spread there (normalised nonconformity: Papadopoulos et al. 2011, *Regression conformal
    prediction with nearest neighbours*, JAIR 40). Only the forest of all rows is kept.

    Parameters
    ----------
    estimator : estimator
        A regressor with a method `spread`, such as `tmdscope.composition.MedianTrees`.
    folds : int
        Into which training rows are cut.
    random_state : int or None
        Of the folds.
    """

    def __init__(self, estimator: Any, *, folds: int = 5, random_state: int | None = None) -> None:
        self.estimator = estimator
        self.folds = folds
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Self:  # noqa: N803
        """Learn from rows, (N, F), and find what errors are made on rows of groups that were not learnt."""
        inputs, targets = np.asarray(X), np.asarray(y, dtype=np.float64)
        error, spread = np.zeros(len(targets)), np.zeros(len(targets))
        for taught, asked in _parts(targets, groups, self.folds, self.random_state):
            model = clone(self.estimator).fit(inputs[taught], targets[taught])
            error[asked] = abs(model.predict(inputs[asked]) - targets[asked])
            spread[asked] = model.spread(inputs[asked])
        self.least_spread_ = float(error.mean()) or 1.0
        self.errors_ = np.sort(error / (spread + self.least_spread_))
        self.model_ = clone(self.estimator).fit(inputs, targets)
        return self

    def predict(self, X: ArrayLike) -> Values:  # noqa: N803
        """Predict with the forest of all training rows, shape (N,)."""
        check_is_fitted(self)
        return np.asarray(self.model_.predict(X))

    def predict_interval(self, X: ArrayLike, level: float = 0.9) -> Values:  # noqa: N803
        """Give the bounds, shape (N, 2), between which a new row's value lies with probability `level`.

        Unbounded where there are too few training rows to say. `ValueError` unless 0 < level < 1.
        """
        check_is_fitted(self)
        if not 0 < level < 1:
            raise ValueError(f"level {level} must lie between 0 and 1")
        kept = int(np.ceil(level * (len(self.errors_) + 1)))
        most = self.errors_[kept - 1] if kept <= len(self.errors_) else np.inf
        half = most * (self.model_.spread(X) + self.least_spread_)
        said = self.predict(X)
        return np.stack([said - half, said + half], axis=1)


def _parts(
    targets: Values, groups: ArrayLike | None, folds: int, seed: int | None
) -> Iterator[tuple[Rows, Rows]]:
    """Cut rows into those that a model learns from and those whose errors it makes; groups are not parted."""
    of = np.arange(len(targets)) if groups is None else np.asarray(groups)
    yield from GroupKFold(folds, shuffle=True, random_state=seed).split(targets, targets, of)
