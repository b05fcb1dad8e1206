"""The cluster bootstrap against a plain loop, and differences of models on the same draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from tests.learn.test_metrics import pairs
from tmdscope.dataset import bootstrap
from tmdscope.learn import intervals, metrics


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
    found = intervals.bootstrap_by_sample(labels, predicted, sample_ids, resamples, seed)
    assert found.accuracy == pytest.approx((low[0], high[0]))
    assert found.macro_f1 == pytest.approx((low[1], high[1]))
    assert (found.samples, found.resamples) == (len(names), resamples)


def test_bootstrap_in_blocks_equals_one_block(monkeypatch):
    case = _clustered_case()
    whole = intervals.bootstrap_by_sample(*case, 50, 1)
    monkeypatch.setattr(bootstrap, "_BLOCK", 7)
    assert intervals.bootstrap_by_sample(*case, 50, 1) == whole


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
    found = intervals.paired_difference(labels, first, second, sample_ids, 200, seed)
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
    there = intervals.paired_difference(labels, first, second, samples, 20, seed)
    back = intervals.paired_difference(labels, second, first, samples, 20, seed)
    assert (back.accuracy, back.macro_f1) == (-there.accuracy, -there.macro_f1)
    assert back.accuracy_ci95 == pytest.approx((-there.accuracy_ci95[1], -there.accuracy_ci95[0]))
    assert back.macro_f1_ci95 == pytest.approx((-there.macro_f1_ci95[1], -there.macro_f1_ci95[0]))


def test_equal_predictions_differ_by_nothing_at_all():
    labels, predicted, sample_ids = _clustered_case()
    same = intervals.paired_difference(labels, predicted, predicted, sample_ids, 50, 1)
    assert (same.accuracy, same.accuracy_ci95, same.macro_f1_ci95) == (0.0, (0.0, 0.0), (0.0, 0.0))


def test_pairing_narrows_the_interval_where_both_fail_on_the_same_images():
    labels = np.zeros(200, dtype=int)
    hard = np.arange(200) < 100
    first, second = hard.astype(int), (hard | (np.arange(200) % 10 == 0)).astype(int)
    low, high = intervals.paired_difference(labels, first, second, np.arange(200), 500, 1).accuracy_ci95
    alone = intervals.bootstrap_by_sample(labels, first, np.arange(200), 500, 1).accuracy
    assert 0 < low < 0.05 < high
    assert high - low < alone[1] - alone[0]


def test_correlated_images_widen_the_interval():
    labels = np.zeros(200, dtype=int)
    predicted = np.repeat([0, 1], 100)
    alone = intervals.bootstrap_by_sample(labels, predicted, np.arange(200), 500, 1).accuracy
    clustered = intervals.bootstrap_by_sample(labels, predicted, np.arange(200) // 20, 500, 1).accuracy
    assert clustered[1] - clustered[0] > 2 * (alone[1] - alone[0])


def test_no_resamples_are_refused():
    with pytest.raises(ValueError, match="0 resamples"):
        intervals.bootstrap_by_sample([0], [0], ["a"], 0, 1)
    with pytest.raises(ValueError, match="0 resamples"):
        intervals.paired_difference([0], [0], [0], ["a"], 0, 1)


@pytest.mark.parametrize(("first", "second"), [([], []), ([0, 1], [0]), ([0], [-2])])
def test_models_of_other_images_are_not_compared(first, second):
    with pytest.raises(ValueError, match=r"do not match|must lie in"):
        intervals.paired_difference(first, first, second, ["a"] * len(first), 10, 1)


def test_scores_of_several_models_are_of_their_mean_counts() -> None:
    labels, samples = np.array([0, 0, 1, 1]), np.array(["a", "b", "c", "d"])
    first, second = np.array([0, 0, 1, 1]), np.array([1, 0, 0, 1])
    both = intervals.paired_difference(labels, np.stack([first, second]), second, samples, 200, 1)
    assert both.accuracy == pytest.approx(0.25)
    assert (both.images, both.samples) == (4, 4)
    alone = intervals.paired_difference(labels, first, second, samples, 200, 1)
    assert intervals.paired_difference(labels, first[None], second[None], samples, 200, 1) == alone
    assert intervals.bootstrap_by_sample(
        labels, first[None], samples, 200, 1
    ) == intervals.bootstrap_by_sample(labels, first, samples, 200, 1)
