"""Formats that SurfaceTopography reads: Keysight's (Agilent's), NT-MDT's and WSxM's.

Its images are indexed x first, from the top left; heights and sizes are in one unit of length.
"""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmdscope.doubt import Doubt, named
from tmdscope.scan.read.channels import Channel, ScanError, StoredChannel, nm_per
from tmdscope.scan.read.formats import MAX_HEADER

_SAME = 0.01
"""Share by which the range of heights may differ from what the header says."""

_WSXM_BYTES = {"short": 2, "integer": 2, "float": 4, "double": 8}


def find_mi(path: Path) -> list[StoredChannel]:
    """List the images of a Keysight (Agilent, Molecular Imaging) file; the way back is told in its header."""
    from SurfaceTopography.IO.MI import MIReader

    def name(channel: Any) -> str:
        way = str(channel.info.get("raw_metadata", {}).get("trace", "")).strip()
        return f"{channel.name} {way}".strip()

    return _found(path, MIReader, name)


def find_mdt(path: Path) -> list[StoredChannel]:
    """List the images of an NT-MDT file whose values are lengths.

    SurfaceTopography leaves out all others, spectra, and frames of many dimensions.
    """
    from SurfaceTopography.IO.MDT import MDTReader

    return _found(path, MDTReader, lambda channel: str(channel.name))


def find_wsxm(path: Path) -> list[StoredChannel]:
    """Read the image of a WSxM file: in its unit where it is floating-point, else over its `Z Amplitude`.

    AFMReader leaves out the amplitude's unit and fraction, and frames that are not square.
    """
    from SurfaceTopography.IO.WSXM import WSXMReader

    start, end, _ = path.read_bytes()[:MAX_HEADER].partition(b"[Header end]")
    if not end:
        raise ScanError("its header has no end: it is cut off; copy it from the instrument again")
    header = start.decode("latin-1")
    keys = dict(re.findall(r"^\s*([^:\n]+?): +(.*?)\s*$", header, re.MULTILINE))
    stored = keys.get("Image Data Type", "")
    amplitude, unit = ([*keys.get("Z Amplitude", "").split(), "", ""])[:2]
    if stored not in _WSXM_BYTES or nm_per(unit) is None:
        told = f"its image is of kind {stored or 'unknown'}, in {unit or 'no unit'}"
        raise ScanError(f"{told}; expected short, float or double, in a unit of length")
    counted = int(keys["Number of rows"]) * int(keys["Number of columns"]) * _WSXM_BYTES[stored]
    if len(header) + len("[Header end]") + counted > path.stat().st_size:
        raise ScanError("it is cut off: pixels are missing; copy it from the instrument again")
    (found,) = _found(path, WSXMReader, lambda _: keys.get("Acquisition channel", "Topography"))
    over = float(amplitude) * ((nm_per(unit) or math.nan) / (nm_per(found.channel.unit) or math.nan))
    if _WSXM_BYTES[stored] == 2:
        return [replace(found, read=partial(_stretch, found.read, over))]
    reach = float(np.ptp(found.read()))
    if math.isclose(reach, over, rel_tol=_SAME):
        return [found]
    told = f"its heights range over {reach:.4g} {unit}, its header says {over:.4g} {unit}"
    return [replace(found, channel=replace(found.channel, warnings=(named(Doubt.RECORDS, told),)))]


def _stretch(read: Callable[[], NDArray[np.float64]], over: float) -> NDArray[np.float64]:
    values = read()
    reach = float(np.ptp(values))
    return values * (over / reach) if reach > 0 else values


def _found(path: Path, reader: Any, name: Callable[[Any], str]) -> list[StoredChannel]:
    from SurfaceTopography.Exceptions import UnsupportedFormatFeature

    try:
        opened = reader(str(path))
    except UnsupportedFormatFeature as error:
        raise ScanError(f"its kind is not read ({error}): open it in Gwyddion, save it as .gwy") from error
    found = []
    for channel in opened.channels:
        columns, rows = channel.nb_grid_pts
        unit = str(channel.data_unit or "")
        scale = nm_per(str(channel.lateral_unit or "")) or math.nan
        sizes = channel.physical_sizes or (math.nan, math.nan)
        pixel = (float(sizes[0]) * scale / columns, float(sizes[1]) * scale / rows)
        read = partial(_read, opened, channel.index)
        found.append(StoredChannel(Channel(name(channel), unit, (int(rows), int(columns)), pixel), read))
    return found


def _read(opened: Any, index: int) -> NDArray[np.float64]:
    heights = opened.topography(channel_index=index).heights()
    return np.ma.filled(np.ma.asarray(heights, dtype=np.float64), np.nan).T
