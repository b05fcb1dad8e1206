"""Leaving images out of the fit on all gives what a fit without them gives."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.kernel_ridge import KernelRidge

from tests.audit.studies import make_numbers, make_table
from tmdscope.audit.kernel import ALPHA, KernelPredictor, OrderPredictor, standardised

TABLE = make_table(1, by_class=1.0)
PREDICTOR = KernelPredictor(TABLE)


@settings(max_examples=30)
@given(st.sets(st.integers(0, len(TABLE.targets) - 1), min_size=1, max_size=59), st.integers(1, 10))
def test_a_downdate_is_a_fit(left_out: set[int], tested: int) -> None:
    removed = np.array(sorted(left_out))
    train = np.setdiff1d(np.arange(len(TABLE.targets)), removed)
    test = removed[:tested]
    quick = PREDICTOR.outputs(train, test, PREDICTOR.columns, PREDICTOR.fitted(PREDICTOR.columns))
    assert quick == pytest.approx(PREDICTOR.fit_outputs(train, test, PREDICTOR.columns), abs=1e-9)


def test_labels_of_what_is_left_out_do_not_matter() -> None:
    test = np.arange(20)
    train = np.arange(20, len(TABLE.targets))
    lied = TABLE.targets.copy()
    lied[test] = (lied[test] + 1) % 3
    other = KernelPredictor(replace(TABLE, targets=lied))
    assert (PREDICTOR.predict(train, test) == other.predict(train, test)).all()


def test_the_order_says_the_nearest_sample() -> None:
    predictor = OrderPredictor(np.array([1.0, 2.0, 10.0, 3.0, 6.0]), np.array([0, 1, 2, 0, 0]))
    assert predictor.predict(np.array([0, 1, 2]), np.array([3, 4])).tolist() == [1, 1]
    assert predictor.predict(np.array([2]), np.array([0])).tolist() == [2]


def test_columns_that_do_not_vary_go() -> None:
    assert standardised(np.array([[3.0, 4.0, 0.0], [3.0, 0.0, 4.0]])) == pytest.approx(
        np.array([[1, -1], [-1, 1.0]])
    )
    assert standardised(np.ones((2, 3))).tolist() == [[0.0], [0.0]]


def test_numbers_are_predicted_as_a_ridge_on_centred_targets_does() -> None:
    table = make_numbers(1, by_target=5.0)
    train, test = np.arange(30, 120), np.arange(30)
    kernel = KernelPredictor(table)
    mean = table.targets[train].mean()
    fitted = KernelRidge(ALPHA, kernel="precomputed")
    fitted.fit(kernel.kernel[np.ix_(train, train)], table.targets[train] - mean)
    wanted = mean + fitted.predict(kernel.kernel[np.ix_(test, train)])
    assert kernel.predict(train, test) == pytest.approx(wanted, abs=1e-9)
    lied = replace(table, targets=np.where(np.arange(120) < 30, 1e3, table.targets))
    assert KernelPredictor(lied).predict(train, test) == pytest.approx(wanted, abs=1e-6)
