"""Simulated frames: columns where they are said to be, as bright as said, noise as asked."""

from dataclasses import replace

import numpy as np
import pytest

from tmdscope.errors import UserError
from tmdscope.stem.crystal import WS2
from tmdscope.stem.simulate import Condition, Scene, draw_condition, simulate_frames

QUIET = Condition(noise=0, disorder=0, disorder_nm=0, relaxation_nm=0, jitter_px=0, shear=0, tail=0)


def scene(condition: Condition = QUIET, size: int = 128) -> Scene:
    return Scene.draw(WS2, condition, size, np.random.default_rng(1))


def at(image, place):
    return image[tuple(np.round(place[::-1]).astype(int))]


def test_a_column_of_the_first_sublattice_has_height_one():
    one = scene(replace(QUIET, probe_nm=0.03))
    image = one.render({}, np.random.default_rng(0))
    assert image.shape == (128, 128)
    assert image.max() == pytest.approx(1, abs=0.08)  # pixels do not lie on the peaks


@pytest.mark.parametrize("name", WS2.names)
def test_a_defect_changes_its_column_alone(name):
    one = scene()
    site = one.choose([name], 1, 30, np.random.default_rng(2))[0]
    change = one.render({site: name}, np.random.default_rng(0)) - one.render({}, np.random.default_rng(0))
    row, column = np.unravel_index(np.abs(change).argmax(), change.shape)
    truth = one.table({site: name})
    assert truth["label"].tolist() == [name]
    assert np.hypot(column - truth["x_px"][0], row - truth["y_px"][0]) < 0.75
    expected = dict(zip(WS2.names, WS2.changes(1.7), strict=True))[name]
    assert change[row, column] == pytest.approx(expected, rel=0.12)
    y, x = np.mgrid[:128, :128]
    far = np.hypot(x - truth["x_px"][0], y - truth["y_px"][0]) > 5 * QUIET.probe_nm / QUIET.pixel_nm
    assert np.abs(change[far]).max() < 1e-4


def test_a_moved_layer_moves_the_picture_and_the_truth():
    one = scene()
    site = one.choose(["VW"], 1, 30, np.random.default_rng(2))[0]
    still, moved = (one.render({site: "VW"}, np.random.default_rng(0), shift) for shift in ((0, 0), (3, -2)))
    assert moved[10:-10, 10:-10] == pytest.approx(still[12:-8, 7:-13], abs=1e-4)
    first, second = one.table({site: "VW"}), one.table({site: "VW"}, (3, -2))
    assert (second["x_px"] - first["x_px"]).tolist() == pytest.approx([3])
    assert (second["y_px"] - first["y_px"]).tolist() == pytest.approx([-2])


def test_a_hole_is_dark():
    image = scene().render({}, np.random.default_rng(0), holes=[(64, 64, 20)])
    assert np.abs(image[58:70, 58:70]).max() < 1e-3


def test_noise_and_counts_are_as_asked():
    clean = scene().render({}, np.random.default_rng(0))
    noisy = scene(replace(QUIET, noise=0.2)).render({}, np.random.default_rng(0))
    assert (noisy - clean).std() == pytest.approx(0.2, rel=0.03)
    counted = scene(replace(QUIET, dose=50.0)).render({}, np.random.default_rng(0))
    assert ((counted - clean) ** 2).mean() == pytest.approx(clean.mean() / 50, rel=0.1)


def test_contamination_is_smooth_and_as_high_as_asked():
    clean = scene().render({}, np.random.default_rng(0))
    added = scene(replace(QUIET, contamination=0.3)).render({}, np.random.default_rng(0)) - clean
    assert (added.min(), added.max()) == pytest.approx((0, 0.3), abs=0.01)
    assert np.abs(np.diff(added, axis=0)).max() < 0.02


def test_frames_repeat_and_hold_every_kind_evenly():
    first, again = (list(simulate_frames(WS2, Condition(), 256, 1, 2, seed=5)) for _ in range(2))
    for one, two in zip(first, again, strict=True):
        assert one.image.tobytes() == two.image.tobytes()
        assert sorted(one.truth["label"]) == sorted(WS2.names)
    assert first[0].image.tobytes() != first[1].image.tobytes()


def test_too_many_defects_are_told():
    with pytest.raises(UserError, match="do not fit into 128 px"):
        scene().choose(["VW"] * 50, 2, 10, np.random.default_rng(0))


def test_conditions_are_drawn_around_what_is_known():
    drawn = [draw_condition(np.random.default_rng(seed), noise=0.3) for seed in range(20)]
    assert {one.noise for one in drawn} == {0.3}
    assert len({one.pixel_nm for one in drawn}) == 20
