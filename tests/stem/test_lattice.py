"""The lattice of a frame against the simulator's."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from tmdscope.stem.crystal import GRAPHENE, WS2
from tmdscope.stem.lattice import LatticeError, find_bragg, find_sites
from tmdscope.stem.simulate import Condition, Scene


def frame(crystal=WS2, size=256, seed=3, **condition):
    rng = np.random.default_rng(seed)
    scene = Scene.draw(crystal, Condition(**condition), size, rng)
    names = [crystal.names[0]] * 3
    return scene, scene.render(dict(zip(scene.choose(names, 1, 30, rng), names, strict=True)), rng)


@pytest.mark.parametrize("crystal", [WS2, GRAPHENE], ids=lambda crystal: crystal.name)
@pytest.mark.parametrize("pixel_nm", [0.015, 0.02, 0.03, 0.04])
def test_the_ring_gives_the_size_of_pixels(crystal, pixel_nm):
    probe = 0.055 if crystal is WS2 else 0.04
    _, image = frame(crystal, pixel_nm=pixel_nm, probe_nm=probe, shear=0.0, noise=0.2, contamination=0.3)
    assert find_bragg(image).pixel_nm(crystal.a_nm) == pytest.approx(pixel_nm, rel=0.005)


@pytest.mark.parametrize("turn", range(0, 60, 7))
def test_sites_are_found_between_pixels_at_any_angle(turn):
    scene, image = frame(rotation_deg=float(turn), shear=0.02, contamination=0.3)
    sites = find_sites(image)
    inside = scene.inside(16)
    away, nearest = cKDTree(sites.places).query(scene.places[inside])
    assert np.sqrt((away**2).mean()) < 0.15
    assert len(set(nearest)) == inside.sum()
    for sublattice in (0, 1):  # all sites of a sublattice are one column of the cell
        assert len(set(sites.column[nearest[scene.sublattice[inside] == sublattice]])) == 1


def test_holes_hold_no_sites():
    rng = np.random.default_rng(1)
    scene = Scene.draw(WS2, Condition(), 384, rng)
    sites = find_sites(scene.render({}, rng, holes=[(192, 192, 80)]))
    middle = np.hypot(*(sites.places - 192).T)
    assert not sites.held[middle < 40].any()
    assert sites.held[middle > 120].mean() > 0.99


@pytest.mark.parametrize(
    ("image", "match"),
    [
        (np.random.default_rng(0).normal(size=(256, 256)), "no Bragg ring"),
        (np.zeros((256, 256)), "no Bragg ring"),
        (np.zeros((40, 256)), "too small"),
        (np.full((256, 256), np.nan), "not finite"),
        (np.full((256, 256), 1e30), "beyond"),
    ],
    ids=["noise", "nothing", "small", "nan", "large"],
)
def test_what_has_no_lattice_is_refused(image, match):
    with pytest.raises(LatticeError, match=match):
        find_bragg(image)
