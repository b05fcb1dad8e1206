"""Exports as text, with a header that says size and unit: Gwyddion's, SPIP's, NanoScope's, and XYZ of WSxM.

Formats as Gwyddion's user guide (ASCII data matrix), its module `spip-asc` and the programs' exports have
them. Text without a size or a unit is refused: nothing is assumed.
"""

import math
import re
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tmdscope.doubt import Doubt, named
from tmdscope.scan.read.channels import Channel, ScanError, StoredChannel, nm_per
from tmdscope.scan.read.nanoscope import planefits

_NUMBER = re.compile(r"\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*(\S*)\s*$")
_TITLE = re.compile(r'([^\s"(][^("\t]*?)\s*\(([^()\t]*)\)')
_COLUMN = re.compile(r"(\S+?)\[([^\]]*)\]")
_MAYBE_CUT = "its pixels are not square, and it does not say how many lines it has: it may be cut off"
_SQUARE = 0.01
"""Share by which the sides of a square pixel may differ."""
_EVEN = 0.01
"""Part of a step by which places on a grid may differ: they are rounded."""


def find_gwyddion_text(path: Path) -> list[StoredChannel]:
    """List the images of Gwyddion's text: a header of ``# Key: value`` and a matrix, one after another."""
    found = []
    for number, part in enumerate(re.split(r"^(?=# Channel:)", _text(path), flags=re.MULTILINE)):
        keys = _keys(r"^# ([^:\n]+): *(.*?)\s*$", part)
        if not keys:
            continue
        values = _matrix(re.sub(r"^#.*$", "", part, flags=re.MULTILINE))
        width, height = _length(keys.get("width", "")), _length(keys.get("height", ""))
        x, y = width / values.shape[1], height / values.shape[0]
        told = () if math.isclose(x, y, rel_tol=_SQUARE) else (named(Doubt.UNFINISHED, _MAYBE_CUT),)
        name, unit = keys.get("channel", f"field {number}"), keys.get("value units", "")
        found.append(_channel(name, unit, values, (width, height), told))
    return found


def find_spip(path: Path) -> list[StoredChannel]:
    """Read SPIP's text: ``# key = value``, lengths in nm; marks of pixels without a value may follow."""
    header, mark, data = _text(path).partition("# Start of Data:")
    keys = _keys(r"^# *(\S+) *= *(.*?)\s*$", header)
    if not mark or "x-pixels" not in keys or "y-pixels" not in keys:
        raise ScanError("it is SPIP's text without an image's size: a curve, or its header is lost")
    rows, columns = int(keys["y-pixels"]), int(keys["x-pixels"])
    values = _numbers(data)
    size = rows * columns
    _check_count(len(values), size, columns, rows)
    field = values[:size]
    if len(values) > size:
        _check_count(len(values), 2 * size, columns, rows)
        field = np.where(values[size : 2 * size] == 0, field, np.nan)
    unit = keys.get("z-unit", "").strip("[]")
    if not unit and "bit2nm" in keys:
        field, unit = field * float(keys["bit2nm"]), "nm"
    lengths = [_spip_nm(keys.get(f"{axis}-length", "")) for axis in "xy"]
    return [
        _channel(keys.get("channel", "image"), unit, field.reshape(rows, columns), (lengths[0], lengths[1]))
    ]


def _spip_nm(text: str) -> float:
    match = _NUMBER.match(text)
    return math.nan if match is None else float(match[1])


