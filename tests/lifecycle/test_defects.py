"""`tmdscope defects`: a movie to tables, a page and a movie with marks."""

import numpy as np
import pandas as pd
import pytest

from tmdscope.errors import UserError
from tmdscope.lifecycle.defects import DefectsRequest, find_defects
from tmdscope.stem.crystal import GRAPHENE, WS2
from tmdscope.stem.movie import Dynamics, Movie
from tmdscope.stem.simulate import Condition, Scene, simulate_frames


@pytest.fixture(scope="module")
def movie(tmp_path_factory):
    """A movie of five frames, one of them noise alone."""
    dynamics = Dynamics(count={"Mo": 3, "VW": 3}, hop={"VW": 0.3}, wander_px=0.4, spacing_nm=1.0)
    frames = [frame.image for frame in Movie(WS2, Condition(), dynamics, 256, 5, 1)]
    frames[2] = np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32)
    path = tmp_path_factory.mktemp("movie") / "movie.npy"
    np.save(path, np.stack(frames))
    return path


def test_a_bad_frame_is_told_and_the_rest_goes_on(movie, tmp_path):
    told = find_defects(DefectsRequest(movie, tmp_path, crystal="WS2"))
    assert "frame 2 was left out: no Bragg ring" in told
    table = pd.read_csv(tmp_path / "defects.csv")
    assert list(table.columns[:4]) == ["frame", "x_px", "y_px", "score"]
    assert set(table["frame"]) == {0, 1, 3, 4}
    assert len(table) >= 20
    assert set(table["label"]) <= {"Mo", "VW", "SW"}
    assert table["x_nm"].to_numpy() == pytest.approx(table["x_px"].to_numpy() * 0.03, rel=0.01)
    assert (tmp_path / "marked.gif").read_bytes().startswith(b"GIF89a")
    page = (tmp_path / "index.html").read_text()
    assert "data:image/gif" in page
    assert 'class="space"' in page


def test_lattice_and_pixel_alone_are_enough_for_another_material(tmp_path):
    frame = next(simulate_frames(GRAPHENE, Condition(pixel_nm=0.02, probe_nm=0.04), 320, 2, 1, 3))
    np.save(tmp_path / "one.npy", frame.image)
    find_defects(DefectsRequest(tmp_path / "one.npy", tmp_path, pixel_nm=0.02, lattice_nm=0.246))
    found = pd.read_parquet(tmp_path / "defects.parquet")
    bright = frame.truth[frame.truth["label"] == "SiC"]
    for x, y in bright[["x_px", "y_px"]].to_numpy():
        nearest = found.iloc[np.hypot(found["x_px"] - x, found["y_px"] - y).argmin()]
        assert np.hypot(nearest["x_px"] - x, nearest["y_px"] - y) < 2
        assert nearest["label"] == "brighter"


def test_a_layer_without_defects_gives_an_empty_table(tmp_path):
    rng = np.random.default_rng(1)
    np.save(tmp_path / "one.npy", Scene.draw(WS2, Condition(), 256, rng).render({}, rng))
    assert "0 defects" in find_defects(DefectsRequest(tmp_path / "one.npy", tmp_path, 0.03, 0.318))
    table = pd.read_csv(tmp_path / "defects.csv")
    assert (len(table), list(table.columns[:4])) == (0, ["frame", "x_px", "y_px", "score"])


@pytest.mark.parametrize(
    ("known", "match"),
    [
        ({}, "--crystal WS2"),
        ({"crystal": "WS3"}, "unknown crystal 'WS3'.*WS2"),
        ({"crystal": "WS2", "pixel_nm": 0.05}, "0.05 nm as given, but 0.0[23]"),
        ({"crystal": "WS2", "pixel_nm": 0.02}, "0.02 nm as given, but 0.0[23]"),
        ({"crystal": "WS2", "pixel_nm": float("nan")}, "--pixel-nm nan"),
    ],
)
def test_what_is_not_known_or_contradicts_is_told(known, match, movie, tmp_path):
    with pytest.raises(UserError, match=match):
        find_defects(DefectsRequest(movie, tmp_path, **known))
