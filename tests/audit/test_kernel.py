"""Leaving images out of the fit on all gives what a fit without them gives."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audit.studies import make_table
from tmdscope.audit.kernel import ClassKernel, OrderPredictor, standardised

TABLE = make_table(1, by_class=1.0)
PREDICTOR = ClassKernel(TABLE)


@settings(max_examples=30)
@given(st.sets(st.integers(0, len(TABLE.targets) - 1), min_size=1, max_size=59), st.integers(1, 10))
def test_a_downdate_is_a_fit(left_out: set[int], tested: int) -> None:
    removed = np.array(sorted(left_out))
    train = np.setdiff1d(np.arange(len(TABLE.targets)), removed)
    test = removed[:tested]
    quick = PREDICTOR.outputs(train, test, PREDICTOR.codes)
    assert quick == pytest.approx(PREDICTOR.fit_outputs(train, test, PREDICTOR.codes), abs=1e-9)


def test_labels_of_what_is_left_out_do_not_matter() -> None:
    test = np.arange(20)
    train = np.arange(20, len(TABLE.targets))
    lied = TABLE.targets.copy()
    lied[test] = (lied[test] + 1) % 3
    other = ClassKernel(replace(TABLE, targets=lied))
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
