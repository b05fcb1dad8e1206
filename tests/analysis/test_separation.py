"""Materials that lie apart are found to, by element and on held-out samples."""

import numpy as np
import pytest

from tmdscope.analysis.relations import Resampling
from tmdscope.analysis.separation import dividing_lines, divisions, separation
from tmdscope.errors import UserError
from tmdscope.materials import MATERIALS

PLACES = {"MoS2": (-5, 5), "WS2": (5, 5), "WSe2": (5, -5), "MoSe2": (-5, -5), "Mo-WSe2": (6, -6)}
EACH = 20
NAMES = [name for name in PLACES for _ in range(EACH)]
IDS = [f"{k // 2}" for k in range(len(NAMES))]
HELD_OUT = np.arange(len(NAMES)) % EACH < 4
SAMPLING = Resampling(IDS, folds=5, resamples=100, seed=1)


def points(spread: float = 0.5, seed: int = 1) -> np.ndarray:
    centres = np.array([PLACES[name] for name in NAMES], float)
    return centres + np.random.default_rng(seed).normal(0, spread, centres.shape)


def test_divisions_are_those_of_the_elements() -> None:
    found = divisions(list(MATERIALS))
    assert {name: inside.tolist() for name, inside in found.items()} == {
        "Mo or not": [True, False, False, True, True],
        "W or not": [False, True, True, False, True],
        "S or Se": [True, True, False, False, False],
    }


def test_two_materials_of_one_metal_differ_in_one_way() -> None:
    assert set(divisions(["MoS2", "MoSe2"])) == {"S or Se"}
    assert set(divisions(["MoS2", "WSe2"])) == {"Mo or W"} or len(divisions(["MoS2", "WSe2"])) == 1
    assert divisions(["900", "950"]) == {}


def test_what_lies_apart_is_separable_on_samples_that_were_not_seen() -> None:
    found = separation(points(), NAMES, HELD_OUT, SAMPLING)
    chalcogen = found.linear["S or Se"]
    assert chalcogen.fitted == chalcogen.test.mean == 1
    assert chalcogen.test.images == HELD_OUT.sum()
    assert chalcogen.test_majority == pytest.approx(0.6)
    assert found.linear["W or not"].test.mean == 1
    assert found.silhouette.all > 0.5


def test_what_does_not_lie_apart_is_not() -> None:
    noise = np.random.default_rng(1).normal(size=(len(NAMES), 2))
    found = separation(noise, NAMES, HELD_OUT, SAMPLING)
    assert found.silhouette.all < 0.05
    low, high = found.linear["label"].test.ci95
    assert low <= 0.45
    assert high < 0.8


def test_a_memory_of_the_fitted_images_does_not_count_for_the_test() -> None:
    rng = np.random.default_rng(2)
    far = rng.normal(size=(len(NAMES), 60))
    found = separation(far, NAMES, HELD_OUT, SAMPLING).linear["S or Se"]
    assert found.fitted > 0.9
    assert found.test.mean < 0.8


def test_the_lines_divide_the_plane() -> None:
    places = points()
    lines = dividing_lines(places, NAMES, HELD_OUT)
    assert set(lines) == set(divisions(NAMES))
    for name in ("W or not", "S or Se"):
        a, b, c = lines[name]
        side = places @ [a, b] + c > 0
        assert (side == divisions(NAMES)[name]).all()


def test_an_element_that_only_the_test_holds_is_refused() -> None:
    names = ["MoS2"] * 6 + ["MoSe2"] * 2
    held_out = np.array([False] * 5 + [True] * 3)
    with pytest.raises(UserError, match="S or Se: all images outside"):
        separation(points()[:8], names, held_out, Resampling([str(k) for k in range(8)], 2, 100, 1))
