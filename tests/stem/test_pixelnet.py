"""The network that maps defects: what it sees, and that it learns."""

import numpy as np
import pytest
import torch

from tmdscope.stem.crystal import WS2
from tmdscope.stem.pixelnet import NetSettings, UNet, see, spots, train_unet
from tmdscope.stem.simulate import Condition, simulate_frames


def test_spots_lie_on_defects():
    frame = next(simulate_frames(WS2, Condition(pixel_nm=0.025), 320, 1, 1, 3))
    seen = see(frame.image)
    target = spots(frame.truth, seen)
    assert target.shape == seen.values.shape
    assert all(side % 4 == 0 for side in target.shape)
    for x, y in frame.truth[["x_px", "y_px"]].to_numpy():
        column, row = ((np.array([x, y]) + 0.5) / seen.scale - 0.5).round().astype(int)
        assert target[row, column] > 0.8


def test_it_starts_from_background_and_keeps_the_size():
    with torch.inference_mode():
        logits = UNet(4).eval()(torch.zeros(1, 1, 32, 48))
    assert logits.shape == (1, 1, 32, 48)
    assert torch.sigmoid(logits).max() < 0.1


@pytest.mark.slow
def test_it_finds_bright_defects_after_few_steps():
    frames = list(simulate_frames(WS2, Condition(noise=0.05), 384, 3, 3, 5))
    net = train_unet([f.image for f in frames], [f.truth for f in frames], NetSettings(steps=60))
    fresh = next(simulate_frames(WS2, Condition(noise=0.05), 384, 3, 1, 99))
    found = net(fresh.image)
    bright = fresh.truth[fresh.truth["label"].isin(["W2S2", "VW"])]
    away = np.hypot(*(bright[["x_px", "y_px"]].to_numpy()[:, None] - found[["x_px", "y_px"]].to_numpy()).T)
    assert (away.min(axis=0) < 2).mean() > 0.8
