"""What a reader finds in an instrument's file, and the units it is in."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from tmdscope.errors import UserError
from tmdscope.limits import MAX_COLUMNS, MAX_PIXELS
from tmdscope.materials import nearest
from tmdscope.names import LONGEST

PIXEL_RANGE_NM = (1e-3, 1e5)
"""Pixel sizes that a microscope can have: 1 pm to 0.1 mm. Others come from damaged headers."""
KINDS = (
    ("heightsensor", "zsensor", "zaxissensor", "measuredheight", "heightmeasured", "zheight"),
    ("height", "topography", "zaxis", "zscan", "zdrive", "zpiezo", "topo"),
    ("image",),
)
"""Beginnings of the names of height channels, the best kind first, without blanks, signs and direction:
what a sensor measured, what the piezo was driven to, what a program says is the image."""

_DIRECTION = re.compile(r"(re)?trace$|^(forward|backward|fwd|bwd)\b|\[(forward|backward|fwd|bwd)\]")
_BACK = re.compile(r"retrace|backward|\bbwd\b", re.IGNORECASE)
_OTHER = re.compile(r"deflection|amplitude|error|lateral|friction|[xy][ -]?(axis|sensor)", re.IGNORECASE)
"""Channels that may be in a unit of length and are no heights."""

_PREFIXES = {"": 1.0, "m": 1e-3, "u": 1e-6, "\u00b5": 1e-6, "~": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
_PREFIXES |= {"k": 1e3, "M": 1e6, "c": 1e-2}
_NAMES = {"\u00e5": 0.1, "angstrom": 0.1, "micron": 1e3, "microns": 1e3, "meter": 1e9, "metre": 1e9}


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
class Found:
    """A channel, and what reads its values: in its unit, (rows, columns), first row at the picture's top."""

    channel: Channel
    read: Callable[[], NDArray[Any]]


def nm_per(unit: str) -> float | None:
    """Say how many nm a unit of length is; None for what is no length.

    Units are as files write them: ``m``, ``um``, ``~m`` (Nanoscope's micrometre), ``nm``, ...
    """
    clean = _clean(unit)
    named = _NAMES.get(clean.casefold())
    return named if named is not None else _factor(clean, "m", 1e9) or _factor(clean.casefold(), "m", 1e9)


def per_unit(unit: str, base: str) -> float | None:
    """Say how many of a base unit (without prefix) a unit is: ``mV`` is 0.001 V; None for another unit."""
    return _factor(_clean(unit), base, 1.0)


def _clean(unit: str) -> str:
    """Write a unit with one sign for micro, also where UTF-8 was read as Latin-1."""
    return unit.strip().strip("\x00").replace("\u00c2\u00b5", "\u00b5").replace("\u03bc", "\u00b5")


def _factor(unit: str, base: str, factor: float) -> float | None:
    prefix = _PREFIXES.get(unit.removesuffix(base)) if unit.endswith(base) else None
    return None if prefix is None else prefix * factor


def distinct(found: Sequence[Found]) -> list[Found]:
    """Give each channel its own name, so that all can be asked for: one that occurs again gets a number."""
    if len(found) > MAX_COLUMNS:
        raise ScanError(f"it lists {len(found)} channels, {MAX_COLUMNS} at most are read: it is damaged")
    seen: Counter[str] = Counter()
    named = []
    for one in found:
        name = one.channel.name[:LONGEST]
        seen[name] += 1
        number = f" {seen[name]}" if seen[name] > 1 else ""
        named.append(replace(one, channel=replace(one.channel, name=name + number)))
    return named


def choose(found: Sequence[Found], wanted: str | None) -> int:
    """Choose the channel that holds the heights, by one rule for every format.

    The one asked for; else, of the channels in a unit of length, the first of the best kind in `KINDS`, the
    way there (trace, forward) before the way back; else the only one. A ScanError where there is none, or
    several and no telling which.
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
    kinds = [k for k, kind in enumerate(KINDS) if plain.startswith(kind)]
    return (kinds[0], _BACK.search(name) is not None) if kinds else None


def check_channel(channel: Channel) -> None:
    """Refuse a channel whose header cannot be true: too few or many pixels, no scale, an impossible one."""
    rows, columns = channel.shape
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
