"""Levelling that keeps layers, 512 x 512 px, against the same chain done plainly: all pixels, row by row."""

import time
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.level_512 import ITEMS, scans
from tmdscope.scan import robust
from tmdscope.scan.areal import fit_differences, powers
from tmdscope.scan.level import LAYERED, STEPS, flatten

NAME = "level-layers-512"
UNIT = "scans/s"
NEW = ("row_differences", "row_jumps", "masked_surface", "masked_rows", "facets", "three_points")
"""Steps whose own time is told."""
_ROUNDS = 20
_LAGS = (0.1, 0.16)

__all__ = ["ITEMS", "NAME", "UNIT"]


def ours() -> None:
    """Level the scans with the steps of the package."""
    for scan in scans():
        flatten(scan, LAYERED)


def baseline() -> None:
    """Level the scans plainly."""
    for scan in scans():
        plain_layers(scan)


def details(_median: float) -> dict[str, Any]:
    """Time each step that is new, alone.

    Returns
    -------
    dict
        ``step_ms``: by step, the fastest of five in ms a scan.
    """
    scan = scans()[0]
    return {"step_ms": {name: round(1000 * min(_timed(name, scan) for _ in range(5)), 2) for name in NEW}}


def plain_layers(height_nm: NDArray[np.float32]) -> NDArray[np.float64]:
    """Do the steps of `LAYERED` with fits to all pixels and loops over rows.

    Parameters
    ----------
    height_nm : numpy.ndarray
        Heights in nm, shape (rows, columns).

    Returns
    -------
    numpy.ndarray
        Levelled heights in nm, same shape.
    """
    return _plain_rows(_plain_surface(_plain_jumps(height_nm.astype(np.float64))))


def _plain_jumps(height: NDArray[np.float64]) -> NDArray[np.float64]:
    differences = [below - above for above, below in pairwise(height)]
    jumps = np.array([np.median(row) for row in differences])
    away = np.abs(jumps - np.median(jumps))
    noise = np.median([np.abs(row - jump) for row, jump in zip(differences, jumps, strict=True)])
    for row in np.flatnonzero(away > 1.4826 * max(2.5 * np.median(away), 4 * noise)):
        near = differences[row][np.abs(differences[row] - np.median(jumps)) < away[row] / 2]
        jumps[row] = np.median(near) if len(near) > 0.2 * height.shape[1] else jumps[row]
    offsets = np.concatenate([[0.0], np.cumsum(jumps)])
    return np.asarray(height - (offsets - offsets.mean())[:, None])


def _plain_surface(height: NDArray[np.float64]) -> NDArray[np.float64]:
    y, x = np.meshgrid(*(np.linspace(-1, 1, count) for count in height.shape), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    design = terms.reshape(-1, 6)
    starts = [np.zeros(6), np.linalg.lstsq(design, height.ravel(), rcond=None)[0]]
    for share in _LAGS:
        lag = round(share * len(height))
        starts.append(fit_differences(height, *map(powers, height.shape), [lag, lag]))
    best, most = height, -1.0
    for weights in starts:
        mask = None
        for _ in range(_ROUNDS):
            left = height - terms @ weights
            before, mask = mask, robust.most_frequent(left).holds(left)
            weights = np.linalg.lstsq(terms[mask], height[mask], rcond=None)[0]
            if before is not None and (mask == before).all():
                break
        left = height - terms @ weights
        counts = np.histogram(left, np.arange(left.min(), left.max() + 0.05, 0.05))[0]
        if (counts.astype(float) ** 2).sum() > most:
            best, most = left, float((counts.astype(float) ** 2).sum())
    return best


def _plain_rows(height: NDArray[np.float64]) -> NDArray[np.float64]:
    for _ in range(3):
        peak = robust.most_frequent(height)
        levelled, means = height - peak.height_nm, []
        for row in levelled:
            of_level = row[np.abs(row) <= robust.WIDE * peak.half_nm]
            means.append(of_level.mean() if len(of_level) > 0.05 * len(row) else np.nan)
        has = np.flatnonzero(np.isfinite(means))
        height = levelled - np.interp(np.arange(len(levelled)), has, np.array(means)[has])[:, None]
    return height


def _timed(name: str, scan: NDArray[np.float32]) -> float:
    start = time.perf_counter()
    STEPS[name](scan)
    return time.perf_counter() - start
