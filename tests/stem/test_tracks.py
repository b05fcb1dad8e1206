"""Tracks against the simulator's movies: links, drift, rates and how well their intervals cover."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from tmdscope.errors import UserError
from tmdscope.stem.crystal import WS2
from tmdscope.stem.histories import fit_histories, sharpened
from tmdscope.stem.localise import SiteIntensity
from tmdscope.stem.matching import match
from tmdscope.stem.movie import Dynamics, Movie, check_dynamics
from tmdscope.stem.rates import diffusion, hop_chance, published_formula, transitions
from tmdscope.stem.simulate import Condition
from tmdscope.stem.tracks import (
    TRACK,
    frame_drift,
    link,
    nearest_px,
    score_links,
    search_radius_px,
)

A_PX = WS2.a_nm / 0.03
DYNAMICS = Dynamics(
    count={"Mo": 5, "SW": 4, "VW": 4},
    hop={"SW": 0.25, "VW": 0.25},
    change={"SW": {"VW": 0.05}, "VW": {"SW": 0.05}},
    drift_px=0.2,
    wander_px=0.6,
    spacing_nm=1.0,
)


@pytest.fixture(scope="module")
def movie() -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """What is found in a movie, whose defect each is, and the truth with the drift."""
    found, truth, drift = [], [], []
    for frame in Movie(WS2, Condition(), DYNAMICS, 320, 20, seed=4):
        seen = SiteIntensity()(frame.image)
        pairs = match(frame.truth, seen, A_PX, frame.image.shape)
        whose = np.full(len(seen), -1)
        whose[pairs.by] = frame.truth["defect"].to_numpy()[pairs.hit]
        found.append(seen.assign(frame=frame.number, defect=whose))
        truth.append(frame.truth)
        drift.append(frame.drift_px)
    return pd.concat(found, ignore_index=True), pd.concat(truth, ignore_index=True), np.array(drift)


def linked(found: pd.DataFrame) -> pd.DataFrame:
    return link(found, search_radius_px(A_PX, 1.0, 0.2, nearest_px(found)))


def test_defects_are_followed(movie):
    found, _, _ = movie
    scores = score_links(linked(found))
    assert scores["link_precision"] > 0.98
    assert scores["link_recall"] > 0.98


def test_a_radius_below_one_hop_loses_what_hops(movie):
    found, _, _ = movie
    short = link(found, 0.6 * A_PX)
    assert short[TRACK].nunique() > 1.5 * linked(found)[TRACK].nunique()


def test_drift_is_that_of_defects_that_stay(movie):
    found, _, drift = movie
    told = frame_drift(linked(found), A_PX, len(drift))
    assert np.abs(told - drift).max() < 0.15


def test_a_movie_repeats_and_its_defects_keep_their_names():
    first, again = (list(Movie(WS2, Condition(), DYNAMICS, 320, 3, seed=1)) for _ in range(2))
    for one, two in zip(first, again, strict=True):
        assert one.image.tobytes() == two.image.tobytes()
        assert one.truth.equals(two.truth)
    assert set(first[0].truth["defect"]) >= set(first[2].truth["defect"])


def test_defects_come_and_go_and_holes_swallow_them():
    dynamics = Dynamics(count={"VW": 8}, death=0.2, births=2.0, hole_px=10.0)
    frames = list(Movie(WS2, Condition(noise=0), dynamics, 320, 8, seed=1))
    assert not set(frames[0].truth["defect"]) >= set(frames[-1].truth["defect"])
    last = frames[-1].truth
    assert (np.hypot(last["x_px"] - 160, last["y_px"] - 160) >= 70).all()
    assert frames[-1].image[150:170, 150:170].max() < 0.01


def test_a_change_of_sublattice_is_refused():
    with pytest.raises(UserError, match="Mo cannot become WS"):
        check_dynamics(WS2, Dynamics(count={"Mo": 1}, change={"Mo": {"WS": 0.1}}))


def walks(seed: int, frames: int = 60, error_px: float = 0.2) -> pd.DataFrame:
    """Free walks of 30 defects on a hexagonal lattice, seen with an error, some frames missed."""
    rng, shape = np.random.default_rng(seed), (30, frames)
    angle = rng.integers(6, size=shape) * np.pi / 3
    hops = (rng.random(shape) < 0.25) * A_PX
    x, y = (
        np.cumsum(hops * turn(angle), axis=1) + rng.normal(0, error_px, shape) for turn in (np.cos, np.sin)
    )
    track, frame = (axis.ravel() for axis in np.mgrid[:30, :frames])
    table = pd.DataFrame({TRACK: track, "frame": frame, "x_px": x.ravel(), "y_px": y.ravel()})
    return table[rng.random(len(table)) > 0.05]


TRUE = 0.25 * WS2.a_nm**2 / (4 * 2.25)


def test_intervals_of_diffusion_and_hops_cover_the_truth():
    told = [diffusion(walks(seed), 0.03, 2.25, 400, 1) for seed in range(200)]
    values = np.array([one.value for one in told])
    assert values.mean() == pytest.approx(TRUE, rel=0.03)
    covered = np.mean([one.ci95[0] <= TRUE <= one.ci95[1] for one in told])
    assert 0.92 <= covered <= 0.98
    hops = [hop_chance(walks(seed), A_PX, 400, 1) for seed in range(200)]
    assert 0.92 <= np.mean([one.ci95[0] <= 0.25 <= one.ci95[1] for one in hops]) <= 0.98


def test_the_published_formula_is_a_sixth():
    told = [published_formula(walks(seed, error_px=0), 0.03, 2.25) for seed in range(30)]
    assert np.mean(told) == pytest.approx(TRUE / 6, rel=0.1)


def test_too_short_tracks_are_told():
    with pytest.raises(UserError, match="no track lasts"):
        diffusion(walks(1, frames=3), 0.03, 2.25, 100, 1)


def flickering(seed: int = 1, frames: int = 80, tracks: int = 20):
    """Two classes that change with chances .05 and .1, seen with one in five wrong."""
    rng = np.random.default_rng(seed)
    rows = []
    for track in range(tracks):
        state = int(rng.integers(2))
        for frame in range(frames):
            state = 1 - state if rng.random() < (0.05, 0.1)[state] else state
            said = state if rng.random() < 0.8 else 1 - state
            rows.append((track, frame, "ab"[state], "ab"[said], *((0.8, 0.2) if said == 0 else (0.2, 0.8))))
    return pd.DataFrame(rows, columns=[TRACK, "frame", "true", "label", "p_a", "p_b"])


def seen_by_light(seed: int, frames: int = 60, tracks: int = 30):
    """Two classes 2.4 deviations of light apart, as SW and VW at noise 0.1, some frames missed."""
    rng, shape = np.random.default_rng(seed), (tracks, frames)
    changes = np.cumsum(rng.random(shape) < 0.05, axis=1)
    state = (changes + rng.integers(2, size=(tracks, 1))) % 2
    light = rng.normal(2.4 * state)
    first, second = (norm.pdf(light, middle) for middle in (0, 2.4))
    track, frame = (axis.ravel() for axis in np.mgrid[:tracks, :frames])
    chance = (first / (first + second)).ravel()
    table = pd.DataFrame({TRACK: track, "frame": frame, "p_a": chance, "p_b": 1 - chance})
    return table[rng.random(len(table)) > 0.05]


def test_chances_of_classes_are_read_off_tracks():
    found = transitions(flickering(), "true", ("a", "b"), 400, 1)
    assert found.chance[0, 1] == pytest.approx(0.05, abs=0.02)
    assert (found.ci95[0] <= found.chance).all()
    assert (found.chance <= found.ci95[1]).all()
    assert found.seen.sum() == 20 * 79


def test_flicker_is_smoothed():
    tracks = flickering()
    found = fit_histories(tracks, ("a", "b"))
    raw = (tracks["label"] != tracks["true"]).mean()
    mended = (found.tracks["smoothed"] != found.tracks["true"]).mean()
    assert mended < 0.7 * raw
    wrong = transitions(tracks, "label", ("a", "b"), 100, 1).chance[0, 1]
    right = found.transitions(10, 1).chance[0, 1]
    assert abs(right - 0.05) < 0.02 < wrong - 0.05


def test_chances_over_many_conditions_are_sharpened_to_those_of_a_movie():
    tracks, columns = flickering(), ["p_a", "p_b"]
    flat = tracks.assign(**{name: 0.5 + 0.2 * (tracks[name] - 0.5) for name in columns})
    wrong = [
        (found["smoothed"] != found["true"]).mean()
        for found in (fit_histories(own, ("a", "b")).tracks for own in (flat, sharpened(flat, ("a", "b"))))
    ]
    assert wrong[1] < 0.7 * wrong[0]
    assert sharpened(flat.iloc[:0], ("a", "b")).empty


@pytest.mark.slow
def test_intervals_of_changes_cover_the_truth():
    told = [fit_histories(seen_by_light(seed), ("a", "b")).transitions(60, 1) for seed in range(200)]
    covered = [(one.ci95[0] <= 0.05) & (one.ci95[1] >= 0.05) for one in told]
    for pair in ((0, 1), (1, 0)):
        assert 0.92 <= np.mean([one[pair] for one in covered]) <= 0.98
    assert np.mean([one.chance[0, 1] for one in told]) == pytest.approx(0.05, abs=0.002)


def test_what_is_seen_in_no_frame_has_no_history():
    empty = flickering().iloc[:0]
    assert fit_histories(empty, ("a", "b")).tracks.empty


def test_nothing_found_links_to_nothing():
    empty = pd.DataFrame({"frame": [], "x_px": [], "y_px": []})
    assert link(empty, 10).empty
    assert nearest_px(empty) == float("inf")