def find_nanoscope_text(path: Path) -> list[StoredChannel]:
    """List the columns of NanoScope's text: its header, titles such as ``Height(nm)``, a line for each pixel.

    The order of lines is that of the binary files: the first is at the bottom.
    """
    header, _, table = _text(path).replace('"', "").partition("\\*File list end")
    titles, _, data = table.strip().partition("\n")
    columns = _TITLE.findall(titles)
    keys = _keys(r"^\\([^:\n]+): *(.*?)\s*$", header)
    width, rows = int(keys["samps/line"].split()[0]), int(keys.get("number of lines", keys.get("lines", "0")))
    parts = keys.get("scan size", "").split()
    scale = nm_per(parts[-1]) if parts else None
    frame = [float(parts[k]) * (scale or math.nan) for k in (0, -2)] if len(parts) > 1 else [math.nan] * 2
    values = _matrix(data)
    if values.shape[1] != len(columns):
        raise ScanError(
            f"it has {values.shape[1]} columns of numbers and {len(columns)} titles: it is damaged"
        )
    _check_count(len(values), width * rows, width, rows)
    told = planefits(keys)
    return [
        _channel(name.replace("_", " "), unit, column.reshape(rows, width)[::-1], (frame[0], frame[1]), told)
        for (name, unit), column in zip(columns, values[: width * rows].T, strict=True)
    ]


def find_xyz(path: Path) -> list[StoredChannel]:
    """Read WSxM's XYZ text, whose titles name units: ``X[nm] Y[nm] Z[nm]``; places must fill an even grid."""
    lines = _text(path).splitlines()
    titles = _COLUMN.findall(lines[2]) if len(lines) > 2 else []
    values = _matrix("\n".join(lines[3:]))
    if len(titles) != 3 or values.shape[1] != 3:
        raise ScanError("it is XYZ text without the titles and units of three columns: it is damaged")
    axes = [np.unique(values[:, k]) for k in (0, 1)]
    for axis, places in zip("xy", axes, strict=True):
        steps = np.diff(places)
        if len(places) < 2 or np.ptp(steps) > _EVEN * float(np.median(steps)):
            raise ScanError(
                f"its places along {axis} are no even grid: put it on one in Gwyddion, save it as .gwy"
            )
    columns, rows = (len(places) for places in axes)
    _check_count(len(values), rows * columns, columns, rows)
    field = np.full((rows, columns), np.nan)
    x, y = (np.searchsorted(places, values[:, k]) for k, places in enumerate(axes))
    field[y, x] = values[:, 2]
    sizes = [
        float(np.median(np.diff(places))) * (nm_per(unit) or math.nan)
        for places, (_, unit) in zip(axes, titles, strict=False)
    ]
    return [_channel(titles[2][0], titles[2][1], field, (sizes[0] * columns, sizes[1] * rows))]


def _channel(
    name: str,
    unit: str,
    values: NDArray[np.float64],
    size_nm: tuple[float, float],
    told: tuple[str, ...] = (),
) -> StoredChannel:
    rows, columns = values.shape
    pixel = (size_nm[0] / columns, size_nm[1] / rows)
    return StoredChannel(Channel(name, unit, (rows, columns), pixel, told), partial(np.asarray, values))


def _check_count(count: int, expected: int, columns: int, rows: int) -> None:
    if count < expected:
        raise ScanError(f"it is cut off: it holds {count} values of {columns} x {rows}; export it again")


def _length(text: str) -> float:
    """Read a length with its unit, in nm; NaN where it is none."""
    match = _NUMBER.match(text)
    factor = nm_per(match[2]) if match else None
    return float(match[1]) * factor if match and factor else math.nan


def _matrix(text: str) -> NDArray[np.float64]:
    """Read lines of as many numbers each."""
    try:
        lines = [line for line in text.splitlines() if line.strip()]
        values = np.loadtxt(lines, ndmin=2, comments=None)
    except ValueError as error:
        told = f"its lines differ in length, or hold what is no number ({error})"
        raise ScanError(f"{told}: it is cut off or damaged; export it again, with decimal points") from error
    if not values.size:
        raise ScanError("it holds no numbers: it is cut off; export it again")
    return values


def _numbers(text: str) -> NDArray[np.float64]:
    return np.array(text.split(), dtype=np.float64)


def _keys(pattern: str, header: str) -> dict[str, str]:
    return {key.casefold(): value for key, value in re.findall(pattern, header, re.MULTILINE)}


def _text(path: Path) -> str:
    content = path.read_bytes()
    if not content[-1:].isspace():
        raise ScanError("it ends within a line, as if cut off: export it again")
    try:
        return content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return content.decode("latin-1").replace("\r\n", "\n")
