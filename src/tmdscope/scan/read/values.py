"""From a channel's values to heights: in nm, of the lines that were scanned, and whether they can be true."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tmdscope.scan.read.channels import Channel, Found, ScanError, check_channel, choose, distinct, nm_per

MAX_HEIGHT_NM = 1e6
"""Largest height that a scanner can reach: 1 mm."""

_LARGE_RANGE_NM = 1e4
"""Range of heights, 10 um, that few scanners reach and no flake has."""

_STEEP = 2.0
"""Range of heights in sides of the frame, beyond which a tip does not follow."""

_OBLONG = 1.5
"""Longer side of a pixel over the shorter from which it is told."""

_NOISE_ROWS, _NOISE_PAIRS, _NOISE_CORRELATION = 16, 256, 0.1
"""Rows from which noise is told, pairs of neighbours that are looked at, and the median of their
correlations below which it is."""


ReadChannel = tuple[list[Channel], int, NDArray[np.float32], tuple[str, ...]]
"""All channels of a file, the place of the one that was read, its heights in nm, and warnings about them."""


def read_channel(found: Sequence[Found], wanted: str | None) -> ReadChannel:
    """Read the heights of a file's channel, the one that is wanted or found, once its header can be true."""
    named = distinct(found)
    chosen = choose(named, wanted)
    check_channel(named[chosen].channel)
    return ([one.channel for one in named], chosen, *heights(named[chosen]))


def heights(found: Found) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Read a channel's values as heights in nm, float32, shape (rows, columns), with warnings about them.

    Lines without a value were not scanned: they are left out. A lost line between two scanned ones is closed;
    of parts that are further apart the longest stays.
    """
    channel = found.channel
    factor = nm_per(channel.unit)
    if factor is None:
        raise ScanError(f"channel {channel.name!r} is in {channel.unit or 'no unit'}, not in a length")
    values = np.asarray(found.read(), dtype=np.float64)
    if values.shape != channel.shape:
        raise ScanError(f"channel {channel.name!r} has shape {values.shape}, announced were {channel.shape}")
    rows = _scanned_rows(values, channel.name)
    values = (values if len(rows) == len(values) else values[rows]) * factor
    if np.abs(values).max() > MAX_HEIGHT_NM:
        raise ScanError(
            f"channel {channel.name!r} reaches {np.abs(values).max():.3g} nm; no scanner does: "
            "the header is damaged"
        )
    side = max(count * size for count, size in zip(channel.shape[::-1], channel.pixel_size_nm, strict=True))
    told = (*channel.warnings, *_oblong(channel), *_lost_rows(rows, channel.shape[0]), *doubts(values, side))
    return values.astype(np.float32), told


def doubts(height_nm: NDArray[np.float64], side_nm: float) -> tuple[str, ...]:
    """Say why heights can hardly be true, a sentence for each doubt; `side_nm` is the frame's longer side."""
    told = []
    reach = float(np.ptp(height_nm))
    if reach > min(_LARGE_RANGE_NM, _STEEP * side_nm):
        told.append(
            f"heights range over {reach:.4g} nm on a frame of {side_nm:.4g} nm: "
            "the unit or the sensitivity in the file may be wrong"
        )
    flat = height_nm.min(axis=1) == height_nm.max(axis=1)
    held = max(_leading(flat), _leading(flat[::-1]))
    if 1 < held < len(flat):
        told.append(f"{held} lines at the edge hold one value each: they may not have been scanned")
    if len(height_nm) >= _NOISE_ROWS and _correlation(height_nm) < _NOISE_CORRELATION:
        told.append(
            "neighbouring lines have nothing in common, as in noise: the file may be damaged "
            "(copied as text, or its data lie elsewhere)"
        )
    return tuple(told)


def _scanned_rows(values: NDArray[np.float64], name: str) -> NDArray[np.int64]:
    """Say which rows to keep."""
    finite = np.isfinite(values)
    scanned = np.asarray(finite.all(axis=1))
    empty = np.asarray(~finite.any(axis=1))
    ragged = ~scanned & ~empty
    beside = np.zeros_like(empty)  # the line under way when a scan was stopped
    beside[1:] |= empty[:-1]
    beside[:-1] |= empty[1:]
    if (ragged & ~beside).any() or scanned.sum() < 2:
        raise ScanError(f"channel {name!r} holds NaN or infinite values; crop or fill them")
    joined = scanned.copy()
    joined[1:-1] |= scanned[:-2] & scanned[2:]
    edges = np.flatnonzero(np.diff(np.r_[0, joined, 0]))
    first, end = max(zip(edges[::2], edges[1::2], strict=True), key=lambda run: run[1] - run[0])
    kept: NDArray[np.int64] = np.flatnonzero(scanned[first:end]) + first
    if len(kept) < 2:
        raise ScanError(f"channel {name!r} holds NaN or infinite values; crop or fill them")
    return kept


def _oblong(channel: Channel) -> tuple[str, ...]:
    """Tell pixels that are not square: they may be so, or be those of a frame that was stopped."""
    x, y = channel.pixel_size_nm
    if max(x, y) <= _OBLONG * min(x, y):
        return ()
    return (
        (
            f"its pixels are {x:.4g} x {y:.4g} nm, as the file says: if the scan was stopped early, they are "
            "stretched"
        ),
    )


def _lost_rows(kept: NDArray[np.int64], rows: int) -> tuple[str, ...]:
    if len(kept) == rows:
        return ()
    inside = " (a lost line between scanned ones is closed)" if kept[-1] - kept[0] + 1 > len(kept) else ""
    return (f"{rows - len(kept)} of {rows} lines hold no heights and are left out{inside}",)


def _leading(flags: NDArray[np.bool_]) -> int:
    return len(flags) if flags.all() else int(np.argmin(flags))


def _correlation(height_nm: NDArray[np.float64]) -> float:
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
