"""Bruker's Nanoscope files: a text header of sections, then the channels as little-endian integers.

pySPM 0.6.3, which is what AFMReader reads them with, takes seconds to import, never returns from a header
without an end, and turns frames without the key ``Valid data len`` on their side when they are not square.
Values and sizes here equal pySPM's where it is right (`tests/scan/read/test_real_files.py`).
"""

import math
import re
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tmdscope.doubt import Doubt, named
from tmdscope.scan.read.channels import Channel, ScanError, StoredChannel, flattened, nm_per, per_unit
from tmdscope.scan.read.formats import MAX_HEADER

_END = b"\\*File list end"
_SCAN = "ciao scan list"
_IMAGES = frozenset({"ciao image list", "afm image list", "stm image list", "ncafm image list", "image list"})
"""The first since version 4.3 of the software, the others before (Gwyddion's module `nanoscope`)."""
_KEPT = frozenset({"none", "offset", ""})
"""Plane fits that leave slopes as they are."""
_OLD_SCALE = re.compile(r"(?P<value>\S+)\s+(?P<unit>[^\s(]+)\s*(?:\((?P<levels>\d+)\))?")
_SAME = 0.02
"""Share by which two records of a size may differ."""
_SCALE = re.compile(
    r"\S+\s+(?:\[(?P<sensitivity>[^\]]*)\]\s*)?\(.*?/LSB\)\s*(?P<value>\S+)(?:\s+(?P<unit>\S+))?"
)
_TITLE = re.compile(r'.*"([^"]*)"')

Section = Mapping[str, str]


def find_channels(content: bytes) -> list[StoredChannel]:
    """List the images of a Nanoscope file in its order, those of the way back (Retrace) after all others."""
    sections = _read_sections(content)
    sensitivities = {
        key.removeprefix("@"): value
        for name, section in sections
        if name not in _IMAGES
        for key, value in section.items()
        if key.startswith("@sens. ")
    }
    listed = (section for name, section in sections if name in _IMAGES and _title(section) is not None)
    images = [_with_lines(section) for section in listed]
    if not images:
        raise ScanError("its header lists no image; it may be a force curve")
    _check_places(content, images)
    images.sort(key=lambda image: image.get("line direction") == "Retrace")
    scan = next((section for name, section in sections if name == _SCAN), {})
    return [_find_image(content, image, scan, sensitivities) for image in images]


def _with_lines(image: dict[str, str]) -> dict[str, str]:
    """Split `Samps/line: 256 128`, as the software Nanoscope E writes pixels of a line and lines."""
    columns, _, lines = image.get("samps/line", "").partition(" ")
    return {"number of lines": lines.strip(), **image, "samps/line": columns} if lines else image


def _check_places(content: bytes, images: Sequence[Section]) -> None:
    """Refuse data that lie in the header, in one another, or elsewhere than before a transfer as text."""
    header = content.find(_END)
    places = sorted((_whole(image, "data offset"), _whole(image, "data length")) for image in images)
    if places[0][0] < header:
        raise ScanError(f"its data begin at byte {places[0][0]}, within its header: the header is damaged")
    for (first, length), (following, _) in pairwise(places):
        if following < first + length <= len(content):
            raise ScanError(f"two of its images share byte {following}: the header is damaged")
    if sum(places[-1]) > len(content) and b"\r\n" not in content[:header]:
        raise ScanError(
            "its line ends were changed, as by a transfer of text, and bytes are lost: it is cut off; "
            "copy it from the instrument again, as a binary file"
        )


def _read_sections(content: bytes) -> list[tuple[str, dict[str, str]]]:
    end = content.find(_END, 0, MAX_HEADER)
    if end < 0:
        raise ScanError("its header has no end ('\\*File list end'): the file is cut off or damaged")
    sections: list[tuple[str, dict[str, str]]] = []
    for line in content[:end].decode("latin-1").splitlines():
        text = line.strip().removeprefix("\\")
        if text.startswith("*"):
            sections.append((text[1:].strip().casefold(), {}))
        elif sections and ": " in f"{text} ":
            key, _, value = text.partition(":")
            if key.startswith("@") and key[1:].isdigit():  # as in `@2:Z scale`
                name, _, value = value.partition(":")
                key = f"{key}:{name}"
            sections[-1][1][key.strip().casefold()] = value.strip()
    return sections


