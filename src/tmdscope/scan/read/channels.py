"""What a reader finds in an instrument's file: channels, their units, and heights in nm that can be true."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmdscope.doubt import Doubt, named
from tmdscope.errors import UserError
from tmdscope.limits import MAX_CHANNELS, MAX_PIXELS
from tmdscope.materials import nearest
from tmdscope.names import LONGEST
from tmdscope.scan.plausible import doubts

PIXEL_RANGE_NM = (1e-3, 1e5)
"""Pixel sizes that a microscope can have: 1 pm to 0.1 mm. Others come from damaged headers."""
KINDS = (
    ("heightsensor", "zsensor", "zaxissensor", "measuredheight", "heightmeasured", "zheight"),
    ("height", "topography", "zaxis", "zscan", "zdrive", "zpiezo", "topo"),
    ("image",),
)
"""Beginnings of the names of height channels, the best kind first, without blanks, signs and direction:
what a sensor measured, what the piezo was driven to (or ``Z`` alone), what a program says is the image."""

_DIRECTION = re.compile(r"(re)?trace$|^(forward|backward|fwd|bwd)\b|\[(forward|backward|fwd|bwd)\]")
_BACK = re.compile(r"retrace|backward|\bbwd\b", re.IGNORECASE)
_OTHER = re.compile(r"deflection|amplitude|error|lateral|friction|[xy][ -]?(axis|sensor)", re.IGNORECASE)
"""Channels that may be in a unit of length and are no heights."""

_PREFIXES = {"": 1.0, "m": 1e-3, "u": 1e-6, "\u00b5": 1e-6, "~": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
_PREFIXES |= {"k": 1e3, "M": 1e6, "c": 1e-2}
_NAMES = {"\u00e5": 0.1, "angstrom": 0.1, "micron": 1e3, "microns": 1e3, "meter": 1e9, "metre": 1e9}

MAX_HEIGHT_NM = 1e6
"""Largest height that a scanner can reach: 1 mm."""

_OBLONG = 1.5
"""Longer side of a pixel over the shorter from which it is told."""


class ScanError(UserError):
    """An instrument's file that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Channel:
    """One channel of an instrument's file, as the file calls it; its shape is rows and columns.

    The unit is empty where the file says none. Width (x, along a row) and height (y) of a pixel are NaN where
    it gives no scale. `warnings`: what the file's records of it disagree about.
    """

    name: str
    unit: str
    shape: tuple[int, int]
    pixel_size_nm: tuple[float, float]
    warnings: tuple[str, ...] = ()

    @property
    def is_height(self) -> bool:
        """Whether its values are lengths."""
        return nm_per(self.unit) is not None


@dataclass(frozen=True)
class StoredChannel:
    """A channel, and what reads its values: in its unit, (rows, columns), first row at the picture's top."""

    channel: Channel
    read: Callable[[], NDArray[Any]]


def nm_per(unit: str) -> float | None:
    """Say how many nm a unit of length is; None for what is no length.

    Units are as files write them: ``m``, ``um``, ``~m`` (Nanoscope's micrometre), ``nm``, ...
    """
    folded = _clean(unit).casefold()
    metres = per_unit(unit, "m") or per_unit(folded, "m")
    return _NAMES.get(folded, metres and metres * 1e9)


def per_unit(unit: str, base: str) -> float | None:
    """Say how many of a base unit (without prefix) a unit is: ``mV`` is 0.001 V; None for another unit."""
    clean = _clean(unit)
    return _PREFIXES.get(clean.removesuffix(base)) if clean.endswith(base) else None


def _clean(unit: str) -> str:
    """Write a unit with one sign for micro, also where UTF-8 was read as Latin-1."""
    return unit.strip().strip("\x00").replace("\u00c2\u00b5", "\u00b5").replace("\u03bc", "\u00b5")


def flattened(*records: str) -> tuple[str, ...]:
    """Say that records of a file tell of a levelling before it was saved; nothing where there are none."""
    told = ", ".join(records)
    sentence = f"the software that wrote it had already levelled it ({told}): layers may be lost"
    return (named(Doubt.FLATTENED, sentence),) if told else ()


def distinct(found: Sequence[StoredChannel]) -> list[StoredChannel]:
    """Give each channel its own name, so that all can be asked for: one that occurs again gets a number."""
    if len(found) > MAX_CHANNELS:
        raise ScanError(f"it lists {len(found)} channels, {MAX_CHANNELS} at most are read: it is damaged")
    seen: Counter[str] = Counter()
    named = []
    for one in found:
        name = one.channel.name[:LONGEST]
        seen[name] += 1
        number = f" {seen[name]}" if seen[name] > 1 else ""
        named.append(replace(one, channel=replace(one.channel, name=name + number)))
    return named


