"""Scores against scikit-learn, and the cluster bootstrap against a plain loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, recall_score
from sklearn.metrics import confusion_matrix as reference_confusion

from tmdscope.learn import metrics

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


def _clustered_case():
    rng = np.random.default_rng(7)
    sample_ids = np.array([f"s{index}" for index in rng.integers(0, 12, size=80)])
    labels = np.array([int(name[1:]) % 3 for name in sample_ids])
    predicted = np.where(rng.random(80) < 0.7, labels, rng.integers(-1, 3, size=80))
    return labels, predicted, sample_ids


def test_cluster_bootstrap_equals_a_plain_loop_over_the_same_draws():
    labels, predicted, sample_ids = _clustered_case()
    resamples, seed = 300, 3
    names = np.unique(sample_ids)
    draws = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=resamples
    )
    scores = []
    for draw in draws:
        rows = np.concatenate(
            [
                np.tile(np.flatnonzero(sample_ids == name), times)
                for name, times in zip(names, draw, strict=True)
            ]
        ).astype(int)
        present = np.unique(labels[rows])
        macro = f1_score(labels[rows], predicted[rows], labels=present, average="macro", zero_division=0)
        scores.append((accuracy_score(labels[rows], predicted[rows]), macro))
    low, high = np.percentile(scores, (2.5, 97.5), axis=0)
    found = metrics.bootstrap_by_sample(labels, predicted, sample_ids, resamples, seed)
    assert found.accuracy == pytest.approx((low[0], high[0]))
    assert found.macro_f1 == pytest.approx((low[1], high[1]))
    assert (found.samples, found.resamples) == (len(names), resamples)


def test_bootstrap_in_blocks_equals_one_block(monkeypatch):
    case = _clustered_case()
    whole = metrics.bootstrap_by_sample(*case, 50, 1)
    monkeypatch.setattr(metrics, "_BLOCK", 7)
    assert metrics.bootstrap_by_sample(*case, 50, 1) == whole


def test_a_difference_equals_a_plain_loop_over_the_same_draws():
    labels, first, sample_ids = _clustered_case()
    second = np.where(np.arange(80) % 4 == 0, -1, first)
    names, seed = np.unique(sample_ids), 3
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=200)
    differences = []
    for draw in draws:
        times = dict(zip(names, draw, strict=True))
        rows = np.repeat(np.arange(80), [times[name] for name in sample_ids])
        differences.append(
            [
                score(labels[rows], first[rows]) - score(labels[rows], second[rows])
                for score in (metrics.accuracy, metrics.macro_f1)
            ]
        )
    low, high = np.percentile(differences, (2.5, 97.5), axis=0)
    found = metrics.paired_difference(labels, first, second, sample_ids, 200, seed)
    assert found.accuracy == metrics.accuracy(labels, first) - metrics.accuracy(labels, second)
    assert found.macro_f1 == metrics.macro_f1(labels, first) - metrics.macro_f1(labels, second)
    assert found.accuracy_ci95 == pytest.approx((low[0], high[0]))
    assert found.macro_f1_ci95 == pytest.approx((low[1], high[1]))
    assert (found.images, found.samples) == (80, len(names))


@given(pairs, st.integers(0, 2**32 - 1))
def test_a_difference_turns_its_sign_with_the_order(pair, seed):
    labels, first = pair
    second = np.roll(first, 1)
    samples = np.arange(len(labels)) // 2
    there = metrics.paired_difference(labels, first, second, samples, 20, seed)
    back = metrics.paired_difference(labels, second, first, samples, 20, seed)
    assert (back.accuracy, back.macro_f1) == (-there.accuracy, -there.macro_f1)
    assert back.accuracy_ci95 == pytest.approx((-there.accuracy_ci95[1], -there.accuracy_ci95[0]))
    assert back.macro_f1_ci95 == pytest.approx((-there.macro_f1_ci95[1], -there.macro_f1_ci95[0]))


def test_equal_predictions_differ_by_nothing_at_all():
    labels, predicted, sample_ids = _clustered_case()
    same = metrics.paired_difference(labels, predicted, predicted, sample_ids, 50, 1)
    assert (same.accuracy, same.accuracy_ci95, same.macro_f1_ci95) == (0.0, (0.0, 0.0), (0.0, 0.0))


def test_pairing_narrows_the_interval_where_both_fail_on_the_same_images():
    labels = np.zeros(200, dtype=int)
    hard = np.arange(200) < 100
    first, second = hard.astype(int), (hard | (np.arange(200) % 10 == 0)).astype(int)
    low, high = metrics.paired_difference(labels, first, second, np.arange(200), 500, 1).accuracy_ci95
    alone = metrics.bootstrap_by_sample(labels, first, np.arange(200), 500, 1).accuracy
    assert 0 < low < 0.05 < high
    assert high - low < alone[1] - alone[0]


def test_correlated_images_widen_the_interval():
    labels = np.zeros(200, dtype=int)
    predicted = np.repeat([0, 1], 100)
    alone = metrics.bootstrap_by_sample(labels, predicted, np.arange(200), 500, 1).accuracy
    clustered = metrics.bootstrap_by_sample(labels, predicted, np.arange(200) // 20, 500, 1).accuracy
    assert clustered[1] - clustered[0] > 2 * (alone[1] - alone[0])


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


def test_no_folds_and_no_resamples_are_refused():
    with pytest.raises(ValueError, match="no scores"):
        metrics.mean_std([])
    with pytest.raises(ValueError, match="0 resamples"):
        metrics.bootstrap_by_sample([0], [0], ["a"], 0, 1)
    with pytest.raises(ValueError, match="0 resamples"):
        metrics.paired_difference([0], [0], [0], ["a"], 0, 1)


@pytest.mark.parametrize(("first", "second"), [([], []), ([0, 1], [0]), ([0], [-2])])
def test_models_of_other_images_are_not_compared(first, second):
    with pytest.raises(ValueError, match=r"do not match|must lie in"):
        metrics.paired_difference(first, first, second, ["a"] * len(first), 10, 1)


def test_scores_of_several_models_are_of_their_mean_counts() -> None:
    labels, samples = np.array([0, 0, 1, 1]), np.array(["a", "b", "c", "d"])
    first, second = np.array([0, 0, 1, 1]), np.array([1, 0, 0, 1])
    both = metrics.paired_difference(labels, np.stack([first, second]), second, samples, 200, 1)
    assert both.accuracy == pytest.approx(0.25)
    assert (both.images, both.samples) == (4, 4)
    alone = metrics.paired_difference(labels, first, second, samples, 200, 1)
    assert metrics.paired_difference(labels, first[None], second[None], samples, 200, 1) == alone
    assert metrics.bootstrap_by_sample(labels, first[None], samples, 200, 1) == metrics.bootstrap_by_sample(
        labels, first, samples, 200, 1
    )