def _find_image(content: bytes, image: Section, scan: Section, sensitivities: Section) -> StoredChannel:
    name = _title(image) or ""
    columns, lines = _whole(image, "samps/line"), _whole(image, "number of lines")
    valid = [
        _whole(image, f"valid data len {axis}") if f"valid data len {axis}" in image else count
        for axis, count in (("x", columns), ("y", lines))
    ]
    offset, length = _whole(image, "data offset"), _whole(image, "data length")
    grid, stored = _stored(name, image, length, [(lines, columns), (valid[1], valid[0])])
    if offset + length > len(content):
        raise ScanError(
            f"channel {name!r}: its data ends at byte {offset + length}, the file at {len(content)}: "
            "it is cut off; copy it from the instrument again"
        )
    rows, width = min(valid[1], grid[0]), min(valid[0], grid[1])
    top, left = _begin(image, "y", grid[0] - rows), _begin(image, "x", grid[1] - width)
    window = (slice(top, top + rows), slice(left, left + width))
    step, unit = _z_step(name, image, sensitivities)
    pixel, warnings = _pixel_size_nm(name, image, scan, (rows, width), (lines, columns))
    channel = Channel(name, unit, (rows, width), pixel, (*warnings, *planefits(image)))
    return StoredChannel(channel, partial(_read_values, content, offset, stored, grid, window, step))


def _stored(
    name: str, image: Section, length: int, grids: Sequence[tuple[int, int]]
) -> tuple[tuple[int, int], int]:
    """Find the grid that the data fill, and the bytes of a value.

    Since version 9.2 of the software values of 4 bytes may lie under a header that says 2, as the scale's.
    """
    stated = _bytes(image)
    for stored in dict.fromkeys((stated, 4) if stated == 2 else (stated,)):
        for rows, columns in grids:
            if stored in (2, 4, 8) and rows * columns * stored == length:
                return (rows, columns), stored
    rows, columns = grids[-1]
    raise ScanError(
        f"channel {name!r}: {length} bytes are no {columns} x {rows} integers of {stated} bytes: "
        "the header is damaged"
    )


def planefits(image: Section) -> tuple[str, ...]:
    """Say which plane fits of the software an image has been through, while it was scanned and after."""
    kinds = {key: image.get(f"{key} planefit", "") for key in ("realtime", "offline")}
    return flattened(
        *(f"{key} planefit {kind}" for key, kind in kinds.items() if kind.casefold() not in _KEPT)
    )


def _begin(image: Section, axis: str, most: int) -> int:
    text = image.get(f"valid data start {axis}", "0")
    return min(int(text), most) if text.isdecimal() and len(text) < 9 else 0


def _read_values(
    content: bytes, offset: int, stored: int, grid: tuple[int, int], window: tuple[slice, ...], step: float
) -> NDArray[np.float64]:
    """Scale the integers that are valid; the first line of a file is at the bottom of the picture.

    Lines that hold the lowest integer throughout were not scanned.
    """
    values = np.frombuffer(content, dtype=f"<i{stored}", count=grid[0] * grid[1], offset=offset)
    valid = values.reshape(grid)[window][::-1]
    empty = (valid == np.iinfo(valid.dtype).min).all(axis=1, keepdims=True)
    return np.where(empty, np.nan, valid * step)


def _z_step(name: str, image: Section, sensitivities: Section) -> tuple[float, str]:
    """Size of one step of the integers and its unit: full range over 256^bytes, times the sensitivity.

    The range has a unit of its own (``440.0 V``, ``440.0 mV``), which is that below the sensitivity's line
    (``12.95 nm/V``), up to a prefix; where it is another, the value has no unit.
    """
    if "@2:z scale" not in image:
        return _old_z_step(name, image)
    text = _text(image, "@2:z scale")
    match = _SCALE.match(text)
    if match is None:
        return math.nan, ""
    step = _number(match["value"], name) / 256 ** _bytes(image)
    unit = match["unit"] or ""
    if match["sensitivity"]:
        known = sensitivities.get(match["sensitivity"].casefold())
        if known is None:
            return step, unit
        parts = known.split()
        step *= _number(parts[1], name) if len(parts) > 1 else math.nan
        above, _, below = (parts[2] if len(parts) > 2 else "").partition("/")
        if not unit or not below or unit == below:
            return step, above
        ours, theirs = per_unit(unit, below[-1]), per_unit(below, below[-1])
        return (math.nan, "") if ours is None or theirs is None else (step * (ours / theirs), above)
    return step, unit


