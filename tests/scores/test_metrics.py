"""Scores against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, recall_score
from sklearn.metrics import confusion_matrix as reference_confusion

from tmdscope.scores import metrics

CLASSES = 5

pairs = st.lists(
    st.tuples(st.integers(0, CLASSES - 1), st.integers(-1, CLASSES - 1)), min_size=1, max_size=60
).map(lambda rows: tuple(np.array(column) for column in zip(*rows, strict=True)))


@given(pairs)
def test_scores_agree_with_scikit_learn(pair):
    labels, predicted = pair
    present = np.unique(labels)
    options = {"labels": present, "zero_division": 0}
    assert metrics.accuracy(labels, predicted) == pytest.approx(accuracy_score(labels, predicted))
    assert metrics.macro_f1(labels, predicted) == pytest.approx(
        f1_score(labels, predicted, average="macro", **options)
    )
    assert metrics.weighted_f1(labels, predicted) == pytest.approx(
        f1_score(labels, predicted, average="weighted", **options)
    )


@given(pairs)
def test_recall_agrees_with_scikit_learn_and_is_nan_without_labels(pair):
    labels, predicted = pair
    every = np.arange(CLASSES)
    expected = recall_score(labels, predicted, labels=every, average=None, zero_division=np.nan)
    np.testing.assert_allclose(metrics.recall_per_class(labels, predicted, CLASSES), expected)


@given(pairs)
def test_confusion_and_invalid_count_account_for_every_image(pair):
    labels, predicted = pair
    matrix = metrics.confusion_matrix(labels, predicted, CLASSES)
    assert matrix.sum() + metrics.invalid_count(predicted) == labels.size
    valid = predicted >= 0
    if valid.any():
        np.testing.assert_array_equal(
            matrix, reference_confusion(labels[valid], predicted[valid], labels=np.arange(CLASSES))
        )


def test_invalid_prediction_lowers_recall_but_adds_no_class():
    labels, predicted = [0, 0, 1, 1], [0, -1, 1, 1]
    assert metrics.accuracy(labels, predicted) == 0.75
    assert metrics.macro_f1(labels, predicted) == pytest.approx((2 / 3 + 1) / 2)


def test_mean_std_is_of_the_population():
    assert metrics.mean_std([1.0, 3.0]) == {"mean": 2.0, "std": 1.0}


@pytest.mark.parametrize(
    ("labels", "predicted"),
    [([], []), ([0, 1], [0]), ([-1], [0]), ([0], [-2]), ([[0]], [[0]])],
    ids=["empty", "lengths-differ", "label-invalid", "prediction-below-invalid", "two-dimensional"],
)
def test_what_is_no_classification_is_refused(labels, predicted):
    with pytest.raises(ValueError, match=r"do not match|must lie in"):
        metrics.accuracy(np.array(labels, dtype=int), np.array(predicted, dtype=int))


def test_a_class_beyond_the_stated_number_is_refused():
    with pytest.raises(ValueError, match=r"0\.\.1"):
        metrics.confusion_matrix([0, 2], [0, 1], 2)


def test_no_folds_are_refused():
    with pytest.raises(ValueError, match="no scores"):
        metrics.mean_std([])
