"""Formats that well-kept libraries read. Each is imported when it is needed, in a process of its own.

AFMReader is LGPL: it is imported, never copied.
"""

import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from tmdscope.scan.read.channels import Channel, Found, ScanError

_JPK_NAME, _JPK_RETRACE = 0x8050, 0x8051
_JPK_WIDTH, _JPK_HEIGHT, _JPK_COLUMNS, _JPK_ROWS = 0x8042, 0x8043, 0x8046, 0x8047


def find_ibw(path: Path) -> list[Found]:
    """List the channels of an Asylum Igor binary wave, read by igor2.

    AFMReader gives one pixel size where the wave states two.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    list of Found
        The layers of the wave.

    Raises
    ------
    ScanError
        It is no image, or its note states no scan size.
    """
    from igor2 import binarywave

    wave = binarywave.load(str(path))["wave"]
    values = np.asarray(wave["wData"])
    names = [label.decode("latin-1") for labels in wave["labels"] for label in labels if label]
    if values.ndim != 3 or values.shape[2] != len(names):
        raise ScanError(
            f"its wave has shape {values.shape} and {len(names)} names; expected an image of layers"
        )
    note = wave["note"].decode("latin-1") if isinstance(wave["note"], bytes) else str(wave["note"])
    columns, rows = values.shape[:2]
    pixel = (_noted(note, "FastScanSize") * 1e9 / columns, _noted(note, "SlowScanSize") * 1e9 / rows)
    unit = wave["wave_header"]["dataUnits"].tobytes().rstrip(b"\x00").decode("latin-1")
    return [
        Found(
            Channel(name, unit if name.startswith(("Height", "ZSensor")) else "", (rows, columns), pixel),
            partial(lambda layer: values[:, ::-1, layer].T, layer),
        )
        for layer, name in enumerate(names)
    ]


def find_jpk(path: Path) -> list[Found]:
    """List the channels of a JPK image, read by AFMReader; both pixel sizes from its tags.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    list of Found
        Trace and retrace of every channel.

    Raises
    ------
    ScanError
        It is a TIFF without JPK's tags, or pixels of a channel are missing.
    """
    import tifffile
    from AFMReader.jpk import load_jpk

    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages.first.tags
        if any(tag not in tags for tag in (_JPK_WIDTH, _JPK_HEIGHT, _JPK_COLUMNS, _JPK_ROWS)):
            raise ScanError("it is a TIFF without JPK's tags of its size: give pictures an ending of theirs")
        pixel = tuple(
            float(tags[size].value) * 1e9 / float(tags[count].value)
            for size, count in ((_JPK_WIDTH, _JPK_COLUMNS), (_JPK_HEIGHT, _JPK_ROWS))
        )
        found = []
        for page in tiff.pages[1:]:
            ends = [a + b for a, b in zip(page.dataoffsets, page.databytecounts, strict=True)]
            if max(ends, default=0) > path.stat().st_size:  # tifffile would give zeros for what is lost
                raise ScanError("it is cut off: pixels are missing; copy it from the instrument again")
            kind = str(page.tags[_JPK_NAME].value)
            name = f"{kind}_{'trace' if page.tags[_JPK_RETRACE].value == 0 else 'retrace'}"
            unit = "nm" if kind in ("height", "measuredHeight") else ""
            rows, columns = (int(count) for count in page.shape[:2])
            channel = Channel(name, unit, (rows, columns), (pixel[0], pixel[1]))
            found.append(Found(channel, partial(lambda name: load_jpk(path, name)[0], name)))
    return found


