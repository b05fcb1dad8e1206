"""Softened probabilities are probabilities, the temperature is the likeliest, and the error is Guo's."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tmdscope.reliability.calibration import (
    TEMPERATURES,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    pool,
    reliability_curve,
    soften,
)

LOGITS = arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(2, 5)), elements=st.floats(-30, 30))
WARM = st.floats(0.2, 8)


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities of logits."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def overconfident(count: int, temperature: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities whose logits are a known factor too large for the labels drawn."""
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(count, 4)) * 2
    labels = (softmax(logits).cumsum(axis=1) < rng.random((count, 1))).sum(axis=1)
    return softmax(logits * temperature), labels


@given(LOGITS)
def test_temperature_one_leaves_probabilities_alone(logits: NDArray[Any]) -> None:
    np.testing.assert_allclose(soften(softmax(logits), 1.0), softmax(logits), rtol=1e-9, atol=1e-12)


@given(LOGITS, WARM)
def test_softening_keeps_the_order_and_sums_to_one(logits: NDArray[Any], temperature: float) -> None:
    hard = softmax(logits)
    soft = soften(hard, temperature)
    np.testing.assert_allclose(soft.sum(axis=1), 1, rtol=1e-12)
    order = np.argsort(hard, axis=1, kind="stable")
    assert (np.diff(np.take_along_axis(soft, order, axis=1), axis=1) >= -1e-12).all()
    np.testing.assert_allclose(soft, softmax(logits / temperature), atol=1e-5)


@given(LOGITS, WARM, WARM)
def test_a_higher_temperature_is_less_sure(logits: NDArray[Any], one: float, other: float) -> None:
    cold, warm = sorted((one, other))
    sure = [soften(softmax(logits), temperature).max(axis=1) for temperature in (cold, warm)]
    assert (sure[0] >= sure[1] - 1e-12).all()


@given(LOGITS, WARM, st.integers(1, 4))
def test_members_that_agree_are_pooled_to_what_each_says(
    logits: NDArray[Any], temperature: float, members: int
) -> None:
    alike = np.stack([softmax(logits)] * members)
    np.testing.assert_allclose(pool(alike, temperature), soften(softmax(logits), temperature), atol=1e-9)


def test_pooled_members_are_the_geometric_mean() -> None:
    one, other = [0.8, 0.1, 0.1], [0.2, 0.4, 0.4]
    expected = np.sqrt(np.multiply(one, other))
    np.testing.assert_allclose(pool([one, other], 1.0), expected / expected.sum())


def test_a_probability_of_zero_stays_finite() -> None:
    certain = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert np.isfinite(soften(certain, 3.0)).all()
    assert np.isfinite(negative_log_likelihood(certain, [1, 0]))
    assert np.isfinite(fit_temperature(certain, [1, 0]))


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.5])
def test_the_temperature_that_was_put_in_is_found(factor: float) -> None:
    hard, labels = overconfident(20_000, factor)
    assert fit_temperature(hard, labels) == pytest.approx(factor, rel=0.05)


def test_no_temperature_of_a_grid_is_likelier() -> None:
    hard, labels = overconfident(300, 2.0)
    found = negative_log_likelihood(soften(hard, fit_temperature(hard, labels)), labels)
    grid = np.exp(np.linspace(*np.log(TEMPERATURES), 200))
    assert found <= min(negative_log_likelihood(soften(hard, t), labels) for t in grid) + 1e-9


def test_weights_count_images_as_often_as_they_say() -> None:
    hard, labels = overconfident(60, 3.0)
    times = np.arange(60) % 4
    repeated = fit_temperature(np.repeat(hard, times, axis=0), np.repeat(labels, times))
    assert fit_temperature(hard, labels, times) == pytest.approx(repeated, rel=1e-4)
    assert fit_temperature(hard, labels) != pytest.approx(repeated, rel=1e-4)


def test_the_error_by_hand() -> None:
    probabilities = [[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.5, 0.5], [0.3, 0.7]]
    # bins (0.4, 0.6]: 0.6 wrong, 0.5 right; (0.6, 0.8]: 0.8 right, 0.7 right; (0.8, 1]: 0.9 wrong
    labels = [1, 0, 1, 0, 1]
    expected = (2 * abs(0.5 - 0.55) + 2 * abs(1 - 0.75) + 1 * abs(0 - 0.9)) / 5
    assert expected_calibration_error(probabilities, labels, bins=5) == pytest.approx(expected)
    curve = reliability_curve(probabilities, labels, bins=5)
    assert curve.images.tolist() == [0, 0, 2, 2, 1]
    np.testing.assert_allclose(curve.confidence, [np.nan, np.nan, 0.55, 0.75, 0.9])
    np.testing.assert_allclose(curve.right, [np.nan, np.nan, 0.5, 1.0, 0.0])


def test_one_bin_is_the_distance_of_the_means() -> None:
    hard, labels = overconfident(200, 2.0)
    gap = abs(hard.max(axis=1).mean() - (hard.argmax(axis=1) == labels).mean())
    assert expected_calibration_error(hard, labels, bins=1) == pytest.approx(gap)


def test_the_fitted_temperature_mends_the_error() -> None:
    hard, labels = overconfident(5000, 3.0)
    soft = soften(hard, fit_temperature(hard, labels))
    assert expected_calibration_error(soft, labels) < 0.03 < 0.1 < expected_calibration_error(hard, labels)


@pytest.mark.parametrize(
    ("probabilities", "labels", "told"),
    [
        ([[0.5, 0.5]], [0, 1], "do not match"),
        (np.empty((0, 2)), np.empty(0, int), "do not match"),
        ([[0.5, 0.6]], [0], "sum to one"),
        ([[1.5, -0.5]], [0], "negative"),
        ([[np.nan, 0.5]], [0], "negative"),
        ([[0.5, 0.5]], [2], r"0\.\.1"),
        ([[0.5, 0.5]], [-1], r"0\.\.1"),
        ([[0.5, 0.5]], [0.0], "whole numbers"),
    ],
)
def test_what_does_not_fit_is_told(probabilities: Any, labels: Any, told: str) -> None:
    for function in (fit_temperature, negative_log_likelihood, expected_calibration_error):
        with pytest.raises(ValueError, match=told):
            function(probabilities, labels)


@pytest.mark.parametrize("weights", [[1.0], [0.0, 0.0], [1.0, -1.0], [1.0, np.nan]])
def test_weights_that_weigh_nothing_are_told(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        fit_temperature([[0.5, 0.5], [0.2, 0.8]], [0, 1], weights)


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, np.inf])
def test_a_temperature_is_above_zero(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature"):
        soften([[0.5, 0.5]], temperature)


def test_bins_are_at_least_one() -> None:
    with pytest.raises(ValueError, match="0 bins"):
        reliability_curve([[0.5, 0.5]], [0], bins=0)
