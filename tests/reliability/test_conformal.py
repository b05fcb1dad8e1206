"""p-values against a plain double loop, and coverage of new samples whose sizes are very uneven."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom

from tmdscope.reliability.conformal import (
    CrossConformal,
    fit_cross_conformal,
    tolerance_cut,
    within,
)

HELD_OUT = st.lists(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 3)), min_size=1, max_size=12),
    min_size=1,
    max_size=4,
)
"""For each fold its images: score (with ties), number of the sample."""


def fitted(held_out: list[list[tuple[int, int]]]) -> CrossConformal:
    """The folds' scores, with samples of their own."""
    scores = [[float(score) for score, _ in fold] for fold in held_out]
    names = [[f"{number}-{sample}" for _, sample in fold] for number, fold in enumerate(held_out)]
    return fit_cross_conformal(scores, names)


def slow_p_value(held_out: list[list[tuple[int, int]]], new: list[float]) -> float:
    """The formula of CV+ with samples that weigh alike, in plain loops."""
    groups: dict[tuple[int, int], list[bool]] = {}
    for number, fold in enumerate(held_out):
        for score, sample in fold:
            groups.setdefault((number, sample), []).append(score >= new[number])
    shares = [sum(group) / len(group) for group in groups.values()]
    return (1 + sum(shares)) / (len(groups) + 1)


@given(HELD_OUT, st.data())
def test_p_values_are_those_of_the_plain_loops(
    held_out: list[list[tuple[int, int]]], data: st.DataObject
) -> None:
    new = data.draw(st.lists(st.integers(-1, 9).map(float), min_size=len(held_out), max_size=len(held_out)))
    assert float(fitted(held_out).p_values(new)) == pytest.approx(slow_p_value(held_out, new))


@given(HELD_OUT)
def test_weights_sum_to_less_than_one_and_samples_weigh_alike(held_out: list[list[tuple[int, int]]]) -> None:
    conformal = fitted(held_out)
    samples = len({(number, sample) for number, fold in enumerate(held_out) for _, sample in fold})
    assert conformal.samples == samples
    assert conformal.images == sum(map(len, held_out))
    assert sum(tail[0] for tail in conformal.tails) == pytest.approx(samples / (samples + 1))


@given(HELD_OUT)
def test_a_larger_score_never_has_a_larger_p_value(held_out: list[list[tuple[int, int]]]) -> None:
    grid = np.linspace(-1, 10, 45)
    p_values = fitted(held_out).p_values(np.tile(grid, (len(held_out), 1)))
    assert (np.diff(p_values) <= 0).all()
    assert p_values[0] == pytest.approx(1)
    assert p_values[-1] == pytest.approx(1 / (fitted(held_out).samples + 1))


def test_each_fold_is_compared_with_its_own_scores() -> None:
    conformal = fit_cross_conformal([[1.0, 2.0], [10.0, 20.0]], [["a", "b"], ["c", "d"]])
    low, high = conformal.p_values([[1.5, 15.0], [15.0, 1.5]])
    assert low == pytest.approx((1 + 1 + 1) / 5)
    assert high == pytest.approx((1 + 0 + 2) / 5)


def test_p_values_keep_the_shape_of_the_scores() -> None:
    conformal = fit_cross_conformal([[1.0], [2.0]], [["a"], ["b"]])
    assert conformal.p_values(np.zeros((2, 3, 4))).shape == (3, 4)
    assert conformal.p_values(np.zeros((2, 0))).shape == (0,)


