"""Estimators that let a cheap property help: scikit-learn's own checks, and what each can and cannot do."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingRegressor,
    VotingRegressor,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.neural_network import MLPRegressor
from sklearn.svm import SVR
from sklearn.utils.estimator_checks import parametrize_with_checks

from tmdscope.composition import (
    CheapValue,
    Difference,
    LatentVariable,
    LinearInCheap,
    MultiTask,
    SingleTask,
)

Values = NDArray[np.float64]
WAYS = [SingleTask, MultiTask, Difference, LatentVariable, LinearInCheap, CheapValue]


@parametrize_with_checks(
    [
        *(way(Ridge(), folds=2) for way in WAYS),
        *(way(Ridge(), known=False, folds=2) for way in (MultiTask, Difference, LatentVariable)),
    ]
)
def test_estimator(estimator: Any, check: Any) -> None:
    check(estimator)


def table(rows: int = 160, seed: int = 1) -> tuple[Values, Values]:
    """A cheap property that is hard to learn, and a dear one that differs from it by what is easy."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(rows, 6))
    cheap = np.sin(5 * inputs[:, 0]) * 3 + rng.normal(size=rows)
    return np.column_stack([inputs, cheap]), cheap + 0.5 * inputs[:, 1] + 0.1 * rng.normal(size=rows)


def error(way: Any, train: int = 100) -> float:
    rows, dear = table()
    way = clone(way).fit(rows[:train], dear[:train])
    return float(abs(way.predict(rows[train:]) - dear[train:]).mean())


def test_a_known_cheap_property_helps_and_one_that_is_predicted_does_not() -> None:
    alone = error(SingleTask(Ridge()))
    for way in (Difference, LatentVariable, MultiTask):
        assert error(way(Ridge())) < 0.2 < alone
    for way in (Difference, LatentVariable, MultiTask, LinearInCheap):
        assert error(way(Ridge(), known=False)) > 0.8 * alone
    assert error(LinearInCheap()) == pytest.approx(error(CheapValue()), rel=0.2)


@pytest.mark.parametrize(
    "inner",
    [
        ExtraTreesRegressor(20, random_state=1),
        HistGradientBoostingRegressor(max_iter=20),
        KernelRidge(kernel="rbf"),
        SVR(),
        GaussianProcessRegressor(alpha=0.1),
        MLPRegressor(hidden_layer_sizes=8, max_iter=20),
    ],
    ids=lambda one: type(one).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_any_regressor_fits_inside(inner: Any) -> None:
    for way in (MultiTask, Difference, LatentVariable):
        for known in (True, False):
            assert np.isfinite(error(way(inner, known=known, folds=2)))


@pytest.mark.parametrize("way", [MultiTask, Difference, LatentVariable, LinearInCheap, CheapValue])
def test_a_new_row_s_cheap_property_is_not_looked_at_unless_it_is_known(way: Any) -> None:
    rows, dear = table()
    hidden = rows.copy()
    hidden[:, -1] = np.nan
    blind = way(Ridge(), known=False).fit(rows, dear)
    np.testing.assert_array_equal(blind.predict(rows), blind.predict(hidden))
    hidden[:, -1] = rows[:, -1] + 1
    sees = way(Ridge(), known=True).fit(rows, dear)
    assert abs(sees.predict(rows) - sees.predict(hidden)).min() > 0.5


def test_rows_without_the_dear_property_teach_the_cheap_one() -> None:
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(400, 3))
    cheap = inputs @ [1.0, 2.0, 3.0]
    rows, dear = np.column_stack([inputs, cheap]), cheap + 1.0
    few = np.where(np.arange(400) < 3, dear, np.nan)
    for way in (Difference, LatentVariable, MultiTask):
        found = way(Ridge(1e-6), known=False, folds=2).fit(rows, few).predict(rows[50:])
        assert abs(found - dear[50:]).mean() < 0.5
    assert abs(SingleTask(Ridge(1e-6)).fit(rows, few).predict(rows[50:]) - dear[50:]).mean() > 1


def test_what_is_not_known_of_the_cheap_property_is_predicted() -> None:
    rows, dear = table()
    holed = rows.copy()
    holed[::3, -1] = np.nan
    for way in (Difference, LatentVariable):
        found = way(Ridge()).fit(holed, dear).predict(holed)
        assert np.isfinite(found).all()
        whole = way(Ridge()).fit(rows, dear)
        with pytest.raises(ValueError, match="known=False"):
            whole.predict(holed)


def test_training_predictions_of_the_cheap_property_come_from_models_that_have_not_seen_it() -> None:
    """A tree repeats what it has seen: taught with that, the second model would trust it alone."""
    rng = np.random.default_rng(5)
    inputs, cheap = rng.normal(size=(200, 4)), rng.normal(size=200)
    rows, dear = np.column_stack([inputs, cheap]), cheap
    tree = ExtraTreesRegressor(10, random_state=0)
    way = LatentVariable(Ridge(), cheap_estimator=tree, known=False, random_state=0).fit(rows, dear)
    assert abs(way.model_.coef_[-1]) < 0.4


def test_they_work_with_the_tools_of_scikit_learn() -> None:
    rows, dear = table()
    mean = VotingRegressor([("difference", Difference(Ridge())), ("latent", LatentVariable(Ridge()))])
    assert np.isfinite(cross_val_predict(mean, rows, dear, cv=3)).all()
    found = GridSearchCV(Difference(Ridge()), {"estimator__alpha": [0.1, 1e6]}, cv=3).fit(rows, dear)
    assert found.best_params_ == {"estimator__alpha": 0.1}


def test_classes_have_a_latent_variable_and_no_difference() -> None:
    rows, dear = table()
    colours = np.where(dear > 0, "red", "blue").astype(object)
    way = LatentVariable(LogisticRegression(), cheap_estimator=Ridge()).fit(rows, colours)
    alone = SingleTask(LogisticRegression()).fit(rows, colours)
    assert way.score(rows, colours) > 0.9 > alone.score(rows, colours)
    for other in (Difference, LinearInCheap, CheapValue):
        with pytest.raises(ValueError, match="LatentVariable"):
            other(LogisticRegression()).fit(rows, colours)


def test_classes_and_a_cheap_property_are_learnt_at_once() -> None:
    rng = np.random.default_rng(7)
    inputs = rng.normal(size=(600, 4))
    cheap = inputs @ [2.0, 1.0, 0.0, 0.0] + 0.1 * rng.normal(size=600)
    colours = np.where(cheap > 0, "red", "blue").astype(object)
    few = np.where(np.arange(600) < 12, colours, None)
    rows = np.column_stack([inputs, cheap])
    way = MultiTask(ExtraTreesClassifier(200, random_state=0), known=False).fit(rows, few)
    alone = SingleTask(ExtraTreesClassifier(200, random_state=0)).fit(rows, few)
    assert set(way.predict(rows[50:])) == {"red", "blue"}
    assert way.score(rows[50:], colours[50:]) > alone.score(rows[50:], colours[50:])
    with pytest.raises(ValueError, match="known=False"):
        MultiTask(LogisticRegression()).fit(rows, colours)


def test_what_cannot_be_learnt_from_is_refused() -> None:
    rows, dear = table(20)
    with pytest.raises(ValueError, match="at least 1 sample"):
        Difference(Ridge()).fit(rows, np.full(20, np.nan))
    rows[:, -1] = np.nan
    with pytest.raises(ValueError, match="cheap property is known"):
        Difference(Ridge()).fit(rows, dear)
