"""Predicted numbers against scikit-learn, whole and drawn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from tmdscope.scores.bootstrap import drawn_sums, percentile_interval
from tmdscope.scores.intervals import difference, estimate
from tmdscope.scores.task import quantity

LEVELS = (900.0, 950.0, 1000.0)
NUMBERS = st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=2, max_size=40).map(
    lambda rows: tuple(np.array(column) for column in zip(*rows, strict=True))
)


@given(NUMBERS)
def test_scores_agree_with_scikit_learn(pair):
    targets, predicted = pair
    found = quantity("eV").scores(targets, predicted)
    assert found["mae"] == pytest.approx(mean_absolute_error(targets, predicted))
    assert found["rmse"] == pytest.approx(root_mean_squared_error(targets, predicted))
    if np.ptp(targets) > 1e-3:
        assert found["r2"] == pytest.approx(r2_score(targets, predicted), rel=1e-6, abs=1e-6)


def test_equal_targets_have_no_explained_variance():
    assert np.isnan(quantity("eV").scores([2.0, 2.0], [1.0, 2.0])["r2"])


def test_a_prediction_is_right_where_the_nearest_level_is_the_target():
    task = quantity("C", LEVELS)
    assert task.plain.name == "binned_accuracy"
    assert task.scores([900, 950, 1000, 1000], [924, 976, 990, 1200])["binned_accuracy"] == 0.75


def test_the_interval_of_an_error_is_that_of_drawn_samples():
    rng = np.random.default_rng(1)
    targets, samples = rng.normal(size=200), np.arange(200) // 5
    predicted = targets + rng.normal(scale=0.3, size=200)
    found = estimate(quantity("eV"), targets, predicted, samples, 2000, 1)
    low, high = found.bounds["mae"]
    assert low < found.values["mae"] < high
    assert high - low == pytest.approx(3.92 * 0.3 * np.sqrt(1 - 2 / np.pi) / np.sqrt(200), rel=0.25)
    assert found.values["mae"] == pytest.approx(mean_absolute_error(targets, predicted))


def test_samples_of_one_number_each_are_told_apart_by_their_errors():
    rng = np.random.default_rng(4)
    samples = np.repeat(np.arange(60), 4)
    targets = rng.normal(size=60)[samples]
    predicted = targets + rng.normal(scale=0.3, size=240)
    task = quantity("eV")
    counts = task.counts(targets, predicted, samples)
    assert task.plain.name == "r2"
    assert np.isnan(task.plain.of(counts)).all()
    np.testing.assert_allclose(task.says(counts), task.metric("rmse").of(counts))
    drawn = percentile_interval(task.plain.of(drawn_sums(counts, 300, 1)), 60)
    found = estimate(task, targets, predicted, samples, 300, 1)
    np.testing.assert_allclose(found.bounds["r2"], drawn)


def test_a_smaller_error_is_a_gain():
    rng = np.random.default_rng(2)
    targets, samples = rng.normal(size=100), np.arange(100) // 2
    task = quantity("eV")
    found = difference(task, targets, targets + 0.1, targets + rng.normal(size=100), samples, 500, 1)
    assert found.values["mae"] < 0
    assert found.bounds["mae"][1] < 0
    assert task.primary.gain(0.1, 0.5) == pytest.approx(0.4)
    assert task.primary.direction == "minimize"
    assert task.primary.tell(0.1234) == "0.123 eV"


def test_perfect_predictions_may_still_err_on_samples_that_were_not_seen():
    targets = np.arange(8.0)
    found = estimate(quantity("eV"), targets, targets, targets, 100, 1)
    assert found.values["mae"] == 0
    assert found.bounds["mae"] == (0, 0)  # no sample says how far an error may go


def test_the_best_constant_is_the_median():
    targets = np.array([1.0, 2.0, 10.0])
    task = quantity("eV")
    constants = {value: task.score(targets, np.full(3, value)) for value in (1.0, task.naive(targets), 5.0)}
    assert min(constants, key=constants.__getitem__) == 2.0


@pytest.mark.parametrize(
    ("targets", "predicted", "match"),
    [([], [], "do not match"), ([1.0], [1.0, 2.0], "do not match"), ([np.nan], [1.0], "finite")],
)
def test_what_is_no_prediction_is_refused(targets, predicted, match):
    with pytest.raises(ValueError, match=match):
        quantity("eV").scores(targets, predicted)
