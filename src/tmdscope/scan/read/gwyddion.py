"""Gwyddion's own files, and its simple fields (Gwyddion user guide, chapters on both formats).

Read here and not by gwyfile, which takes text for UTF-8 alone: other programs write such files in Latin-1.
"""

import math
import re
import struct
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tmdscope.scan.read.channels import Channel, ScanError, StoredChannel, flattened, nm_per

_FIXED = {"b": 1, "c": 1, "i": 4, "q": 8, "d": 8}
_LEVELS = re.compile("level|line_?corr|align_rows|flatten|polynom|median-?_?bg|rotate3d|scars", re.IGNORECASE)
"""Names of Gwyddion's functions that take slopes or lines' heights off."""
_ARRAYS = {"C": 1, "I": 4, "Q": 8, "D": 8}


def find_gwy(path: Path) -> list[StoredChannel]:
    """List the data fields of a Gwyddion file by title, in the order of their numbers."""
    content = path.read_bytes()
    try:
        _, first, end = _open(content, 4, len(content))
        whole = dict(_components(content, first, end))
        fields = {int(match[1]): key for key in whole if (match := re.fullmatch(r"/(\d{1,9})/data", key))}
        opened = {number: _field(content, whole[fields[number]]) for number in sorted(fields)}
        logs = {number: _log(content, whole.get(f"/{number}/data/log")) for number in opened}
    except (struct.error, ValueError, KeyError) as error:
        raise ScanError(f"its parts are not as long as they say ({error}): it is damaged") from error
    return [
        _found(field, str(whole.get(f"/{number}/data/title", f"channel {number}")), flattened(*logs[number]))
        for number, field in opened.items()
        if field is not None
    ]


def _log(content: bytes, where: Any) -> list[str]:
    """List the functions in a field's log that level, each once: lines like ``proc::level(...)@time``."""
    if not isinstance(where, tuple):
        return []
    lines = dict(_components(content, where[1], where[2])).get("strings")
    named = (str(line).partition("(")[0].rpartition("::")[2] for line in lines or ())
    return [name for name in dict.fromkeys(named) if _LEVELS.search(name)]


def _found(field: Mapping[str, Any], name: str, told: tuple[str, ...]) -> StoredChannel:
    rows, columns = int(field["yres"]), int(field["xres"])
    if min(rows, columns) < 1 or len(field["data"]) != rows * columns:
        raise ScanError(f"channel {name!r} holds {len(field['data'])} values of {columns} x {rows}: damaged")
    scale = nm_per(field["si_unit_xy"]) or math.nan
    pixel = (float(field["xreal"]) * scale / columns, float(field["yreal"]) * scale / rows)
    channel = Channel(name, field["si_unit_z"], (rows, columns), pixel, told)
    return StoredChannel(channel, partial(np.reshape, field["data"], (rows, columns)))


def _field(content: bytes, where: Any) -> dict[str, Any] | None:
    """Read a data field and the units in it; None for another object."""
    if not isinstance(where, tuple) or where[0] != "GwyDataField":
        return None
    field: dict[str, Any] = {"xreal": math.nan, "yreal": math.nan}
    field |= dict(_components(content, where[1], where[2]))
    for key in ("si_unit_xy", "si_unit_z"):
        unit = field.get(key)
        parts = _components(content, unit[1], unit[2]) if isinstance(unit, tuple) else ()
        field[key] = str(next((value for name, value in parts if name == "unitstr"), ""))
    if not isinstance(field["data"], np.ndarray):
        raise ValueError("a field without numbers")
    return field


def _open(content: bytes, place: int, end: int) -> tuple[str, int, int]:
    """Read the head of an object: its name, and where what it holds begins and ends."""
    name, place = _text(content, place, end)
    (size,) = struct.unpack_from("<I", content, place)
    if place + 4 + size > end:
        raise ValueError(f"{name!r}")
    return name, place + 4, place + 4 + size


def _components(content: bytes, place: int, end: int) -> Iterator[tuple[str, Any]]:
    """Go through what an object holds; objects in it are told by where they lie, and not opened."""
    while place < end:
        name, place = _text(content, place, end)
        value, place = _value(content, chr(content[place]), place + 1, end)
        if place > end:
            raise ValueError(f"{name!r}")
        yield name, value


def _value(content: bytes, kind: str, place: int, end: int) -> tuple[Any, int]:
    if kind == "s":
        return _text(content, place, end)
    if kind == "o":
        name, first, last = _open(content, place, end)
        return (name, first, last), last
    if kind in _FIXED:
        code = {"b": "<?", "c": "<c"}.get(kind, f"<{kind}")
        return struct.unpack_from(code, content, place)[0], place + _FIXED[kind]
    (count,) = struct.unpack_from("<I", content, place)
    place += 4
    if kind in _ARRAYS:
        last = place + count * _ARRAYS[kind]
        if last > end:
            raise ValueError(f"{count} numbers")
        numbers = np.frombuffer(content, "<f8", count, place) if kind == "D" else None
        return numbers, last
    if kind not in "SO":
        raise ValueError(f"kind {kind!r}")
    texts = []
    for _ in range(count):
        if kind == "S":
            text, place = _text(content, place, end)
            texts.append(text)
        else:
            place = _open(content, place, end)[2]
    return texts, place


def _text(content: bytes, place: int, end: int) -> tuple[str, int]:
    """Read a text up to its zero: UTF-8, or Latin-1 where it is not."""
    last = content.index(b"\0", place, end)
    raw = content[place:last]
    try:
        return raw.decode("utf-8"), last + 1
    except UnicodeDecodeError:
        return raw.decode("latin-1"), last + 1


def find_gsf(path: Path) -> list[StoredChannel]:
    """Read a Gwyddion simple field: lines of text, zeros up to a multiple of 4 bytes, float32 downwards."""
    content = path.read_bytes()
    end = content.index(b"\0")
    text = _text(content, 0, end + 1)[0]
    keys = dict(re.findall(r"^(\w+) *= *(.*?)\s*$", text, re.MULTILINE))
    rows, columns = int(keys["YRes"]), int(keys["XRes"])
    scale = nm_per(keys.get("XYUnits", "")) or math.nan
    pixel = tuple(
        float(keys.get(f"{axis}Real", "nan")) * scale / count for axis, count in (("X", columns), ("Y", rows))
    )
    name = keys.get("Title", "field")
    channel = Channel(name, keys.get("ZUnits", ""), (rows, columns), (pixel[0], pixel[1]))
    values = np.frombuffer(content, "<f4", rows * columns, end + 4 - end % 4)
    return [StoredChannel(channel, partial(values.reshape, rows, columns))]
