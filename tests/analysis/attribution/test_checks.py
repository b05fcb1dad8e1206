"""What says whether a map can be trusted."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from tests.analysis.attribution.networks import noise, random_network
from tmdscope.analysis.attribution.checks import pointing, randomised, rank_correlation


@given(st.integers(0, 2**32 - 1))
def test_rank_correlation_is_spearmans(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 5, (2, 3, 4, 4)).astype(np.float32)
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(rank_correlation(first, second), expected, atol=1e-12)


def test_a_flat_map_agrees_with_nothing() -> None:
    flat = np.zeros((1, 4, 4), np.float32)
    assert np.isnan(rank_correlation(flat, np.arange(16, dtype=np.float32).reshape(1, 4, 4))).all()


def test_weights_are_drawn_anew_from_the_top_down() -> None:
    explained = random_network()
    trained = {name: value.clone() for name, value in explained.classifier.state_dict().items()}
    changed: set[str] = set()
    for step, classifier in randomised(explained.classifier, seed=1):
        now = {
            name
            for name, value in classifier.state_dict().items()
            if "weight" in name and "bn" not in name and "downsample.1" not in name
            if not torch.equal(value, trained[name])
        }
        assert now > changed
        assert all(step in name for name in now - changed)
        assert not classifier.training
        changed = now
    assert all(torch.equal(value, trained[name]) for name, value in explained.classifier.state_dict().items())


@pytest.mark.parametrize("architecture", ["efficientnet-lite0", "timm:convnextv2_atto"])
def test_every_layer_of_other_networks_is_drawn_anew_once(architecture: str) -> None:
    explained = random_network(architecture)
    trained = {name: value.clone() for name, value in explained.classifier.state_dict().items()}
    changed: set[str] = set()
    for _, classifier in randomised(explained.classifier, seed=1):
        state = classifier.state_dict()
        now = {name for name, value in state.items() if not torch.equal(value, trained[name])}
        assert now > changed
        changed = now
    convolutions = {name for name, value in trained.items() if value.ndim == 4}
    assert {name for name in convolutions if "grn" not in name} <= changed


def test_drawing_anew_repeats_and_leaves_the_global_generator() -> None:
    explained, images = random_network(), noise(2)
    state = torch.random.get_rng_state()
    maps = [
        explained.__class__(network, explained.target, "layer4", 4, explained.device).cam(
            images, np.zeros(2, np.int64)
        )
        for _ in range(2)
        for step, network in randomised(explained.classifier, seed=1)
        if step == "conv1"
    ]
    np.testing.assert_array_equal(*maps)
    assert torch.equal(state, torch.random.get_rng_state())


def test_pointing_counts_mass_area_and_the_highest_point() -> None:
    maps = np.zeros((1, 4, 4), np.float32)
    maps[0, 0, :2] = 3, 1
    maps[0, 3, 3] = -9
    masks = np.zeros((1, 4, 4), bool)
    masks[0, 0, 0] = masks[0, 3] = True
    row = pointing(maps, masks).iloc[0]
    assert row.to_dict() == {"mass": 0.75, "area": 5 / 16, "gain": 0.75 - 5 / 16, "hit": 1.0}


@pytest.mark.parametrize(
    ("value", "inside"), [(1.0, 0), (1.0, 16), (0.0, 8), (-1.0, 8)], ids=["none", "all", "no-map", "against"]
)
def test_what_cannot_be_measured_is_not(value: float, inside: int) -> None:
    masks = (np.arange(16) < inside).reshape(1, 4, 4)
    assert pointing(np.full((1, 4, 4), value, np.float32), masks).isna().all(axis=None)


@given(st.integers(0, 2**32 - 1))
def test_an_even_map_gains_nothing(seed: int) -> None:
    masks = np.random.default_rng(seed).random((2, 6, 6)) < 0.3
    table = pointing(np.ones((2, 6, 6), np.float32), masks).dropna()
    np.testing.assert_allclose(table["gain"], 0, atol=1e-12)
