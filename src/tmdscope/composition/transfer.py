"""Ways to let a cheap property help a dear one, in scikit-learn's API, around any of its regressors.

Hutchinson et al. 2017, *Overcoming data scarcity with transfer learning* (arXiv:1711.05099): `MultiTask`,
`Difference` and `LatentVariable`; beside them `SingleTask`, `LinearInCheap` and `CheapValue`.

All of them ``fit(X, y)`` and ``predict(X)``. One column of `X`, the last if not said otherwise, is the cheap
property, NaN where it is not known; `y` is the dear one, NaN where it is not known: such rows teach what the
cheap property is. With ``known=True`` the cheap property of new rows is used where it is given, and a model's
prediction where it is not; with ``known=False`` that of new rows is never looked at.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone, is_classifier
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import KFold
from sklearn.utils import assert_all_finite, check_random_state, get_tags
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d, validate_data

Values = NDArray[np.float64]
Rows = NDArray[np.bool_]

_FIFTHS = (0.2, 0.4, 0.6, 0.8)


class _Transfer(MetaEstimatorMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """What all have in common: which column is cheap, and a model that fills in what is not known of it.

    Parameters
    ----------
    estimator : estimator, optional
        Learns the dear property; a random forest if none is given.
    known : bool
        Whether the cheap property of new rows is used where it is given.
    cheap_estimator : estimator, optional
        Learns the cheap property, where a prediction of it is needed; as `estimator` if none is given.
    cheap : int
        Column of the cheap property.
    folds : int
        Into which training rows are cut, to predict their cheap property as that of new rows is predicted.
    random_state : int, RandomState or None
        Of these folds, and of random forests where no estimator is given.
    """

    _rests_on_cheap = False
    model_: Any
    cheap_model_: Any

    def __init__(
        self,
        estimator: Any = None,
        *,
        known: bool = True,
        cheap_estimator: Any = None,
        cheap: int = -1,
        folds: int = 5,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.known = known
        self.cheap_estimator = cheap_estimator
        self.cheap = cheap
        self.folds = folds
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        """Say of what kind it is: as its estimator, but that targets may lack."""
        tags, own = super().__sklearn_tags__(), get_tags(self._estimator)
        tags.estimator_type = own.estimator_type
        tags.regressor_tags, tags.classifier_tags = own.regressor_tags, own.classifier_tags
        if self._rests_on_cheap and tags.regressor_tags is not None:
            tags.regressor_tags.poor_score = True  # where the cheap property says nothing of the dear one
        return tags

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803
        """Learn from rows, (N, F), the dear property, shape (N,), NaN where it is not known."""
        rest, cheap = self._split(X, reset=True)
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        given = column_or_1d(y, warn=True)
        check_consistent_length(rest, given)
        target = given if is_classifier(self) else given.astype(np.float64)
        labelled = ~np.array([one is None or one != one for one in target])
        if not is_classifier(self) and np.isinf(target).any():
            raise ValueError("Input y contains infinity or a value too large for dtype('float64').")
        if not labelled.any():
            raise ValueError("y has no value that is known; at least 1 sample must have one")
        self.cheap_model_ = None
        self._fit(rest, cheap, target, labelled)
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """Predict the dear property, shape (N,)."""
        check_is_fitted(self)
        rest, cheap = self._split(X)
        return np.asarray(self._predict(rest, cheap))

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: Any = None) -> float:  # noqa: N803
        """Give R2 of numbers, or the share of classes that are right."""
        measure = accuracy_score if is_classifier(self) else r2_score
        return float(measure(y, self.predict(X), sample_weight=sample_weight))

    @property
    def _estimator(self) -> Any:
        given = self.estimator
        return RandomForestRegressor(random_state=self.random_state) if given is None else given

    def _split(self, X: ArrayLike, reset: bool = False) -> tuple[Values, Values]:  # noqa: N803
        least = 2 if reset else 1
        table = validate_data(
            self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_features=least
        )
        column = self.cheap % table.shape[1]
        rest = np.delete(table, column, axis=1)
        if not get_tags(self._estimator).input_tags.allow_nan:
            assert_all_finite(rest, input_name="X")
        return rest, table[:, column]

    def _fit(self, rest: Values, cheap: Values, target: NDArray[Any], labelled: Rows) -> None:
        raise NotImplementedError

    def _predict(self, rest: Values, cheap: Values) -> Any:
        raise NotImplementedError

    def _new_cheap_model(self) -> Any:
        return clone(self._estimator if self.cheap_estimator is None else self.cheap_estimator)

    def _fit_cheap(self, rest: Values, cheap: Values) -> None:
        held = np.isfinite(cheap)
        if not held.any():
            raise ValueError("no row's cheap property is known: there is nothing to learn it from")
        self.cheap_model_ = self._new_cheap_model().fit(rest[held], cheap[held])

    def _unseen_cheap(self, rest: Values, cheap: Values, rows: Rows) -> Values:
        """Predict the cheap property of some rows by models that have not seen theirs."""
        asked, held = np.flatnonzero(rows), np.isfinite(cheap)
        found = np.full(len(cheap), np.nan)
        for part in self._cut(len(asked)):
            left_out = np.zeros(len(cheap), dtype=bool)
            left_out[asked[part]] = True
            taught = held & ~left_out
            model = self._new_cheap_model().fit(rest[taught], cheap[taught])
            found[left_out] = model.predict(rest[left_out])
        return found

    def _cut(self, rows: int) -> list[NDArray[np.int64]]:
        folds = KFold(self.folds, shuffle=True, random_state=check_random_state(self.random_state))
        return [part for _, part in folds.split(np.zeros((rows, 1)))]

    def _taught_cheap(self, rest: Values, cheap: Values, labelled: Rows, all_unseen: bool) -> Values:
        """Give the cheap property that the dear one is learnt with: what is known, or as of new rows."""
        lacking = labelled & (all_unseen | ~np.isfinite(cheap))
        if not self.known or lacking.any():
            self._fit_cheap(rest, cheap)
        return np.where(lacking, self._unseen_cheap(rest, cheap, lacking), cheap) if lacking.any() else cheap

    def _new_cheap(self, rest: Values, cheap: Values) -> Values:
        """Give the cheap property of new rows, as it is known or predicted."""
        lacking = ~np.isfinite(cheap) | (not self.known)
        if not lacking.any():
            return cheap
        if self.cheap_model_ is None:
            raise ValueError(
                "a new row's cheap property is not known (NaN), and was of every row that was learnt from: "
                "give it, or fit with known=False"
            )
        found = cheap.copy()
        found[lacking] = self.cheap_model_.predict(rest[lacking])
        return found


class SingleTask(_Transfer):
    """The dear property from the other columns alone: what the cheap one must improve on."""

    def _fit(self, rest: Values, cheap: Values, target: NDArray[Any], labelled: Rows) -> None:  # noqa: ARG002
        self.model_ = clone(self._estimator).fit(rest[labelled], target[labelled])

    def _predict(self, rest: Values, cheap: Values) -> Any:  # noqa: ARG002
        return self.model_.predict(rest)


class LatentVariable(_Transfer):
    """The cheap property is one more input of the model of the dear one, which may be of classes.

    With ``known=False`` the model learns from predictions by models that have not seen the row's own value.
    """

    def _fit(self, rest: Values, cheap: Values, target: NDArray[Any], labelled: Rows) -> None:
        latent = self._taught_cheap(rest, cheap, labelled, all_unseen=not self.known)
        inputs = np.column_stack([rest, latent])[labelled]
        self.model_ = clone(self._estimator).fit(inputs, target[labelled])

    def _predict(self, rest: Values, cheap: Values) -> Any:
        return self.model_.predict(np.column_stack([rest, self._new_cheap(rest, cheap)]))


class Difference(_Transfer):
    """The dear property less the cheap one is learnt, and added to the cheap one."""

    _rests_on_cheap = True

    def _fit(self, rest: Values, cheap: Values, target: NDArray[Any], labelled: Rows) -> None:
        _require_numbers(self)
        taught = self._taught_cheap(rest, cheap, labelled, all_unseen=False)
        self.model_ = clone(self._estimator).fit(rest[labelled], (target - taught)[labelled])

    def _predict(self, rest: Values, cheap: Values) -> Any:
        return self.model_.predict(rest) + self._new_cheap(rest, cheap)


class MultiTask(_Transfer):
    """One model of both properties: what it learns of one shapes what it says of the other.

    Every row is there once for each property that is known of it, with its inputs, the same inputs again
    for the dear property (else 0), and which of the two it is (Daume 2007, *Frustratingly easy domain
    adaptation*, arXiv:0907.1815), so that any regressor shares what it can, whether both properties are known
    of a row or one. Each property has mean 0 and variance 1. With ``known=True`` the error that the model
    makes on the cheap property is passed on by the slope between both errors on rows that it has not seen.

    Of classes, with ``known=False``, fifths of the cheap property are classes beside those of the dear one.
    """

    def _fit(self, rest: Values, cheap: Values, target: NDArray[Any], labelled: Rows) -> None:
        held = np.isfinite(cheap)
        if is_classifier(self):
            self._fit_classes(rest, cheap, target, labelled, held)
            return
        self.centre_ = np.array([_mean(cheap[held]), _mean(target[labelled])])
        self.scale_ = np.array([_spread(cheap[held]), _spread(target[labelled])])
        tasks = (np.stack([cheap, target], axis=1) - self.centre_) / self.scale_
        self.model_ = self._fit_tasks(rest, tasks)
        self.slope_ = 0.0
        both = np.flatnonzero(np.isfinite(tasks).all(axis=1))
        if self.known and len(both):
            error = np.zeros((len(both), 2))
            for part in self._cut(len(both)):
                taught = np.setdiff1d(np.arange(len(rest)), both[part])
                model = self._fit_tasks(rest[taught], tasks[taught])
                error[part] = tasks[both[part]] - _both(model, rest[both[part]])
            if spread := float(error[:, 0] @ error[:, 0]):
                self.slope_ = float(error[:, 0] @ error[:, 1]) / spread

    def _fit_classes(
        self, rest: Values, cheap: Values, target: NDArray[Any], labelled: Rows, held: Rows
    ) -> None:
        if self.known:
            raise ValueError(
                "MultiTask learns classes and a cheap property at once, and is told neither of new rows: "
                "fit with known=False, or take LatentVariable"
            )
        self.classes_, own = np.unique(target[labelled], return_inverse=True)
        edges = np.unique(np.quantile(cheap[held], _FIFTHS)) if held.any() else np.zeros(0)
        beside = len(self.classes_) + np.searchsorted(edges, cheap[held], side="right")
        rows = np.concatenate([_task_rows(rest[held], 0), _task_rows(rest[labelled], 1)])
        self.model_ = clone(self._estimator).fit(rows, np.concatenate([beside, own]))

    def _fit_tasks(self, rest: Values, tasks: Values) -> Any:
        held = np.isfinite(tasks)
        rows = np.concatenate([_task_rows(rest[held[:, task]], task) for task in (0, 1)])
        return clone(self._estimator).fit(
            rows, np.concatenate([tasks[held[:, task], task] for task in (0, 1)])
        )

    def _predict(self, rest: Values, cheap: Values) -> Any:
        if is_classifier(self):
            chances, known = self.model_.predict_proba(_task_rows(rest, 1)), self.model_.classes_
            dear = known < len(self.classes_)
            return self.classes_[known[dear][chances[:, dear].argmax(axis=1)]]
        said = _both(self.model_, rest)
        if self.known and self.slope_:
            missed = np.nan_to_num((cheap - self.centre_[0]) / self.scale_[0] - said[:, 0])
            said[:, 1] += self.slope_ * missed
        return said[:, 1] * self.scale_[1] + self.centre_[1]


class LinearInCheap(_Transfer):
    """A straight line in the cheap property: what a model of anything else must improve on."""

    _rests_on_cheap = True

    def _fit(self, rest: Values, cheap: Values, target: NDArray[Any], labelled: Rows) -> None:
        _require_numbers(self)
        latent = self._taught_cheap(rest, cheap, labelled, all_unseen=not self.known)
        self.model_ = LinearRegression().fit(latent[labelled, None], target[labelled])

    def _predict(self, rest: Values, cheap: Values) -> Any:
        return self.model_.predict(self._new_cheap(rest, cheap)[:, None])


class CheapValue(_Transfer):
    """The cheap property in place of the dear one."""

    _rests_on_cheap = True

    def _fit(self, rest: Values, cheap: Values, target: NDArray[Any], labelled: Rows) -> None:  # noqa: ARG002
        _require_numbers(self)
        if not (self.known and np.isfinite(cheap).all()):
            self._fit_cheap(rest, cheap)
        self.model_ = self.cheap_model_

    def _predict(self, rest: Values, cheap: Values) -> Any:
        return self._new_cheap(rest, cheap)


def _require_numbers(one: _Transfer) -> None:
    if is_classifier(one):
        raise ValueError(f"{type(one).__name__} is of numbers, not of classes: take LatentVariable")


def _task_rows(rest: Values, task: int) -> Values:
    """Lay out rows for one property, shape (N, 2 F + 1): 0 the cheap, 1 the dear one."""
    return np.hstack([rest, task * rest, np.full((len(rest), 1), float(task))])


def _both(model: Any, rest: Values) -> Values:
    """Predict both properties of rows, shape (N, 2)."""
    return np.stack([model.predict(_task_rows(rest, task)) for task in (0, 1)], axis=1)


def _mean(values: Values) -> float:
    return float(values.mean()) if values.size else 0.0


def _spread(values: Values) -> float:
    return float(values.std()) or 1.0 if values.size else 1.0
