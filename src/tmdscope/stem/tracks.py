"""Defects followed through a movie: linked places, the stage's drift, and how good both are."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
from numpy.typing import NDArray

TRACK = "track"
_STILL_A = 0.45
"""A track whose defect never strays farther from its middle, in lattice constants, has not hopped."""


def search_radius_px(a_px: float, drift_px: float, error_px: float, spacing_px: float) -> float:
    """Give how far a defect is looked for: a hop, drift and three position errors; less than half a spacing.

    `spacing_px` is the median distance of a defect to the nearest other one in its frame.
    """
    return float(min(a_px + drift_px + 3 * error_px, max(0.5 * spacing_px, 0.6 * a_px)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep trackpy's progress and its warnings of pandas' future to itself."""
    import trackpy

    trackpy.quiet()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def link(found: pd.DataFrame, radius_px: float, memory: int = 3) -> pd.DataFrame:
    """Link the places of defects, ``frame, x_px, y_px``, from frame to frame; adds column ``track``.

    By trackpy (Crocker & Grier 1996, doi:10.1006/jcis.1996.0217). A defect may be missed in `memory` frames;
    what it is called plays no part, for defects change. Where they are too dense for it the radius is less.
    """
    import trackpy

    if found.empty:
        return found.assign(**{TRACK: np.empty(0, dtype=np.int64)})
    near = {"pos_columns": ["x_px", "y_px"], "t_column": "frame", "memory": memory}
    with _quiet():
        linked = trackpy.link(found, radius_px, adaptive_stop=0.05 * radius_px, adaptive_step=0.8, **near)
    linked = linked.reset_index(drop=True).rename(columns={"particle": TRACK})
    return linked.astype({TRACK: np.int64}).sort_values([TRACK, "frame"], ignore_index=True)


def frame_drift(tracks: pd.DataFrame, a_px: float, frames: int) -> NDArray[np.float64]:
    """Find the drift of every frame from the first, px, shape (frames, 2), from defects that stay put.

    Medians of all steps give a first drift, which more than half of them follow; what then never leaves its
    site gives the drift. All defects together would take real motion for drift.
    """
    drift = _summed(_steps(tracks), frames, "median")
    for _ in range(2):
        rest = without_drift(tracks, drift)
        middle = rest.groupby(TRACK)[["x_px", "y_px"]].transform("median")
        far = np.hypot(*(rest[["x_px", "y_px"]] - middle).to_numpy().T) > _STILL_A * a_px
        still = ~pd.Series(far).groupby(rest[TRACK].to_numpy()).transform("any").to_numpy()
        if still.sum() < 2:
            return drift
        drift = _summed(_steps(tracks[still]), frames, "mean")
    return drift


def without_drift(tracks: pd.DataFrame, drift: NDArray[np.float64]) -> pd.DataFrame:
    """Take the drift off every place."""
    moved = tracks[["x_px", "y_px"]].to_numpy() - drift[tracks["frame"].to_numpy()]
    return tracks.assign(x_px=moved[:, 0], y_px=moved[:, 1])


def _steps(tracks: pd.DataFrame) -> pd.DataFrame:
    """List how far each defect went from one frame to the next: ``frame`` (the later), ``x_px, y_px``."""
    ordered = tracks.sort_values([TRACK, "frame"])
    steps = ordered.groupby(TRACK)[["frame", "x_px", "y_px"]].diff()
    return steps.assign(frame=ordered["frame"])[steps["frame"] == 1]


def _summed(steps: pd.DataFrame, frames: int, how: str) -> NDArray[np.float64]:
    each = steps.groupby("frame")[["x_px", "y_px"]].agg(how).reindex(range(frames)).fillna(0.0)
    return np.asarray(each.cumsum().to_numpy(dtype=np.float64))


def score_links(tracks: pd.DataFrame) -> dict[str, float]:
    """Compare links between consecutive frames with the truth: tracks with ``defect``, -1 for false alarms.

    ``link_precision``: of the links made, those of one true defect; ``link_recall``: of the links there are
    between places that were found; ``switches``: how often a track goes over to another defect.
    """
    ordered = tracks.sort_values([TRACK, "frame"])
    made = _pairs(ordered, TRACK)
    right = (
        made
        & (ordered["defect"].shift(-1) == ordered["defect"]).to_numpy()
        & (ordered["defect"] >= 0).to_numpy()
    )
    real = ordered[ordered["defect"] >= 0].sort_values(["defect", "frame"])
    there = _pairs(real, "defect")
    names = ordered[ordered["defect"] >= 0].groupby(TRACK)["defect"]
    switches = int((names.transform(lambda d: d.diff().fillna(0)) != 0).sum())
    return {
        "link_precision": float(right.sum() / made.sum()) if made.any() else float("nan"),
        "link_recall": float(right.sum() / there.sum()) if there.any() else float("nan"),
        "switches": switches,
    }


def _pairs(ordered: pd.DataFrame, by: str) -> NDArray[np.bool_]:
    """Say of which rows the next one is the same object's in the next frame."""
    same = ordered[by].shift(-1) == ordered[by]
    return np.asarray(same & (ordered["frame"].shift(-1) - ordered["frame"] == 1))


def nearest_px(found: pd.DataFrame) -> float:
    """Give the median distance of a defect to the nearest other one of its frame, px; inf with none."""
    from scipy.spatial import cKDTree

    away = [
        cKDTree(places).query(places, 2)[0][:, 1]
        for _, own in found.groupby("frame")
        if len(places := own[["x_px", "y_px"]].to_numpy()) > 1
    ]
    return float(np.median(np.concatenate(away))) if away else float("inf")