def _old_z_step(name: str, image: Section) -> tuple[float, str]:
    """Size of a step before version 4.3: a length over the levels behind it, or over 65536.

    Files without `Z scale` are older still.
    """
    if "z scale" not in image:
        raise ScanError(
            f"channel {name!r} has no 'Z scale', as in files of the oldest software: open it in Gwyddion, "
            "and save it as .gwy"
        )
    match = _OLD_SCALE.match(image["z scale"])
    if match is None:
        return math.nan, ""
    levels = int(match["levels"] or 0) or 1 << 16
    return _number(match["value"], name) / levels, match["unit"]


def _bytes(image: Section) -> int:
    """Bytes of a value; old files do not say, and have two."""
    return _whole(image, "bytes/pixel", most=8) if "bytes/pixel" in image or "@2:z scale" in image else 2


def _pixel_size_nm(
    name: str, image: Section, scan: Section, shape: tuple[int, int], whole: tuple[int, int]
) -> tuple[tuple[float, float], tuple[str, ...]]:
    """Divide the frame by the pixels that a whole one has.

    A frame's height is `Slow Axis Size`, else the second number of `Scan Size`. A frame that was stopped
    states the size of the whole one: its valid lines are fewer than its lines, these are fewer than those of
    the scan list, or its aspect ratio is not 1:1 and its pixels are square (as Gwyddion and pySPM have it).
    Another frame with fewer lines than pixels per line has pixels that are not square.
    """
    width, height = _lengths(name, _text(image, "scan size"))
    slow = _lengths(name, image.get("slow axis size") or scan.get("slow axis size", ""))[1]
    set_to = scan.get("lines", "")
    rows = max(whole[0], int(set_to) if set_to.isdecimal() and len(set_to) < 7 else 0)
    x = width / whole[1]
    aspect = image.get("aspect ratio", "1:1")
    square = aspect not in ("1:1", "1") and width == height
    y = x if square else height / rows
    warnings = []
    if math.isfinite(slow):
        shared = (slow / count for count in (shape[0], whole[0], rows))
        y = next((size for size in shared if math.isclose(size, y, rel_tol=_SAME)), slow / rows)
        if not math.isclose(slow, height, rel_tol=_SAME):
            told = f"its slow axis is {slow:.6g} nm, but its scan size {height:.6g} nm: a pixel is {y:.6g} nm"
            warnings.append(named(Doubt.RECORDS, told))
    if shape != (rows, whole[1]):
        told = (
            f"it holds {shape[1]} x {shape[0]} of the {whole[1]} x {rows} pixels of its frame, which was "
            "stopped: pixels keep the size that they have in the whole one"
        )
        warnings.append(named(Doubt.UNFINISHED, told))
    elif square:
        told = f"its aspect ratio is {aspect}, its scan size square: pixels are taken as square"
        warnings.append(named(Doubt.RECORDS, told))
    return (x, y), tuple(warnings)


def _lengths(name: str, text: str) -> tuple[float, float]:
    """Read one or two lengths with a unit behind them, as in ``2 2 ~m``; NaN where there are none."""
    parts = text.split()
    factor = nm_per(parts[-1]) if parts else None
    if factor is None or len(parts) not in (2, 3):
        return math.nan, math.nan
    return _number(parts[0], name) * factor, _number(parts[-2], name) * factor


def _title(image: Section) -> str | None:
    match = _TITLE.match(image.get("@2:image data", ""))
    return image.get("image data") if match is None else match[1]


def _text(section: Section, key: str) -> str:
    if key not in section:
        raise ScanError(f"its header lacks {key!r}: it is damaged")
    return section[key]


def _whole(section: Section, key: str, most: int = 1 << 40) -> int:
    text = _text(section, key)
    if not (text.isdecimal() and text.isascii() and len(text) < 16 and 0 < int(text) <= most):
        raise ScanError(f"its header says {key!r} is {text[:40]!r}: it is damaged")
    return int(text)


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ScanError(f"channel {name!r}: {text[:40]!r} is no number: the header is damaged") from error
