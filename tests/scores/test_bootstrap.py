"""Samples are drawn whole."""

import numpy as np
import pytest

from tmdscope.errors import UserError
from tmdscope.scores import bootstrap
from tmdscope.scores.bootstrap import Interval, drawn_sums, mean_with_interval, sums_by_sample


def test_values_are_added_up_by_sample() -> None:
    sums = sums_by_sample(np.array([[1.0, 10], [2, 20], [3, 30]]), ["b", "a", "b"])
    assert sums.tolist() == [[2, 20], [4, 40]]


def test_as_many_samples_are_drawn_as_there_are_and_again_the_same() -> None:
    draws = drawn_sums(np.eye(7), 50, 3)
    assert draws.shape == (50, 7)
    assert (draws.sum(axis=1) == 7).all()
    np.testing.assert_array_equal(draws, drawn_sums(np.eye(7), 50, 3))
    with pytest.raises(UserError, match="two at least"):
        drawn_sums(np.eye(1), 50, 3)


def test_intervals_of_clustered_values_cover_the_mean() -> None:
    """Images of a sample are nearly alike: taken one by one the interval would be three times too narrow."""
    ids = [f"{k // 10}" for k in range(300)]
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        values = rng.normal(size=30).repeat(10) + rng.normal(0, 0.1, 300)
        low, high = mean_with_interval(values, ids, 300, 1).ci95
        covered += int(low <= 0 <= high)
    assert 0.88 <= covered / 200 <= 0.99


def test_what_is_not_known_does_not_count() -> None:
    found = mean_with_interval(np.array([1.0, np.nan, 3.0, 5.0]), ["a", "b", "c", "c"], 100, 1)
    assert (found.mean, found.images, found.samples) == (3.0, 3, 2)
    alone = mean_with_interval(np.array([1.0, np.nan]), ["a", "b"], 100, 1)
    assert alone == Interval(1.0, None, images=1, samples=1)
    assert mean_with_interval(np.array([np.nan]), ["a"], 100, 1).mean is None


def test_draws_in_small_blocks_are_those_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = np.random.default_rng(1).integers(0, 3, (40, 2)).astype(np.float64)
    whole = drawn_sums(sums, 100, 7)
    monkeypatch.setattr(bootstrap, "_DRAWN", 120)
    np.testing.assert_array_equal(drawn_sums(sums, 100, 7), whole)


def test_samples_of_no_counts_are_drawn_alike_however_many(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = np.random.default_rng(1).normal(size=(40, 2))
    few = drawn_sums(sums, 100, 7)
    monkeypatch.setattr(bootstrap, "_MANY_SAMPLES", 1)
    np.testing.assert_array_equal(drawn_sums(sums, 100, 7), few)


@pytest.mark.parametrize("weigh", [False, True])
def test_samples_that_hold_the_same_may_be_drawn_together(
    monkeypatch: pytest.MonkeyPatch, weigh: bool
) -> None:
    sums = np.array([[1.0, 0.0]] * 30 + [[0.0, 2.0]] * 10)
    apart = drawn_sums(sums, 20_000, 1, weigh)
    monkeypatch.setattr(bootstrap, "_MANY_SAMPLES", 1)
    together = drawn_sums(sums, 20_000, 1, weigh)
    np.testing.assert_allclose(together.mean(axis=0), apart.mean(axis=0), rtol=0.02)
    np.testing.assert_allclose(together.std(axis=0), apart.std(axis=0), rtol=0.03)