def clustered(rng: np.random.Generator, samples: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Scores of samples of which most have an image and some have many; those with many fit better."""
    sizes = np.where(rng.random(samples) < 0.15, 40, 1)
    centres = rng.normal(size=samples) - 2.0 * (sizes > 1)
    sample = np.repeat(np.arange(samples), sizes)
    return centres[sample] + 0.3 * rng.normal(size=len(sample)), sample


def test_new_samples_are_covered_where_pooled_images_would_not_be() -> None:
    rng, level, by_sample, pooled = np.random.default_rng(1), 0.8, [], []
    for _ in range(400):
        scores, sample = clustered(rng, 60)
        folds = [np.flatnonzero(sample % 3 == fold) for fold in range(3)]
        conformal = fit_cross_conformal(
            [scores[rows] for rows in folds], [sample[rows].astype(str) for rows in folds]
        )
        new = clustered(rng, 1)[0][0]
        by_sample.append(not within(conformal.p_values([new] * 3), 1 - level))
        pooled.append((1 + (scores >= new).sum()) / (len(scores) + 1) > 1 - level)
    assert 0.76 < np.mean(by_sample) < 0.86
    assert np.mean(pooled) < 0.70


@pytest.mark.parametrize(("samples", "cut"), [(58, 0.0), (59, 1 / 60), (92, 1 / 93), (93, 2 / 94)])
def test_the_cut_is_that_of_the_tables_of_tolerance_limits(samples: int, cut: float) -> None:
    assert tolerance_cut(samples, 0.05, 0.95) == pytest.approx(cut)


@given(st.integers(1, 2000), st.sampled_from([0.01, 0.05, 0.2]), st.sampled_from([0.8, 0.95]))
def test_the_cut_is_the_largest_that_is_careful_enough(samples: int, share: float, confidence: float) -> None:
    kept = round(tolerance_cut(samples, share, confidence) * (samples + 1))
    assert kept == 0 or binom.cdf(kept - 1, samples, share) <= 1 - confidence
    assert binom.cdf(kept, samples, share) > 1 - confidence
    assert kept / (samples + 1) < share


def test_the_cut_holds_with_confidence_and_the_share_itself_does_not() -> None:
    rng, samples, share, exceeded = np.random.default_rng(2), 150, 0.05, {"cut": 0, "share": 0}
    cuts = {"cut": tolerance_cut(samples, share, 0.95), "share": share}
    grid = np.linspace(0.8, 1, 2001)  # of a uniform score: 1 less the threshold is the share beyond it
    for _ in range(1000):
        conformal = fit_cross_conformal([rng.random(samples)], [np.arange(samples).astype(str)])
        p_values = conformal.p_values([grid])
        for name, cut in cuts.items():
            exceeded[name] += 1 - grid[within(p_values, cut)].min(initial=1) > share
    assert 10 <= exceeded["cut"] <= 60
    assert exceeded["share"] > 300


def test_equal_p_values_are_within_whatever_rounding_does() -> None:
    names = [[f"{fold}-{number}" for number in range(33)] for fold in range(3)]
    conformal = fit_cross_conformal([np.arange(33.0)] * 3, names)
    ninth = conformal.p_values([[32.0, 30.5], [33.0, 31.5], [29.5, 29.5]])
    assert within(ninth, 5 / 100).tolist() == [True, False]
    assert not within(conformal.p_values([[99.0]] * 3), 0.0).any()


@pytest.mark.parametrize(
    ("scores", "names", "told"),
    [
        ([], [], "0 folds"),
        ([[1.0]], [["a", "b"]], "do not match"),
        ([[1.0], []], [["a"], []], "at least one"),
        ([[np.nan]], [["a"]], "numbers"),
        ([[1.0], [2.0]], [["a"], ["a"]], "two folds"),
    ],
)
def test_scores_that_do_not_fit_are_told(scores: Any, names: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        fit_cross_conformal(scores, names)


@pytest.mark.parametrize("new", [[1.0], [1.0, 2.0, 3.0], [1.0, np.nan], 1.0])
def test_new_scores_are_one_for_each_fold(new: Any) -> None:
    with pytest.raises(ValueError, match="each of 2 folds"):
        fit_cross_conformal([[1.0], [2.0]], [["a"], ["b"]]).p_values(new)


@pytest.mark.parametrize("wrong", [(0, 0.05, 0.95), (10, 0.0, 0.95), (10, 1.0, 0.95), (10, 0.05, 1.0)])
def test_a_cut_of_nothing_is_refused(wrong: tuple[int, float, float]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        tolerance_cut(*wrong)
