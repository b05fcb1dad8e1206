"""The small network on windows, as a family beside the others."""

import numpy as np
import pytest
import torch

from tmdscope.models.cnn import Cnn
from tmdscope.models.registry import FamilyError, fit_family
from tmdscope.params.families import CnnFamily

FAMILY = CnnFamily(
    family="cnn",
    power=1.0,
    l2=False,
    standardise=False,
    learning_rate=3e-3,
    dropout=0.0,
    epochs=8,
    batch_size=16,
)


def spots(images: int = 96, side: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Windows with a dark spot, none, or a bright one in the middle."""
    rng = np.random.default_rng(1)
    labels = np.arange(images) % 3
    windows = rng.normal(0, 0.3, (images, side, side))
    windows[:, 6:10, 6:10] += (labels - 1)[:, None, None] * 2
    return windows.reshape(images, -1).astype(np.float32), labels


def test_it_learns_and_repeats() -> None:
    windows, labels = spots()
    first, again = (
        fit_family(FAMILY, windows, labels, ("a", "b", "c"), 1).predict(windows) for _ in range(2)
    )
    assert (first == labels).mean() > 0.95
    assert (first == again).all()


def test_features_that_are_no_square_are_told() -> None:
    with pytest.raises(FamilyError, match="250 features are no square image"):
        fit_family(FAMILY, np.zeros((9, 250), np.float32), np.arange(9) % 3, ("a", "b", "c"))


def test_attention_has_the_size_of_windows() -> None:
    maps = Cnn(3, 0.0).eval().attention(torch.zeros(2, 32, 32), torch.tensor([0, 2]))
    assert maps.shape == (2, 32, 32)
