"""Scores against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, recall_score
from sklearn.metrics import confusion_matrix as reference_confusion

from tmdscope.scores import classes
from tmdscope.scores.folds import mean_std
from tmdscope.scores.task import CLASSES as TASK
from tmdscope.scores.task import ORDERED_CLASSES

CLASSES = 5
NAMES = "abcde"

pairs = st.lists(
    st.tuples(st.integers(0, CLASSES - 1), st.integers(-1, CLASSES - 1)), min_size=1, max_size=60
).map(lambda rows: tuple(np.array(column) for column in zip(*rows, strict=True)))


@given(pairs)
def test_scores_agree_with_scikit_learn(pair):
    labels, predicted = pair
    present = np.unique(labels)
    options = {"labels": present, "zero_division": 0}
    found = TASK.scores(labels, predicted) | TASK.details(labels, predicted, predicted, NAMES)
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    assert found["exact_accuracy"] == found["accuracy"]
    assert found["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro", **options))
    assert found["weighted_f1"] == pytest.approx(f1_score(labels, predicted, average="weighted", **options))


@given(pairs)
def test_recall_agrees_with_scikit_learn_and_is_nan_without_labels(pair):
    labels, predicted = pair
    every = np.arange(CLASSES)
    expected = recall_score(labels, predicted, labels=every, average=None, zero_division=np.nan)
    found = TASK.details(labels, predicted, predicted, NAMES)
    np.testing.assert_allclose([found.get(f"recall.{name}", np.nan) for name in NAMES], expected)


@given(pairs)
def test_confusion_and_invalid_count_account_for_every_image(pair):
    labels, predicted = pair
    matrix = classes.confusion_matrix(labels, predicted, CLASSES)
    assert matrix.sum() + classes.invalid_count(predicted) == labels.size
    valid = predicted >= 0
    if valid.any():
        np.testing.assert_array_equal(
            matrix, reference_confusion(labels[valid], predicted[valid], labels=np.arange(CLASSES))
        )


def test_invalid_prediction_lowers_recall_but_adds_no_class():
    labels, predicted = [0, 0, 1, 1], [0, -1, 1, 1]
    assert TASK.scores(labels, predicted) == {"accuracy": 0.75, "macro_f1": pytest.approx((2 / 3 + 1) / 2)}


def test_balanced_accuracy_is_scikit_learns():
    rng = np.random.default_rng(3)
    labels, predicted = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    found = ORDERED_CLASSES.scores(labels, predicted)["balanced_accuracy"]
    assert found == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert ORDERED_CLASSES.scores([0, 0, 2], [0, 1, -1])["balanced_accuracy"] == pytest.approx(0.25)


def test_mean_std_is_of_the_population():
    assert mean_std([1.0, 3.0]) == {"mean": 2.0, "std": 1.0}


@pytest.mark.parametrize(
    ("labels", "predicted"),
    [([], []), ([0, 1], [0]), ([-1], [0]), ([0], [-2]), ([[0]], [[0]])],
    ids=["empty", "lengths-differ", "label-invalid", "prediction-below-invalid", "two-dimensional"],
)
def test_what_is_no_classification_is_refused(labels, predicted):
    with pytest.raises(ValueError, match=r"do not match|must lie in"):
        TASK.scores(np.array(labels, dtype=int), np.array(predicted, dtype=int))


def test_a_class_beyond_the_stated_number_is_refused():
    with pytest.raises(ValueError, match=r"0\.\.1"):
        classes.confusion_matrix([0, 2], [0, 1], 2)


def test_no_folds_are_refused():
    with pytest.raises(ValueError, match="no scores"):
        mean_std([])
