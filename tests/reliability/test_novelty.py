"""Distances against scikit-learn's, whatever the scale and rotation of the embeddings."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

from tmdscope.reliability.novelty import fit_gaussians


def cloud(count: int, width: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points of three classes, not one of which is numbered 1."""
    rng = np.random.default_rng(seed)
    labels = np.array([0, 2, 3])[np.arange(count) % 3]
    return rng.normal(size=(count, width)) * np.arange(1, width + 1) + 5.0 * labels[:, None], labels


@pytest.mark.parametrize("count", [9, 300])
def test_distances_are_scikit_learns(count: int) -> None:
    points, labels = cloud(count, 12)
    means = {k: points[labels == k].mean(axis=0) for k in (0, 2, 3)}
    residuals = points - np.stack([means[k] for k in labels.tolist()])
    shared = LedoitWolf(assume_centered=True).fit(residuals)
    new, _ = cloud(20, 12, seed=1)
    expected = np.sqrt(np.min([shared.mahalanobis(new - mean) for mean in means.values()], axis=0))
    np.testing.assert_allclose(fit_gaussians(points, labels).distances(new), expected, rtol=1e-8)


def test_a_class_mean_is_at_no_distance_and_far_points_are_far() -> None:
    points, labels = cloud(300, 6)
    gaussians = fit_gaussians(points, labels)
    np.testing.assert_allclose(gaussians.distances(gaussians.means), 0, atol=1e-9)
    inside = gaussians.distances(points).max()
    assert gaussians.distances(np.full((1, 6), 1e3))[0] > 10 * inside


@settings(max_examples=20)
@given(st.integers(0, 999), st.floats(0.01, 100), st.floats(-50, 50))
def test_turning_scaling_and_shifting_change_no_distance(seed: int, scale: float, shift: float) -> None:
    points, labels = cloud(60, 5)
    new, _ = cloud(10, 5, seed=seed)
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))

    def move(values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(values @ rotation * scale + shift)

    moved = fit_gaussians(move(points), labels).distances(move(new))
    np.testing.assert_allclose(moved, fit_gaussians(points, labels).distances(new), rtol=1e-5)


def test_what_is_kept_does_not_grow_with_the_images() -> None:
    small, large = (fit_gaussians(*cloud(count, 7)) for count in (30, 900))
    assert small.means.shape == large.means.shape == (3, 7)
    assert small.whitening.shape == large.whitening.shape == (7, 7)


@pytest.mark.parametrize(
    ("points", "labels", "told"),
    [
        (np.ones((3, 2)), [0, 1], "do not match"),
        (np.empty((0, 2)), [], "do not match"),
        (np.ones(3), [0, 1, 2], "do not match"),
        ([[1.0], [np.inf]], [0, 0], "finite"),
        ([[1.0], [2.0]], [0, 1], "do not vary"),
    ],
)
def test_embeddings_that_say_nothing_are_told(points: Any, labels: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        fit_gaussians(points, labels)


def test_new_embeddings_are_of_the_same_width() -> None:
    with pytest.raises(ValueError, match="images x 5"):
        fit_gaussians(*cloud(30, 5)).distances(np.zeros((2, 4)))
