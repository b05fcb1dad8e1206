"""Kinds told by intensity alone."""

import numpy as np
import pandas as pd
import pytest

from tmdscope.stem.crystal import CRYSTALS, PRISTINE, WS2
from tmdscope.stem.intensity import class_chances, exponent_of
from tmdscope.stem.localise import SiteIntensity
from tmdscope.stem.matching import match
from tmdscope.stem.simulate import Condition, simulate_frames
from tmdscope.stem.sites import read_sites
from tmdscope.stem.windows import SIZE, cut_windows, label_sites


@pytest.mark.parametrize("name", ["WS2", "MoS2", "WSe2", "MoSe2"])
def test_the_exponent_is_read_off_the_columns(name):
    crystal = CRYSTALS[name]
    second = crystal.intensity(crystal.columns[1], 1.6)
    assert exponent_of(crystal, min(second, 1 / second)) == pytest.approx(1.6, abs=0.02)


def test_columns_that_are_alike_tell_no_exponent():
    assert exponent_of(CRYSTALS["graphene"], 1.0) is None


def frame(noise=0.05, tail=0.1):
    return next(simulate_frames(WS2, Condition(noise=noise, tail=tail), 384, 2, 1, 3))


@pytest.mark.parametrize("tail", [0.02, 0.1, 0.18])
def test_kinds_are_named_whatever_the_tails_of_the_probe_and_chances_add_up(tail):
    condition, size = Condition(noise=0.05, tail=tail), (384, 384)
    frames = list(simulate_frames(WS2, condition, size[0], 2, 4, 3))
    found = [SiteIntensity()(one.image) for one in frames]
    told = class_chances(pd.concat(found, keys=range(4)), WS2)
    assert told.filter(regex="^p_").to_numpy().sum(axis=1) == pytest.approx(1)
    right = []
    for number, (one, own) in enumerate(zip(frames, found, strict=True)):
        pairs = match(one.truth, own, WS2.a_nm / 0.03, size)
        true, said = one.truth["label"].iloc[pairs.hit], told["label"][number].iloc[pairs.by]
        right += (true.to_numpy() == said.to_numpy()).tolist()
    assert np.mean(right) > 0.85


def test_a_usual_site_is_pristine():
    usual = pd.DataFrame({"column": [0, 1], "change": [0.01, -0.02], "spread": 0.03, "ratio": 0.15})
    assert set(class_chances(usual, WS2)["label"]) == {PRISTINE}


def test_windows_are_centred_and_scaled_by_the_frame():
    one = frame(noise=0.02)
    read = read_sites(one.image)
    found = label_sites(read, one.truth, 4, one.image.shape, np.random.default_rng(1))
    windows = cut_windows(one.image, read, found.sites)
    assert windows.shape == (len(found.sites), SIZE, SIZE)
    assert list(found.labels).count(PRISTINE) == 4
    middle = windows[:, SIZE // 2 - 1 : SIZE // 2 + 1, SIZE // 2 - 1 : SIZE // 2 + 1].mean(axis=(1, 2))
    by_name = {name: middle[found.labels == name].mean() for name in set(found.labels)}
    assert by_name["W2S2"] > 2 > by_name["WS"] > 1 > by_name["Mo"] > by_name["SW"] + 0.1
