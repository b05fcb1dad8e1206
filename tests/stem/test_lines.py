"""Lines that jitter, moved back."""

import numpy as np
import pytest

from tmdscope.stem.crystal import WS2
from tmdscope.stem.lattice import find_sites
from tmdscope.stem.localise import SiteIntensity
from tmdscope.stem.matching import match
from tmdscope.stem.simulate import Condition, Scene, simulate_frames


@pytest.mark.parametrize("jitter_px", [0.5, 1.0, 1.5])
def test_lines_that_jitter_give_no_alarms(jitter_px):
    false, missed = 0, 0
    for frame in simulate_frames(WS2, Condition(jitter_px=jitter_px), 320, 1, 5, 5):
        pairs = match(frame.truth, SiteIntensity()(frame.image), WS2.a_nm / 0.03, frame.image.shape)
        lost = frame.truth["label"].iloc[np.setdiff1d(pairs.true, pairs.hit)]
        missed += (lost != "VS2").sum()
        false += len(pairs.false)
    assert missed == 0
    assert false <= 1


@pytest.mark.parametrize("turn", [0, 10, 30])
def test_shifts_are_taken_back(turn):
    condition = Condition(noise=0, jitter_px=0, rotation_deg=turn)
    rng = np.random.default_rng(1)
    steady = Scene.draw(WS2, condition, 256, rng).render({}, rng)
    shifts = np.random.default_rng(2).normal(0, 1, 256)
    x = np.arange(256)
    moved = np.stack([np.interp(x - by, x, line) for by, line in zip(shifts, steady, strict=True)])
    mended = find_sites(moved).image
    inner = np.s_[8:-8, 8:-8]
    error, before = (np.abs(one - steady)[inner].mean() for one in (mended, moved))
    assert error < 0.35 * before


@pytest.mark.parametrize("turn", [0, 17, 30])
@pytest.mark.parametrize("noise", [0, 0.1, 0.3])
def test_lines_that_do_not_jitter_stay(turn, noise):
    rng = np.random.default_rng(3)
    condition = Condition(noise=noise, jitter_px=0.1, rotation_deg=turn, contamination=0.3)
    image = Scene.draw(WS2, condition, 256, rng).render({}, rng)
    assert (find_sites(image).image == image).all()


def test_few_lines_that_jump_and_lines_of_other_brightness_give_no_alarms():
    rng = np.random.default_rng(3)
    image = Scene.draw(WS2, Condition(rotation_deg=17), 320, rng).render({}, rng)
    for y in (40, 120, 200):
        image[y] = np.roll(image[y], 4)
    striped = image + rng.normal(0, 0.15, (320, 1)).astype(np.float32)
    assert len(SiteIntensity()(image)) <= 1
    assert len(SiteIntensity()(striped)) <= 2
