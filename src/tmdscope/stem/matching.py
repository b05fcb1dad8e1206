"""Detections against the truth: one to one, nearest first, within a radius."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from tmdscope.stem.localise import inner

RADIUS_A = 0.57
"""Radius of a match in lattice constants: the distance of two neighbouring columns."""


@dataclass(frozen=True)
class Match:
    """Rows of true objects and of detections that belong together, and how far apart they are, px.

    `true` are rows of the objects that count, `false` detections of none.
    """

    true: NDArray[np.int64]
    hit: NDArray[np.int64]
    by: NDArray[np.int64]
    away_px: NDArray[np.float64]
    false: NDArray[np.int64]


def match(truth: pd.DataFrame, found: pd.DataFrame, a_px: float, shape: tuple[int, ...]) -> Match:
    """Match detections with true objects, tables with ``x_px, y_px``, of a frame of a shape (rows, columns).

    Objects at an edge do not count: neither they nor detections of them are hits, misses or false alarms.
    """
    true, said = (table[["x_px", "y_px"]].to_numpy(dtype=np.float64) for table in (truth, found))
    away = cdist(true, said)
    near = away <= RADIUS_A * a_px
    rows, columns = linear_sum_assignment(np.where(near, away, 1e6))
    paired = near[rows, columns]
    rows, columns = rows[paired], columns[paired]
    counts = inner(true, shape, a_px)
    false = np.setdiff1d(np.flatnonzero(inner(said, shape, a_px)), columns)
    hits = counts[rows]
    return Match(np.flatnonzero(counts), rows[hits], columns[hits], away[rows[hits], columns[hits]], false)
