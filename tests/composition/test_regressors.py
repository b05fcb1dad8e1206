"""Regressors by name, and trees that predict a median."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from tmdscope.composition.regressors import REGRESSORS, MedianTrees


@pytest.mark.parametrize("name", REGRESSORS)
def test_every_regressor_learns_a_table(name: str) -> None:
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(120, 4))
    targets = inputs[:, 0] + 0.1 * rng.normal(size=120)
    model = clone(REGRESSORS[name](3)).fit(inputs[:90], targets[:90])
    assert abs(model.predict(inputs[90:]) - targets[90:]).mean() < 0.6 * abs(targets[90:]).mean()


def test_where_most_values_are_0_the_median_is_0_and_the_mean_is_not() -> None:
    rng = np.random.default_rng(2)
    inputs, metal = rng.normal(size=(600, 3)), rng.random(600) < 0.8
    targets = np.where(metal, 0.0, 3.0)
    median = MedianTrees(100, random_state=0).fit(inputs[:400], targets[:400])
    mean = ExtraTreesRegressor(100, random_state=0).fit(inputs[:400], targets[:400])
    errors = [abs(model.predict(inputs[400:]) - targets[400:]).mean() for model in (median, mean)]
    assert errors[0] < 0.9 * errors[1]
    assert np.median(median.predict(inputs[400:])) == 0


@parametrize_with_checks([MedianTrees(5, random_state=0)])
def test_estimator(estimator: Any, check: Any) -> None:
    check(estimator)


def test_trees_disagree_where_nothing_was_learnt() -> None:
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(300, 2))
    targets = np.where(inputs[:, 0] > 0, rng.normal(size=300), 1.0)
    spread = MedianTrees(50, random_state=0).fit(inputs[:200], targets[:200]).spread(inputs[200:])
    assert spread[inputs[200:, 0] > 0.2].mean() > 5 * spread[inputs[200:, 0] < -0.2].mean()
