"""Methods that find defects, against the simulator's truth."""

import numpy as np
import pandas as pd
import pytest

from tmdscope.stem.crystal import CRYSTALS, GRAPHENE, WS2, Crystal
from tmdscope.stem.localise import COLUMNS, METHODS, SiteIntensity
from tmdscope.stem.matching import match
from tmdscope.stem.simulate import Condition, Scene, simulate_frames
from tmdscope.stem.sites import read_sites


def tried(method, condition, crystal: Crystal = WS2, size=384, frames=2, seed=7):
    """Truth and detections that count, and false alarms, over some frames."""
    true, hit, false, away = [], [], 0, []
    for frame in simulate_frames(crystal, condition, size, 2, frames, seed):
        found = method(frame.image)
        assert list(found.columns[:3]) == list(COLUMNS)
        pairs = match(frame.truth, found, crystal.a_nm / condition.pixel_nm, frame.image.shape)
        true += frame.truth["label"].iloc[pairs.true].tolist()
        hit += frame.truth["label"].iloc[pairs.hit].tolist()
        away += pairs.away_px.tolist()
        false += len(pairs.false)
    return true, hit, false, np.sqrt(np.mean(np.square(away)))


def bright(names):
    return [name for name in names if name != "VS2"]  # a dip of 15 % in a dim column


@pytest.mark.parametrize("pixel_nm", [0.02, 0.03, 0.04])
def test_site_intensities_find_all_but_the_dimmest(pixel_nm):
    true, hit, false, rms = tried(METHODS["sites"](), Condition(pixel_nm=pixel_nm, contamination=0.3))
    assert len(bright(hit)) == len(bright(true)) > 10
    assert false <= 1
    assert rms < 0.25


@pytest.mark.parametrize("name", ["bandpass", "bragg"])
def test_methods_by_frequency_find_all_but_the_dimmest(name):
    true, hit, _, rms = tried(METHODS[name](), Condition())
    assert len(bright(hit)) >= 0.9 * len(bright(true))
    assert rms < 0.7


def test_the_published_disc_fits_one_magnification_alone():
    usual, other = (tried(METHODS["seed"](), Condition(pixel_nm=px), size=512) for px in (0.03, 0.02))
    assert len(usual[1]) / len(usual[0]) > 0.6
    assert len(other[1]) / len(other[0]) < 0.4
    tied = tried(METHODS["seed_ring"](), Condition(pixel_nm=0.02), size=512)
    assert len(tied[1]) / len(tied[0]) > 0.6


def test_graphene_works_by_its_lattice_alone():
    condition = Condition(pixel_nm=0.02, probe_nm=0.04, noise=0.1)
    true, hit, false, _ = tried(METHODS["sites"](), condition, GRAPHENE)
    assert hit.count("SiC") == true.count("SiC")
    assert false <= 1


def test_a_second_ring_that_is_stronger_is_not_taken_for_the_first():
    condition = Condition(pixel_nm=0.02, probe_nm=0.025, noise=0.1)
    true, hit, false, _ = tried(METHODS["sites"](), condition, GRAPHENE)
    assert hit.count("SiC") == true.count("SiC")
    assert false <= 1


@pytest.mark.parametrize("radius", [15, 60, 110], ids=lambda radius: f"{radius} px")
def test_holes_are_no_defects(radius):
    rng = np.random.default_rng(2)
    scene = Scene.draw(WS2, Condition(contamination=0.2), 384, rng)
    far = [site for site in np.flatnonzero(scene.inside(20)) if np.hypot(*(scene.places[site] - 192)) > 140]
    defects = {int(site): "VW" for site in rng.choice([s for s in far if scene.sublattice[s] == 0], 4)}
    found = SiteIntensity(a_px=WS2.a_nm / 0.03)(scene.render(defects, rng, holes=[(192, 192, radius)]))
    places = found[["x_px", "y_px"]].to_numpy()
    away = np.hypot(*(scene.places[list(defects)][:, None] - places).transpose(2, 0, 1))
    assert (away.min(axis=1) < 2).all()
    assert len(found) <= len(defects) + 1


def test_blobs_of_contamination_are_no_defects():
    rng = np.random.default_rng(4)
    image = Scene.draw(WS2, Condition(), 384, rng).render({}, rng)
    y, x = np.indices(image.shape)
    for middle in rng.uniform(40, 340, (8, 2)):
        image += 0.4 * np.exp(-((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / (2 * 20**2))
    assert len(METHODS["sites"]()(image)) <= 1


@pytest.mark.parametrize("name", METHODS)
def test_a_perfect_layer_without_noise_has_few_alarms(name):
    condition = Condition(noise=0, disorder=0, disorder_nm=0)
    rng = np.random.default_rng(1)
    found = METHODS[name]()(Scene.draw(WS2, condition, 256, rng).render({}, rng))
    by_range = name in ("seed", "seed_ring")  # scaled from 0 to 1, anything stands out
    assert len(found) <= (60 if by_range else 3)


def test_changes_are_in_units_of_a_column():
    frame = next(simulate_frames(WS2, Condition(noise=0.02, tail=0.0, exponent=1.7), 384, 2, 1, 3))
    found = SiteIntensity()(frame.image)
    pairs = match(frame.truth, found, WS2.a_nm / 0.03, frame.image.shape)
    changes = dict(zip(WS2.names, WS2.changes(1.7), strict=True))
    for row, by in zip(pairs.hit, pairs.by, strict=True):
        name = frame.truth["label"][row]
        assert found["change"][by] == pytest.approx(changes[name], abs=0.12)
        assert found["column"][by] == WS2.kind(name).site


def test_the_second_column_reads_as_bright_as_it_is():
    for crystal in CRYSTALS.values():
        probe = 0.03 if crystal is GRAPHENE else 0.05
        rng = np.random.default_rng(2)
        condition = Condition(pixel_nm=0.02, probe_nm=probe, noise=0.02, tail=0.0)
        read = read_sites(Scene.draw(crystal, condition, 384, rng).render({}, rng), blur=0.05)
        second = crystal.intensity(crystal.columns[1], 1.7)
        assert read.ratio == pytest.approx(min(second, 1 / second), abs=0.05)  # of MoSe2, Se2 is brighter


def test_an_object_counts_once_and_none_at_the_edge_counts():
    truth = pd.DataFrame({"x_px": [50.0, 2.0], "y_px": [50.0, 50.0]})
    found = pd.DataFrame({"x_px": [51.0, 49.0, 3.0, 90.0, 99.0], "y_px": [50.0, 50.0, 50.0, 50.0, 50.0]})
    pairs = match(truth, found, 10, (100, 100))
    assert (pairs.true.tolist(), pairs.hit.tolist()) == ([0], [0])
    assert len(pairs.false) == 1
    nothing = match(truth, found.iloc[:0], 10, (100, 100))
    assert (len(nothing.true), len(nothing.hit), len(nothing.false)) == (1, 0, 0)
