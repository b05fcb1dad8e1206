"""Whether heights can be true: named warnings, the same for instrument files, arrays and simulated scans."""

import math

import numpy as np
from numpy.typing import NDArray

from tmdscope.doubt import Doubt, named

Heights = NDArray[np.float64]


_LARGE_RANGE_NM = 1e4
"""Range of heights, 10 um, that few scanners reach and no flake has."""

_STEEP = 2.0
"""Range of heights in sides of the frame, beyond which a tip does not follow."""

_SMALL_RANGE_NM = 0.01
"""Range of heights, peak to valley, below the noise of a microscope in air."""

_CUT_SHARE, _CUT_STEP = 0.002, 4.0
"""Share of all pixels at one end of the heights from which they are cut off, if they are also so many times
more than those at the next height inwards."""

_NOISE_ROWS, _NOISE_PAIRS, _NOISE_CORRELATION = 16, 64, 0.1
"""Rows from which noise is told, pairs of neighbours that are looked at, and the median of their
correlations below which it is."""


def doubts(height_nm: NDArray[np.floating], side_nm: float) -> tuple[str, ...]:
    """Say why heights can hardly be true, a warning for each doubt.

    Heights are finite, shape (rows, columns); `side_nm` is the frame's longer side, NaN where it is not
    known.
    """
    heights = np.asarray(height_nm, dtype=np.float64)
    flat = heights.min(axis=1) == heights.max(axis=1)
    edge = _at_the_edge(flat)
    told = [_of_range(heights, side_nm), _of_edge(edge), _of_dead_lines(heights, flat, edge)]
    told += [_of_saturation(heights[~flat] if flat.any() else heights), _of_noise(heights)]
    return tuple(warning for warning in told if warning)


def _of_range(heights: Heights, side_nm: float) -> str:
    reach = float(np.ptp(heights))
    most = _LARGE_RANGE_NM if math.isnan(side_nm) else min(_LARGE_RANGE_NM, _STEEP * side_nm)
    frame = "" if math.isnan(side_nm) else f" on a frame of {side_nm:.4g} nm"
    if reach > most:
        return named(
            Doubt.RANGE,
            f"heights range over {reach:.4g} nm{frame}: the unit or the sensitivity in the file may be wrong",
        )
    if 0 < reach < _SMALL_RANGE_NM:
        return named(
            Doubt.UNIT,
            f"heights range over {reach:.4g} nm only, less than a microscope's noise: they may be in another "
            "unit",
        )
    return ""


def _at_the_edge(flat: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say which lines of one value each are at the top or at the bottom, where there are more of them."""
    top, bottom = (np.logical_and.accumulate(lines) for lines in (flat, flat[::-1]))
    edge = top if top.sum() >= bottom.sum() else bottom[::-1]
    return edge if 1 < edge.sum() < len(flat) else np.zeros_like(flat)


def _of_edge(edge: NDArray[np.bool_]) -> str:
    if not edge.any():
        return ""
    return named(
        Doubt.UNFINISHED,
        f"{edge.sum()} lines at the edge hold one value each: they may not have been scanned",
    )


def _of_dead_lines(heights: Heights, flat: NDArray[np.bool_], edge: NDArray[np.bool_]) -> str:
    """Count lines of one value, and those that repeat the line before, inside the frame."""
    inside = flat & ~edge
    repeated = np.zeros_like(flat)
    repeated[1:] = (heights[1:] == heights[:-1]).all(axis=1) & ~flat[1:]
    if flat.all() or not (inside.any() or repeated.any()):
        return ""
    parts = [
        f"{lines.sum()} of {len(flat)} lines {what}"
        for lines, what in ((inside, "hold one value each"), (repeated, "repeat the line before"))
        if lines.any()
    ]
    return named(Doubt.DEAD_LINES, f"{' and '.join(parts)}: no surface was measured there")


def _of_saturation(heights: Heights) -> str:
    """Look for many more pixels of the highest or the lowest height than of the next one inwards."""
    found = []
    for end, pick in (("highest", np.max), ("lowest", np.min)):
        last = pick(heights) if heights.size else 0.0
        cut = heights == last
        inner = heights[~cut]
        if cut.sum() < max(_CUT_SHARE * heights.size, 2) or not inner.size:
            continue
        if cut.sum() >= _CUT_STEP * (inner == pick(inner)).sum():
            found.append(f"{100 * cut.mean():.2g} % of the pixels have exactly the {end} height")
    if not found:
        return ""
    return named(Doubt.SATURATED, f"{' and '.join(found)}: they were cut off there")


def _of_noise(heights: Heights) -> str:
    if len(heights) < _NOISE_ROWS or not _correlation(heights) < _NOISE_CORRELATION:
        return ""
    return named(
        Doubt.NOISE,
        "neighbouring lines have nothing in common, as in noise: the file may be damaged (copied as text, or "
        "its data lie elsewhere)",
    )


def _correlation(height_nm: Heights) -> float:
    """Median of Pearson's correlation of rows with the next, slopes along rows taken off; NaN if flat."""
    first = np.unique(np.linspace(0, len(height_nm) - 2, _NOISE_PAIRS).astype(int))
    x = np.linspace(-1, 1, height_nm.shape[1])
    least = 1e-9 * max(float(np.abs(height_nm).max()), 1e-12)
    pair = []
    for rows in (height_nm[first], height_nm[first + 1]):
        centred = rows - rows.mean(axis=1, keepdims=True)
        centred -= (centred @ x / (x @ x))[:, None] * x
        size = np.linalg.norm(centred, axis=1, keepdims=True)
        pair.append(np.divide(centred, size, out=np.full_like(centred, np.nan), where=size > least))
    found = (pair[0] * pair[1]).sum(axis=1)
    return float("nan") if np.isnan(found).all() else float(np.nanmedian(found))
