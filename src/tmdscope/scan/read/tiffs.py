"""Instruments' files that are TIFFs: heights lie beside or behind a preview, their scales in private tags."""

import math
import struct
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmdscope.doubt import Doubt, named
from tmdscope.scan.read.channels import Channel, ScanError, StoredChannel, flattened, nm_per
from tmdscope.scan.read.formats import JPK_WIDTH, PARK_DATA, PARK_HEADER

_HEIGHT, _REFLECT, _COLUMNS, _ROWS = 0x8043, 0x8045, 0x8046, 0x8047
_NAME, _RETRACE, _SLOTS, _DEFAULT_SLOT = 0x8050, 0x8051, 0x8080, 0x8081
_SLOT_NAME, _SLOT_UNIT, _SLOT_KIND, _SLOT_STEP, _SLOT_ZERO, _SLOT_SIZE = 0x8090, 0xA2, 0xA3, 0xA4, 0xA5, 0x30
_HEIGHTS = ("height", "measuredHeight")

_PARK_TYPES = {0: "<i2", 1: "<i4", 2: "<f4"}


def find_jpk(path: Path) -> list[StoredChannel]:
    """List the channels of a JPK image, read by tifffile and its tags (JPKImageSpec, version 2.0)."""
    import tifffile

    found: list[StoredChannel] = []
    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages.first.tags
        if any(tag not in tags for tag in (JPK_WIDTH, _HEIGHT, _COLUMNS, _ROWS)):
            raise ScanError("it is a TIFF without all of JPK's tags of its size: it is damaged")
        pixel = tuple(
            float(tags[size].value) * 1e9 / float(tags[count].value)
            for size, count in ((JPK_WIDTH, _COLUMNS), (_HEIGHT, _ROWS))
        )
        counted = (int(tags[_ROWS].value), int(tags[_COLUMNS].value))
        for page in tiff.pages[1:]:
            if _NAME not in page.tags:
                continue
            _check_whole(page, path)
            kind = str(page.tags[_NAME].value)
            name = f"{kind}_{'trace' if page.tags[_RETRACE].value == 0 else 'retrace'}"
            step, zero, unit = _slot(page.tags, kind)
            rows, columns = (int(count) for count in page.shape[:2])
            part = (
                f"it holds {columns} x {rows} pixels of the {counted[1]} x {counted[0]} of its frame: "
                "pixels keep the size that they have in the whole one"
            )
            told = () if (rows, columns) == counted else (named(Doubt.UNFINISHED, part),)
            channel = Channel(name, unit, (rows, columns), (pixel[0], pixel[1]), told)
            reflect = page.tags.get(_REFLECT) or tags.get(_REFLECT)
            upright = reflect is not None and bool(reflect.value)
            found.append(StoredChannel(channel, partial(_read_page, path, page.index, step, zero, upright)))
    return found


def _check_whole(page: Any, path: Path) -> None:
    ends = [a + b for a, b in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if max(ends, default=0) > path.stat().st_size:  # tifffile would give zeros for what is lost
        raise ScanError("it is cut off: pixels are missing; copy it from the instrument again")


def _slot(tags: Any, kind: str) -> tuple[float, float, str]:
    """Find the calibration that is set as default; of heights, if that is no length, the last that is."""

    def value(tag: int, number: int, default: Any) -> Any:
        found = tags.get(tag + number * _SLOT_SIZE)
        return default if found is None else found.value

    slots = {}
    for number in range(min(int(tags[_SLOTS].value), 64)):
        linear = value(0x8000 + _SLOT_KIND, number, "NullScaling") == "LinearScaling"
        scale = [float(value(0x8000 + tag, number, math.nan)) for tag in (_SLOT_STEP, _SLOT_ZERO)]
        known = "m" if kind in _HEIGHTS and linear else ""
        unit = str(value(0x8000 + _SLOT_UNIT, number, known))
        slots[str(value(_SLOT_NAME, number, number))] = (*(scale if linear else (1.0, 0.0)), unit)
    default = slots.get(str(tags[_DEFAULT_SLOT].value))
    lengths = [slot for slot in slots.values() if nm_per(slot[2]) is not None]
    if kind in _HEIGHTS and lengths and (default is None or nm_per(default[2]) is None):
        default = lengths[-1]
    if default is None:
        raise ScanError(f"channel {kind!r} names a calibration that is not there: it is damaged")
    return default


def _read_page(path: Path, index: int, step: float, zero: float, upright: bool) -> NDArray[np.float64]:
    """Scale the integers; the first line is at the bottom of the picture, unless the grid is reflected."""
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        values = np.asarray(tiff.pages[index].asarray(), dtype=np.float64) * step + zero
    return values if upright else values[::-1]


def find_park(path: Path) -> list[StoredChannel]:
    """Read the heights of a Park TIFF: its picture is a preview, its data lie in a tag.

    The header is that of Park's files of version 1 (as read by Gwyddion's module `psia` and by nanoAFMr).
    """
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages.first.tags
        _check_whole(tiff.pages.first, path)
        data, header = (tags[tag].value if tag in tags else b"" for tag in (PARK_DATA, PARK_HEADER))
    if not (isinstance(header, bytes) and isinstance(data, bytes)) or len(header) < 260:
        raise ScanError("it is a Park TIFF without the header of a scan: a plot, not a scan, or damaged")
    (kind,) = struct.unpack_from("<i", header, 0)
    if kind != 0:
        what = {1: "a line profile", 2: "a force curve"}.get(kind, "no image")
        raise ScanError(f"it is a Park TIFF of {what}, and its picture a plot: leave it out")
    (levelled,) = struct.unpack_from("<i", header, 92)
    columns, rows = struct.unpack_from("<2i", header, 100)
    width, height = struct.unpack_from("<2d", header, 140)
    (gain,) = struct.unpack_from("<d", header, 220)
    stored = _PARK_TYPES.get(struct.unpack_from("<i", header, 348)[0] if len(header) >= 352 else 0, "")
    if not stored or min(columns, rows) < 2:
        raise ScanError("its header is not that of a Park scan: it is damaged")
    if len(data) != columns * rows * np.dtype(stored).itemsize:
        raise ScanError(
            f"its data are {len(data)} bytes, not {columns} x {rows} pixels: it is cut off or damaged; "
            "copy it from the instrument again"
        )
    unit = _wide(header[244:260])
    pixel = (width * 1e3 / columns, height * 1e3 / rows)
    told = flattened("auto flatten") if levelled else ()
    channel = Channel(_wide(header[4:68]), unit, (rows, columns), pixel, told)
    values = np.frombuffer(data, dtype=stored).reshape(rows, columns)[::-1]  # first line: at the bottom
    return [StoredChannel(channel, lambda: values.astype(np.float64) * gain)]


def _wide(text: bytes) -> str:
    return text.decode("utf-16-le", errors="replace").partition("\0")[0].strip()
