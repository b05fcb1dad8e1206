"""Stage `follow`: a simulated movie, frame by frame, to defects, tracks and rates."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.files import atomic_path, write_table
from tmdscope.jobs.study import Study
from tmdscope.jobs.tracked import tracked_stage
from tmdscope.params.common import ScoringParams
from tmdscope.progress import progress
from tmdscope.reliability.calibration import expected_calibration_error
from tmdscope.run_record import StageRuns
from tmdscope.stem.crystal import PRISTINE, Crystal
from tmdscope.stem.follow import Followed, Follower
from tmdscope.stem.histories import fit_histories
from tmdscope.stem.matching import match
from tmdscope.stem.movie import Dynamics, Movie
from tmdscope.stem.rates import Rate, diffusion, hop_chance, published_formula, transitions
from tmdscope.stem.simulate import Condition
from tmdscope.stem.tracks import TRACK, score_links, without_drift
from tmdscope.studies.stem_defects.params import MovieParams, SimulateParams
from tmdscope.studies.stem_defects.records import MOVIE, RATES, RUN, TRACKS, TRUTH, Rates
from tmdscope.tracking.runs import numbers

_REFITS = 100
"""Fits of the classes of tracks to tracks that are drawn, for an interval."""


def run(study: Study) -> None:
    """Follow the defects of the movie, and write tables, rates and the frames that are shown."""
    asked, layer = study.section("movie", MovieParams), study.section("simulate", SimulateParams).layer
    cohort, folder = study.cohort(study), study.layout.tables
    movie = make_movie(asked, layer)
    follower = Follower(layer, movie.condition.pixel_nm, asked.memory)
    truth, drift = [], []
    shown: list[NDArray[np.uint8]] = []
    for frame in progress(movie, asked.frames, "movie"):
        found = follower.frame(frame.number, frame.image)
        whose = np.full(len(found), -1)
        pairs = match(frame.truth, found, layer.a_nm / movie.condition.pixel_nm, frame.image.shape)
        whose[pairs.by] = frame.truth["defect"].to_numpy()[pairs.hit]
        follower.note("defect", whose)
        truth.append(frame.truth)
        drift.append(frame.drift_px)
        if len(shown) < asked.shown:
            shown.append(_grey(frame.image))
    followed, true = follower.end(), pd.concat(truth, ignore_index=True)
    scoring = study.section("scoring", ScoringParams)
    with tracked_stage(study, "follow", cohort, asked.model_dump()) as tracked:
        with tracked.run("follow", {"experiment": "follow"}) as run:
            rates = judge(movie, followed, true, np.array(drift), scoring)
            run.metrics(numbers(asdict(rates)))
        with atomic_path(folder / MOVIE) as temporary:
            np.save(temporary, np.stack(shown))
        write_table(folder / TRACKS, followed.tracks)
        write_table(folder / TRUTH, true)
        rates.write(folder / RATES, tracked.of, [folder / TRACKS, folder / TRUTH])
        StageRuns({"follow": run.run_id}, **tracked.where).write(folder / RUN, tracked.of)
    print(f"{len(followed.tracks)} defects on {followed.tracks[TRACK].nunique()} tracks; {rates.diffusion}")


def make_movie(asked: MovieParams, layer: Crystal) -> Movie:
    """Make the movie that section `movie` asks for: dopants stay, two kinds hop and change."""
    still, first, second = _kinds(layer)
    dynamics = Dynamics(
        count={still: asked.still, first: asked.mobile, second: asked.mobile},
        hop={first: asked.hop, second: asked.hop},
        change={first: {second: asked.change}, second: {first: asked.change}},
        drift_px=asked.drift_px,
        wander_px=asked.wander_px,
        spacing_nm=0.9,
    )
    condition = Condition(noise=asked.noise, rotation_deg=17.0)
    return Movie(layer, condition, dynamics, asked.size_px, asked.frames, asked.seed)


def _kinds(layer: Crystal) -> tuple[str, str, str]:
    """Name a dopant, and two kinds of the first sublattice that hop: of a dichalcogenide Mo, SW and VW."""
    own = [kind.name for kind in layer.kinds if kind.site == 0]
    return own[1], own[0], own[2]


def judge(
    movie: Movie, followed: Followed, truth: pd.DataFrame, drift: NDArray[np.float64], scoring: ScoringParams
) -> Rates:
    """Compare what was followed with the truth."""
    layer, pixel, dynamics = movie.scene.crystal, movie.condition.pixel_nm, movie.dynamics
    draws, a_px = (scoring.bootstrap, scoring.seed), layer.a_nm / movie.condition.pixel_nm
    _, first, second = _kinds(layer)
    mobile = [first, second]
    tracks = without_drift(followed.tracks, followed.drift)
    moving = tracks[_mostly(tracks, "smoothed", mobile)]
    walked = without_drift(truth.rename(columns={"defect": TRACK}), drift)
    walked = walked[walked["label"].isin(mobile)]
    named = tracks["defect"].map(lambda d: d >= 0)
    true = truth.set_index(["frame", "defect"])["label"].rename("true")
    tracks = tracks.join(true, on=["frame", "defect"])
    raw = transitions(moving, "label", mobile, *draws)
    names = (*layer.names, PRISTINE)
    pair = fit_histories(moving, names).transitions(_REFITS, scoring.seed)
    at = names.index(first), names.index(second)
    chance = dynamics.change[first][second]
    return Rates(
        dynamics.seconds,
        pixel,
        movie.frames,
        score_links(followed.tracks),
        float(np.sqrt(((followed.drift - drift) ** 2).sum(axis=1).mean())),
        {
            "true": dynamics.diffusion_nm2_s(layer, first),
            "walked": diffusion(walked, pixel, dynamics.seconds, *draws).value,
            **_told(diffusion(moving, pixel, dynamics.seconds, *draws)),
            "published_formula": published_formula(moving, pixel, dynamics.seconds),
        },
        {"true": dynamics.hop[first], **_told(hop_chance(moving, a_px, *draws))},
        {
            "true": chance,
            "estimated": _known(pair.chance[at]),
            "ci95": [_known(bound) for bound in pair.ci95[:, *at]],
            "unsmoothed": _known(raw.chance[0, 1]),
        },
        _naming(tracks[named], names),
    )


def _naming(tracks: pd.DataFrame, names: tuple[str, ...]) -> dict[str, float]:
    """Say how many are named right, frame by frame and along tracks, and how far chances are from shares."""
    right = {name: float((tracks[name] == tracks["true"]).mean()) for name in ("label", "smoothed")}
    chances = tracks[[f"p_{name}" for name in names]].to_numpy()
    true = pd.Categorical(tracks["true"], categories=names).codes.astype(np.int64)
    return {**right, "calibration_error": expected_calibration_error(chances, true)}


def _mostly(tracks: pd.DataFrame, label: str, kinds: list[str]) -> NDArray[np.bool_]:
    """Say which rows are of tracks that are of some kinds for more than half of the time."""
    return np.asarray(tracks[label].isin(kinds).groupby(tracks[TRACK]).transform("mean") > 0.5)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _told(rate: Rate) -> dict[str, Any]:
    bounds = None if rate.ci95 is None else list(rate.ci95)
    return {"estimated": rate.value, "ci95": bounds, "tracks": rate.tracks}


def _grey(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    low, high = np.percentile(image, [0.5, 99.8])
    return np.asarray(np.clip((image - low) / (high - low) * 255, 0, 255), dtype=np.uint8)
