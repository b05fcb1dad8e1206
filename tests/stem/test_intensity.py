"""Kinds told by intensity alone."""

import numpy as np
import pytest

from tmdscope.stem.crystal import CRYSTALS, PRISTINE, WS2
from tmdscope.stem.follow import Follower
from tmdscope.stem.intensity import class_chances, exponent_of
from tmdscope.stem.localise import read_sites
from tmdscope.stem.matching import match
from tmdscope.stem.simulate import Condition, simulate_frames
from tmdscope.stem.windows import SIZE, cut_windows, label_sites


@pytest.mark.parametrize("name", ["WS2", "MoS2", "WSe2", "MoSe2"])
def test_the_exponent_is_read_off_the_columns(name):
    crystal = CRYSTALS[name]
    second = crystal.intensity(crystal.columns[1], 1.6)
    assert exponent_of(crystal, min(second, 1 / second)) == pytest.approx(1.6, abs=0.02)


def test_columns_that_are_alike_tell_no_exponent():
    assert exponent_of(CRYSTALS["graphene"], 1.0) is None


def frame(noise=0.05):
    return next(simulate_frames(WS2, Condition(noise=noise, tail=0.1), 384, 2, 1, 3))


def test_kinds_are_named_and_chances_add_up():
    one = frame()
    follower = Follower(WS2, 0.03)
    found = follower.frame(0, one.image)
    pairs = match(one.truth, found, WS2.a_nm / 0.03, one.image.shape)
    merge = {"SW": "SW+VW", "VW": "SW+VW"}
    true, said = (
        names.map(lambda name: merge.get(name, name)).to_numpy()
        for names in (one.truth["label"].iloc[pairs.hit], found["label"].iloc[pairs.by])
    )
    assert (true == said).mean() > 0.85
    chances = found.filter(regex="^p_").to_numpy()
    assert chances.sum(axis=1) == pytest.approx(1)


def test_a_usual_site_is_pristine():
    read = read_sites(frame().image)
    usual = np.argsort(np.abs(read.change))[:50]
    assert set(class_chances(read, usual, WS2)["label"]) == {PRISTINE}


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