def choose(found: Sequence[StoredChannel], wanted: str | None) -> int:
    """Choose the channel that holds the heights, by one rule for every format.

    The one asked for; else, of the channels in a unit of length, the first of the best kind in `KINDS`, the
    way there (trace, forward) before the way back; else the only one.
    """
    names = [one.channel.name for one in found]
    if wanted is not None:
        if wanted not in names:
            raise ScanError(
                f"it has no channel {wanted!r}; {nearest(wanted, names)} (channels: {', '.join(names)})"
            )
        return names.index(wanted)
    lengths = [k for k, one in enumerate(found) if one.channel.is_height and not _OTHER.search(names[k])]
    ranked = sorted((rank, k) for k in lengths if (rank := _rank(names[k])) is not None)
    if ranked:
        return ranked[0][1]
    if len(lengths) == 1:
        return lengths[0]
    told = ", ".join(f"{one.channel.name!r} in {one.channel.unit or 'no unit'}" for one in found) or "none"
    which = "no channel of heights" if not lengths else "several channels that may be heights"
    raise ScanError(f"it has {which} (channels: {told}); name one, or save the height channel alone")


def _rank(name: str) -> tuple[int, bool] | None:
    """Place a name among `KINDS`, and say whether it is of the way back; None where it is of none."""
    plain = re.sub(r"[^a-z0-9]", "", _DIRECTION.sub("", name.casefold()))
    kinds = [k for k, kind in enumerate(KINDS) if plain.startswith(kind) or (plain == "z" and k == 1)]
    return (kinds[0], _BACK.search(name) is not None) if kinds else None


def named_as_height(channel: Channel) -> bool:
    """Say whether a channel is in a unit of length and called as heights are (`KINDS`)."""
    return channel.is_height and _rank(channel.name) is not None


def check_channel(channel: Channel) -> None:
    """Refuse a channel whose header cannot be true: too few or many pixels, no scale, an impossible one."""
    (rows, columns), (low, high) = channel.shape, PIXEL_RANGE_NM
    if min(rows, columns) < 2 or rows * columns > MAX_PIXELS:
        raise ScanError(
            f"channel {channel.name!r} has {columns} x {rows} pixels; expected 2 x 2, at most {MAX_PIXELS}"
        )
    if not all(math.isfinite(size) and size > 0 for size in channel.pixel_size_nm):
        raise ScanError(
            f"channel {channel.name!r} states no scale (pixel size {channel.pixel_size_nm} nm): "
            "export it again with its scan size"
        )
    low, high = PIXEL_RANGE_NM
    if not all(low <= size <= high for size in channel.pixel_size_nm):
        raise ScanError(
            f"channel {channel.name!r} has pixels of {channel.pixel_size_nm} nm; a microscope's are between "
            f"{low:g} and {high:g} nm: the header is damaged"
        )


ReadChannel = tuple[list[Channel], int, NDArray[np.float32], tuple[str, ...]]
"""All channels of a file, the place of the one that was read, its heights in nm, and warnings about them."""


def read_channel(found: Sequence[StoredChannel], wanted: str | None) -> ReadChannel:
    """Read the heights of a file's channel, the one that is wanted or found, once its header can be true."""
    named = distinct(found)
    chosen = choose(named, wanted)
    check_channel(named[chosen].channel)
    return ([one.channel for one in named], chosen, *heights(named[chosen]))


def heights(found: StoredChannel) -> tuple[NDArray[np.float32], tuple[str, ...]]:
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
    told = list(channel.warnings)
    x, y = channel.pixel_size_nm
    if max(x, y) > _OBLONG * min(x, y):
        told.append(
            named(
                Doubt.OBLONG,
                f"its pixels are {x:.4g} x {y:.4g} nm, as the file says: if the scan was stopped early, they "
                "are stretched",
            )
        )
    if lost := channel.shape[0] - len(rows):
        closed = np.ptp(rows) + 1 > len(rows)
        inside = " (a lost line between scanned ones is closed)" if closed else ""
        sentence = f"{lost} of {channel.shape[0]} lines hold no heights and are left out{inside}"
        told.append(named(Doubt.LOST_LINES if closed else Doubt.UNFINISHED, sentence))
    return values.astype(np.float32), (*told, *doubts(values, side))


def _scanned_rows(values: NDArray[np.float64], name: str) -> NDArray[np.int64]:
    """Say which rows to keep."""
    finite = np.isfinite(values)
    scanned, empty = np.asarray(finite.all(axis=1)), np.asarray(~finite.any(axis=1))
    ragged = ~scanned & ~empty
    beside = np.zeros_like(empty)  # the line under way when a scan was stopped
    beside[1:] |= empty[:-1]
    beside[:-1] |= empty[1:]
    joined = scanned.copy()
    joined[1:-1] |= scanned[:-2] & scanned[2:]
    edges = np.flatnonzero(np.diff(np.r_[0, joined, 0]))
    runs = zip(edges[::2], edges[1::2], strict=True)
    first, end = max(runs, key=lambda run: run[1] - run[0], default=(0, 0))
    kept: NDArray[np.int64] = np.flatnonzero(scanned[first:end]) + first
    if (ragged & ~beside).any() or len(kept) < 2:
        raise ScanError(f"channel {name!r} holds NaN or infinite values; crop or fill them")
    return kept
