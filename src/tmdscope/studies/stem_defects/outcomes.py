"""Outcomes of detectors, a row per object and per false alarm, as scores with intervals over conditions."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.params.common import ScoringParams
from tmdscope.scores.intervals import Estimate, estimate
from tmdscope.scores.task import DETECTIONS

DIMMEST = "VS2"
"""The kind told apart from the others: a dip of 15 % in a dim column."""

_USUAL = 0.1


def usual_noise(outcomes: pd.DataFrame) -> float:
    """Give the noise that sentences and tags speak of."""
    return float(min(outcomes["noise"].unique().tolist(), key=lambda noise: abs(noise - _USUAL)))


def estimate_detector(outcomes: pd.DataFrame, detector: str, scoring: ScoringParams) -> Estimate:
    """Score a detector at usual noise, without the dimmest kind, with intervals over conditions."""
    own = outcomes[(outcomes["detector"] == detector) & (outcomes["noise"] == usual_noise(outcomes))]
    conditions, objects, counts = counted(own[own["label"] != DIMMEST])
    draws = scoring.bootstrap, scoring.seed
    return estimate(DETECTIONS, objects, counts, conditions.tolist(), *draws)


def counted(table: pd.DataFrame) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Give the condition of each frame, how many objects it has, and hits and false alarms, (frames, 2)."""
    frames = table.assign(alarm=table["label"] == "").groupby("image_id")
    hits, alarms = frames["hit"].sum().to_numpy(), frames["alarm"].sum().to_numpy()
    objects = frames.size().to_numpy() - alarms
    return frames["sample_id"].first().to_numpy(), objects, np.stack([hits, alarms], axis=1)
