"""How fast defects move and change, read off linked tracks, with 95 % intervals over the tracks."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.errors import UserError
from tmdscope.scores.bootstrap import drawn_sums, percentile_interval
from tmdscope.stem.tracks import TRACK

Values = NDArray[np.float64]

LAGS = 4
"""Of the mean squared displacement, frames: an intercept beside its slope takes up the position error."""


@dataclass(frozen=True)
class Rate:
    """An estimate with its 95 % interval over tracks; none where fewer than two tracks say something."""

    value: float
    ci95: tuple[float, float] | None
    tracks: int


def diffusion(tracks: pd.DataFrame, pixel_nm: float, seconds: float, resamples: int, seed: int) -> Rate:
    """Give the diffusion coefficient, nm2/s: a quarter of the slope of the mean squared displacement.

    `tracks` hold ``track, frame, x_px, y_px`` without drift. Squared displacements over lags of 1 to `LAGS`
    frames are pooled over tracks; a straight line with an intercept goes through their means, each as heavy
    as a lag has displacements of a whole track.
    """
    sums = _squared(tracks)
    sums = sums[sums[:, LAGS:].min(axis=1) > 0]
    if not len(sums):
        raise UserError(f"no track lasts {LAGS + 1} frames: no diffusion coefficient can be told")
    scale = pixel_nm**2 / seconds
    return _over_tracks(sums, lambda held: _slope(held) / 4 * scale, resamples, seed)


def _squared(tracks: pd.DataFrame) -> Values:
    """Add up squared displacements of each track by lag, and count them: (tracks, 2 x LAGS)."""
    frames = pd.RangeIndex(int(tracks["frame"].min()), int(tracks["frame"].max()) + 1) if len(tracks) else []
    wide = [
        tracks.pivot_table(index=TRACK, columns="frame", values=name).reindex(columns=frames).to_numpy()
        for name in ("x_px", "y_px")
    ]
    found = []
    for lag in range(1, LAGS + 1):
        away = sum((place[:, lag:] - place[:, :-lag]) ** 2 for place in wide)
        found.append((np.nansum(away, axis=1), np.isfinite(away).sum(axis=1)))
    return np.stack([one[0] for one in found] + [one[1] for one in found], axis=1)


def _slope(held: Values) -> Values:
    """Fit straight lines to mean squared displacements: (..., 2 x LAGS) to (...)."""
    means = held[..., :LAGS] / held[..., LAGS:]
    lags = np.arange(1, LAGS + 1) - (LAGS + 1) / 2
    return np.asarray(means @ lags / (lags @ lags))


def published_formula(tracks: pd.DataFrame, pixel_nm: float, seconds: float) -> float:
    """Give what the paper calls diffusion, nm2/s: (var x + var y) / (4 N dt), the mean over tracks.

    For a free walk of N frames in two dimensions this is a sixth of the diffusion coefficient, for a trapped
    defect it falls as 1 / N (Maksov et al. 2019).
    """
    told = [
        own[["x_px", "y_px"]].var(ddof=0).sum() * pixel_nm**2 / (4 * len(own) * seconds)
        for _, own in tracks.groupby(TRACK)
        if len(own) > 1
    ]
    return float(np.mean(told)) if told else float("nan")


def hop_chance(tracks: pd.DataFrame, a_px: float, resamples: int, seed: int) -> Rate:
    """Give the chance that a defect hops from one frame to the next: steps longer than half a constant."""
    ordered = tracks.sort_values([TRACK, "frame"])
    steps = ordered.groupby(TRACK)[["frame", "x_px", "y_px"]].diff()
    next_frame = steps["frame"] == 1
    far = np.hypot(steps["x_px"], steps["y_px"]) > 0.5 * a_px
    counts = pd.DataFrame({"hops": far & next_frame, "steps": next_frame}).groupby(ordered[TRACK]).sum()
    sums = counts[counts["steps"] > 0].to_numpy(dtype=np.float64)
    if not len(sums):
        raise UserError("no defect is followed from one frame to the next: no hop rate can be told")
    return _over_tracks(sums, lambda held: held[..., 0] / held[..., 1], resamples, seed)


@dataclass(frozen=True)
class Transitions:
    """The chance that a class becomes another from frame to frame, shape (K, K), with bounds, (2, K, K).

    `seen` counts how often; rows of classes that no track has are NaN.
    """

    classes: tuple[str, ...]
    chance: Values
    ci95: Values
    seen: Values


def transitions(
    tracks: pd.DataFrame, label: str, classes: Sequence[str], resamples: int, seed: int
) -> Transitions:
    """Count how classes (column `label`) follow one another on tracks, and give the chances of it."""
    size = len(classes)
    codes = pd.Categorical(tracks[label], categories=list(classes)).codes
    ordered = tracks.assign(code=codes).sort_values([TRACK, "frame"])
    same = (ordered[TRACK].shift(-1) == ordered[TRACK]) & (ordered["frame"].shift(-1) - ordered["frame"] == 1)
    pair = ordered["code"] * size + ordered["code"].shift(-1)
    known = same & (ordered["code"] >= 0) & (ordered["code"].shift(-1) >= 0)
    numbers, row = np.unique(ordered[TRACK][known], return_inverse=True)
    sums = np.zeros((len(numbers), size * size))
    np.add.at(sums, (row, pair[known].astype(int)), 1)

    def chances(held: Values) -> Values:
        of = held.reshape(*held.shape[:-1], size, size)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(of / of.sum(axis=-1, keepdims=True))

    bounds = np.full((2, size, size), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of classes that no track has
        if len(sums) > 1:
            bounds = percentile_interval(chances(drawn_sums(sums, resamples, seed)), len(sums))
    total = sums.sum(axis=0)
    return Transitions(tuple(classes), chances(total), bounds, total.reshape(size, size))


def _over_tracks(sums: Values, statistic: Callable[[Values], Values], resamples: int, seed: int) -> Rate:
    value = float(statistic(sums.sum(axis=0)))
    if len(sums) < 2:
        return Rate(value, None, len(sums))
    low, high = percentile_interval(statistic(drawn_sums(sums, resamples, seed)), len(sums))
    return Rate(value, (float(low), float(high)), len(sums))
