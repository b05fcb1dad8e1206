"""Intervals hold what they promise on rows that were not learnt from, also where a model is poor."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge

from tmdscope.composition import ConformalRegressor, MedianTrees, SpreadConformalRegressor

Values = NDArray[np.float64]


def table(rows: int, seed: int) -> tuple[Values, Values]:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(rows, 3))
    return inputs, inputs @ [1.0, 2.0, 0.0] + rng.standard_t(3, size=rows)


@pytest.mark.parametrize("inner", [Ridge(), DummyRegressor()], ids=["suits", "poor"])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_intervals_cover_what_they_promise(inner: object, level: float) -> None:
    inside, width = [], []
    for seed in range(10):
        inputs, targets = table(400, seed)
        model = ConformalRegressor(inner, random_state=seed).fit(inputs[:150], targets[:150])
        low, high = model.predict_interval(inputs[150:], level).T
        inside.append(((low <= targets[150:]) & (targets[150:] <= high)).mean())
        width.append((high - low).mean())
    assert abs(np.mean(inside) - level) < 0.03
    assert np.mean(width) > 1


def test_rows_of_a_group_are_left_out_together() -> None:
    """Each row is there twice: were the copies told apart, errors would seem to be 0."""
    rng = np.random.default_rng(1)
    inputs, targets = np.repeat(rng.normal(size=(40, 40)), 2, axis=0), np.repeat(rng.normal(size=40), 2)
    groups = np.repeat(np.arange(40), 2)
    model = ConformalRegressor(Ridge(1e-8), random_state=0)
    apart = np.median(model.fit(inputs, targets).error_)
    together = np.median(model.fit(inputs, targets, groups).error_)
    assert together > 2 * apart


def test_few_rows_bound_nothing_and_levels_have_limits() -> None:
    inputs, targets = table(12, 1)
    model = ConformalRegressor(Ridge()).fit(inputs, targets)
    assert np.isinf(model.predict_interval(inputs, 0.95)).all()
    assert np.isfinite(model.predict_interval(inputs, 0.8)).all()
    with pytest.raises(ValueError, match="between 0 and 1"):
        model.predict_interval(inputs, 1.0)


def unequal(rows: int, seed: int) -> tuple[Values, Values]:
    """Half of the rows are told exactly, the others are noise."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(rows, 3))
    return inputs, np.where(inputs[:, 0] > 0, 2 * rng.normal(size=rows), 1.0)


def test_intervals_are_wider_where_trees_disagree_and_cover_what_they_promise() -> None:
    inside, widths = [], []
    for seed in range(5):
        inputs, targets = unequal(500, seed)
        trees = MedianTrees(30, random_state=seed)
        model = SpreadConformalRegressor(trees, folds=3, random_state=seed).fit(inputs[:300], targets[:300])
        low, high = model.predict_interval(inputs[300:], 0.9).T
        inside.append(((low <= targets[300:]) & (targets[300:] <= high)).mean())
        noisy = inputs[300:, 0] > 0
        widths.append((high - low)[noisy].mean() / (high - low)[~noisy].mean())
    assert abs(np.mean(inside) - 0.9) < 0.03
    assert np.mean(widths) > 1.5


def test_intervals_of_a_forest_leave_groups_out_together_and_have_limits() -> None:
    inputs, targets = (np.repeat(part, 2, axis=0) for part in table(40, 1))
    groups = np.repeat(np.arange(40), 2)
    model = SpreadConformalRegressor(MedianTrees(20, random_state=0), random_state=0)
    apart = model.fit(inputs, targets).least_spread_
    together = model.fit(inputs, targets, groups).least_spread_
    assert together > 2 * apart
    assert np.isinf(model.predict_interval(inputs, 0.999)).all()
    with pytest.raises(ValueError, match="between 0 and 1"):
        model.predict_interval(inputs, 1.0)
