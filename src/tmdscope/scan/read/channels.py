"""What a reader finds in an instrument's file, and the units it is in."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmdscope.materials import nearest
from tmdscope.stage import UserError

MAX_PIXELS = 1 << 26
"""Largest channel that is read (8192 x 8192)."""

PIXEL_RANGE_NM = (1e-3, 1e5)
"""Pixel sizes that a microscope can have: 1 pm to 0.1 mm. Others come from damaged headers."""

MAX_HEIGHT_NM = 1e6
"""Largest height that a scanner can reach: 1 mm."""

_NM = {"m": 1e9, "mm": 1e6, "um": 1e3, "\u00b5m": 1e3, "\u03bcm": 1e3, "~m": 1e3, "nm": 1.0, "pm": 1e-3}
_NM["\u00e5"] = _NM["\u212b"] = 0.1


class ScanError(UserError):
    """An instrument's file that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Channel:
    """One channel of an instrument's file.

    Attributes
    ----------
    name : str
        As the file calls it.
    unit : str
        Of its values, as the file says; empty where it says none.
    shape : tuple of int
        Rows and columns.
    pixel_size_nm : tuple of float
        Width (x, along a row) and height (y) of a pixel in nm; NaN where the file gives no scale.
    """

    name: str
    unit: str
    shape: tuple[int, int]
    pixel_size_nm: tuple[float, float]

    @property
    def is_height(self) -> bool:
        """Whether its values are lengths."""
        return nm_per(self.unit) is not None


@dataclass(frozen=True)
class Found:
    """A channel and how to get its values.

    Attributes
    ----------
    channel : Channel
        What it is.
    read : callable
        Gives the values in the channel's unit, shape (rows, columns), first row at the top of the picture.
    """

    channel: Channel
    read: Callable[[], NDArray[Any]]


def nm_per(unit: str) -> float | None:
    """Say how many nm a unit of length is.

    Parameters
    ----------
    unit : str
        As files write it: ``m``, ``um``, ``~m`` (Nanoscope's micrometre), ``nm``, ...

    Returns
    -------
    float or None
        The factor; None for what is no length.
    """
    return _NM.get(unit.strip().casefold().replace("\u03bc", "\u00b5"))


def choose(found: Sequence[Found], preferred: Sequence[str], wanted: str | None) -> int:
    """Choose the channel that holds the heights.

    Parameters
    ----------
    found : sequence of Found
        What the file holds.
    preferred : sequence of str
        Beginnings of names, the best first.
    wanted : str or None
        Name of a channel that somebody asks for.

    Returns
    -------
    int
        Its place in `found`: the one asked for; else the first whose name begins with the first of the
        preferred beginnings that occurs; else the only channel that holds lengths.

    Raises
    ------
    ScanError
        There is none, or several and no telling which.
    """
    names = [one.channel.name for one in found]
    if wanted is not None:
        if wanted not in names:
            raise ScanError(f"it has no channel {wanted!r}; {nearest(wanted, names)}")
        return names.index(wanted)
    lengths = [k for k, one in enumerate(found) if one.channel.is_height]
    for beginning in preferred:
        for k in lengths:
            if names[k].casefold().startswith(beginning.casefold()):
                return k
    if len(lengths) == 1:
        return lengths[0]
    told = ", ".join(f"{one.channel.name!r} in {one.channel.unit or 'no unit'}" for one in found) or "none"
    which = "no channel of heights" if not lengths else "several channels that may be heights"
    raise ScanError(f"it has {which} (channels: {told}); save the height channel alone")


def check_channel(channel: Channel) -> None:
    """Refuse a channel whose header cannot be true.

    Parameters
    ----------
    channel : Channel
        What the header says.

    Raises
    ------
    ScanError
        Too few or too many pixels, no scale, or one that no microscope has.
    """
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


def heights(found: Found) -> NDArray[np.float32]:
    """Read a channel's values as heights.

    Parameters
    ----------
    found : Found
        The channel.

    Returns
    -------
    numpy.ndarray
        Heights in nm, float32, shape (rows, columns).

    Raises
    ------
    ScanError
        They are no lengths, not as many as announced, not finite, or higher than a scanner reaches.
    """
    channel = found.channel
    factor = nm_per(channel.unit)
    if factor is None:
        raise ScanError(f"channel {channel.name!r} is in {channel.unit or 'no unit'}, not in a length")
    values = np.asarray(found.read(), dtype=np.float64)
    if values.shape != channel.shape:
        raise ScanError(f"channel {channel.name!r} has shape {values.shape}, announced were {channel.shape}")
    if not np.isfinite(values).all():
        raise ScanError(f"channel {channel.name!r} holds NaN or infinite values; crop or fill them")
    values = values * factor
    if np.abs(values).max() > MAX_HEIGHT_NM:
        raise ScanError(
            f"channel {channel.name!r} reaches {np.abs(values).max():.3g} nm; no scanner does: "
            "the header is damaged"
        )
    return values.astype(np.float32)
