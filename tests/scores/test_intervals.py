"""The cluster bootstrap against a plain loop, and differences of models on the same draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, f1_score

from tests.scores.test_classes import pairs
from tmdscope.scores import bootstrap, intervals
from tmdscope.scores.bootstrap import percentile_interval
from tmdscope.scores.task import CLASSES as TASK


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
    low, high = percentile_interval(np.array(scores), len(names))
    found = intervals.estimate(TASK, labels, predicted, sample_ids, resamples, seed)
    assert found.bounds["accuracy"] == pytest.approx((low[0], high[0]))
    assert found.bounds["macro_f1"] == pytest.approx((low[1], high[1]))
    assert (found.images, found.samples) == (80, len(names))


def test_bootstrap_in_blocks_equals_one_block(monkeypatch):
    case = _clustered_case()
    whole = intervals.estimate(TASK, *case, 50, 1)
    monkeypatch.setattr(bootstrap, "_BLOCK", 7)
    assert intervals.estimate(TASK, *case, 50, 1) == whole


def test_a_difference_equals_a_plain_loop_over_the_same_draws():
    labels, first, sample_ids = _clustered_case()
    second = np.where(np.arange(80) % 4 == 0, -1, first)
    names, seed = np.unique(sample_ids), 3
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=200)
    differences = []
    for draw in draws:
        times = dict(zip(names, draw, strict=True))
        rows = np.repeat(np.arange(80), [times[name] for name in sample_ids])
        one, other = (TASK.scores(labels[rows], said[rows]) for said in (first, second))
        differences.append([one[name] - other[name] for name in one])
    low, high = percentile_interval(np.array(differences), len(names))
    found = intervals.difference(TASK, labels, first, second, sample_ids, 200, seed)
    one, other = (TASK.scores(labels, said) for said in (first, second))
    assert found.values == {name: one[name] - other[name] for name in ("accuracy", "macro_f1")}
    assert found.bounds["accuracy"] == pytest.approx((low[0], high[0]))
    assert found.bounds["macro_f1"] == pytest.approx((low[1], high[1]))
    assert (found.images, found.samples) == (80, len(names))


@given(pairs, st.integers(0, 2**32 - 1))
def test_a_difference_turns_its_sign_with_the_order(pair, seed):
    labels, first = pair
    second = np.roll(first, 1)
    samples = np.arange(len(labels)) // 2
    there = intervals.difference(TASK, labels, first, second, samples, 20, seed)
    back = intervals.difference(TASK, labels, second, first, samples, 20, seed)
    assert back.values == {name: -value for name, value in there.values.items()}
    if there.samples < 2:
        assert (
            there.bounds["accuracy"]
            is there.bounds["macro_f1"]
            is back.bounds["accuracy"]
            is back.bounds["macro_f1"]
            is None
        )
        return
    assert back.bounds["accuracy"] == pytest.approx(
        (-there.bounds["accuracy"][1], -there.bounds["accuracy"][0])
    )
    assert back.bounds["macro_f1"] == pytest.approx(
        (-there.bounds["macro_f1"][1], -there.bounds["macro_f1"][0])
    )


def test_equal_predictions_may_still_differ_on_samples_that_were_not_seen():
    labels, predicted, sample_ids = _clustered_case()
    same = intervals.difference(TASK, labels, predicted, predicted, sample_ids, 20000, 1)
    assert same.values == {"accuracy": 0.0, "macro_f1": 0.0}
    exact = 1 - 0.025 ** (1 / 12)  # none of 12 samples differs: Clopper-Pearson of what differs one way
    assert same.bounds["accuracy"] == pytest.approx((-exact, exact), abs=0.01)
    assert same.bounds["macro_f1"][0] < -0.1 < 0.1 < same.bounds["macro_f1"][1]


@pytest.mark.parametrize("misses", [0, 1, 3, 20])
def test_single_images_have_the_interval_of_clopper_and_pearson(misses):
    labels, predicted = np.zeros(20, dtype=int), np.where(np.arange(20) < misses, -1, 0)
    found = intervals.estimate(TASK, labels, predicted, np.arange(20), 20000, 1).bounds["accuracy"]
    exact = binomtest(20 - misses, 20).proportion_ci(0.95, "exact")
    assert found == pytest.approx((exact.low, exact.high), abs=0.01)


def test_the_model_card_of_31_perfect_images_of_17_samples_has_a_width():
    labels, sample_ids = np.arange(31) % 3, np.arange(31) % 17
    found = intervals.estimate(TASK, labels, labels, sample_ids, 2000, 1)
    assert found.bounds["accuracy"][0] == pytest.approx(0.025 ** (1 / 17), abs=0.02)
    assert found.bounds["accuracy"][1] == found.bounds["macro_f1"][1] == 1.0
    assert 0.7 < found.bounds["macro_f1"][0] < 0.85


def test_one_sample_has_no_interval_and_says_so():
    found = intervals.estimate(TASK, [0, 1], [0, 1], ["a", "a"], 50, 1)
    assert found.values == {"accuracy": 1.0, "macro_f1": 1.0}
    assert found.bounds == {"accuracy": None, "macro_f1": None}
    difference = intervals.difference(TASK, [0, 1], [0, 1], [1, 0], ["a", "a"], 50, 1)
    assert (difference.values["macro_f1"], difference.bounds["accuracy"], difference.bounds["macro_f1"]) == (
        1.0,
        None,
        None,
    )
    assert intervals.tell_interval(1.0, found.bounds["accuracy"]) == "1.000 (no interval: 1 sample)"
    assert intervals.tell_interval(0.5, (0.25, 0.75), ".1f", 100) == "50.0 [25.0, 75.0]"


@given(pairs, st.integers(2, 6))
def test_every_score_lies_in_its_interval(pair, samples):
    labels, predicted = pair
    ids = np.arange(len(labels)) % samples
    found = intervals.estimate(TASK, labels, np.stack([predicted, np.roll(predicted, 1)]), ids, 20, 1)
    assert intervals.Estimate.read(found.record()) == found
    for name, value in found.values.items():
        bounds = found.bounds[name]
        assert bounds is None if found.samples < 2 else bounds[0] <= value <= bounds[1]


def test_pairing_narrows_the_interval_where_both_fail_on_the_same_images():
    labels = np.zeros(200, dtype=int)
    hard = np.arange(200) < 100
    first, second = hard.astype(int), (hard | (np.arange(200) % 10 == 0)).astype(int)
    low, high = intervals.difference(TASK, labels, first, second, np.arange(200), 500, 1).bounds["accuracy"]
    alone = intervals.estimate(TASK, labels, first, np.arange(200), 500, 1).bounds["accuracy"]
    assert 0 < low < 0.05 < high
    assert high - low < alone[1] - alone[0]


def test_correlated_images_widen_the_interval():
    labels = np.zeros(200, dtype=int)
    predicted = np.repeat([0, 1], 100)
    alone = intervals.estimate(TASK, labels, predicted, np.arange(200), 500, 1).bounds["accuracy"]
    clustered = intervals.estimate(TASK, labels, predicted, np.arange(200) // 20, 500, 1).bounds["accuracy"]
    assert clustered[1] - clustered[0] > 2 * (alone[1] - alone[0])


def test_no_resamples_are_refused():
    with pytest.raises(ValueError, match="0 resamples"):
        intervals.estimate(TASK, [0], [0], ["a"], 0, 1)
    with pytest.raises(ValueError, match="0 resamples"):
        intervals.difference(TASK, [0], [0], [0], ["a"], 0, 1)


@pytest.mark.parametrize(("first", "second"), [([], []), ([0, 1], [0]), ([0], [-2])])
def test_models_of_other_images_are_not_compared(first, second):
    with pytest.raises(ValueError, match=r"do not match|must lie in"):
        intervals.difference(TASK, first, first, second, ["a"] * len(first), 10, 1)


def test_scores_of_several_models_are_of_their_mean_counts() -> None:
    labels, samples = np.array([0, 0, 1, 1]), np.array(["a", "b", "c", "d"])
    first, second = np.array([0, 0, 1, 1]), np.array([1, 0, 0, 1])
    both = intervals.difference(TASK, labels, np.stack([first, second]), second, samples, 200, 1)
    assert both.values["accuracy"] == pytest.approx(0.25)
    assert (both.images, both.samples) == (4, 4)
    alone = intervals.difference(TASK, labels, first, second, samples, 200, 1)
    assert intervals.difference(TASK, labels, first[None], second[None], samples, 200, 1) == alone
    assert intervals.estimate(TASK, labels, first[None], samples, 200, 1) == intervals.estimate(
        TASK, labels, first, samples, 200, 1
    )