def find_gwy(path: Path) -> list[Found]:
    """List the data fields of a Gwyddion file, read by gwyfile.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    list of Found
        Its data fields by title.

    Raises
    ------
    ScanError
        A field is not in a unit of length along its sides.
    """
    import gwyfile

    content = gwyfile.load(str(path))
    found = []
    for key in content:
        match = re.fullmatch(r"/(\d+)/data", key)
        if match is None:
            continue
        field = content[key]
        rows, columns = int(field["yres"]), int(field["xres"])
        lateral = _gwy_unit(field, "si_unit_xy")
        scale = 1e9 if lateral == "m" else math.nan
        pixel = (float(field["xreal"]) * scale / columns, float(field["yreal"]) * scale / rows)
        name = str(content.get(f"{key}/title", f"channel {match[1]}"))
        channel = Channel(name, _gwy_unit(field, "si_unit_z"), (rows, columns), pixel)
        found.append(
            Found(
                channel,
                partial(lambda f, shape: np.asarray(f["data"]).reshape(shape), field, (rows, columns)),
            )
        )
    return found


def find_topostats(path: Path) -> list[Found]:
    """List the images of a TopoStats file, read by AFMReader; heights are in nm, pixels square.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    list of Found
        `image`, and `image_original` where it is there.
    """
    from AFMReader.topostats import load_topostats

    content = load_topostats(path)
    pixel = float(content.get("pixel_to_nm_scaling", math.nan))
    arrays = {name: np.asarray(content[name]) for name in ("image", "image_original") if name in content}
    return [
        Found(
            Channel(name, "nm", (array.shape[0], array.shape[1]), (pixel, pixel)), partial(np.asarray, array)
        )
        for name, array in arrays.items()
        if array.ndim == 2
    ]


def find_nid(path: Path) -> list[Found]:
    """List the images of a Nanosurf file, read by NSFopen.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    list of Found
        Forward and backward images.
    """
    from NSFopen.read import nid_read

    content = nid_read(filename=str(path))
    found = []
    for key in content.data.index:
        header = _nid_header(content.param["HeaderDump"], key[1], key[2])
        if key[0] != "Image" or header is None:
            continue
        values = np.asarray(content.data[key], dtype=np.float64)
        rows, columns = values.shape
        scales = [1e9 if header.get(f"Dim{axis}Unit") == "m" else math.nan for axis in (0, 1)]
        pixel = (
            float(header["Dim0Range"]) * scales[0] / columns,
            float(header["Dim1Range"]) * scales[1] / rows,
        )
        channel = Channel(f"{key[1]} {key[2]}", header.get("Dim2Unit", ""), (rows, columns), pixel)
        found.append(Found(channel, partial(np.flipud, values)))
    return found


def _nid_header(headers: Mapping[str, Any], direction: str, name: str) -> Mapping[str, str] | None:
    """Find the header of an image by its direction (`Forward`) and channel."""
    for _, header in headers.items():  # noqa: PERF102 - a Series of pandas
        frame = f"Scan {direction.lower()}"
        if isinstance(header, dict) and (header.get("Frame"), header.get("Dim2Name")) == (frame, name):
            return header
    return None


def _noted(note: str, key: str) -> float:
    """Read a number from an Asylum note; NaN where it has none."""
    match = re.search(rf"^{key}:[ \t]*(\S+)", note.replace("\r", "\n"), re.MULTILINE)
    try:
        return math.nan if match is None else float(match[1])
    except ValueError:
        return math.nan


def _gwy_unit(field: Mapping[str, Any], key: str) -> str:
    unit = field.get(key)
    return "" if unit is None else str(unit.get("unitstr", ""))


READERS: Mapping[str, Callable[[Path], list[Found]]] = MappingProxyType(
    {"ibw": find_ibw, "jpk": find_jpk, "gwy": find_gwy, "topostats": find_topostats, "nid": find_nid}
)
"""Name of a format to what lists its channels."""

LIBRARIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ibw": ("igor2.binarywave",),
        "jpk": ("tifffile", "AFMReader.jpk"),
        "gwy": ("gwyfile",),
        "topostats": ("AFMReader.topostats",),
        "nid": ("NSFopen.read",),
    }
)
"""Name of a format to the modules that read it."""
