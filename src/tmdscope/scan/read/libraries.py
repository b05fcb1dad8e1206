"""Formats that well-kept libraries read. Each is imported when it is needed, in a process of its own.

AFMReader is LGPL: it is imported, never copied.
"""

import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from tmdscope.doubt import Doubt, named
from tmdscope.scan.read.channels import PIXEL_RANGE_NM, Channel, ScanError, StoredChannel, flattened, nm_per
from tmdscope.scan.read.gwyddion import find_gsf, find_gwy
from tmdscope.scan.read.hdf5 import find_h5_jpk, find_nhf, find_topostats, frames
from tmdscope.scan.read.nanonis import find_sxm
from tmdscope.scan.read.texts import find_gwyddion_text, find_nanoscope_text, find_spip, find_xyz
from tmdscope.scan.read.tiffs import find_jpk, find_park
from tmdscope.scan.read.topographies import find_mdt, find_mi, find_wsxm

_ROUNDED = 0.05
"""Part of a pixel by which a frame may differ from a whole number of them: sizes in files are rounded."""

_LENGTHS = re.compile("height|zsensor", re.IGNORECASE)
"""Layers of Asylum's waves that are in the unit of the wave; it states one for all."""

_ASD_FRAME_HEADER, _ASD_BITS = 32, 12
"""Bytes before each frame of a movie, and bits of a height, as AFMReader takes them."""

_SQUARE = 0.01
"""Share by which the sides of a square pixel may differ."""


def find_ibw(path: Path) -> list[StoredChannel]:
    """List the layers of an Asylum Igor binary wave, read by igor2.

    AFMReader gives one pixel size where the wave states two.
    """
    from igor2 import binarywave

    loaded = binarywave.load(str(path))
    wave, version = loaded["wave"], loaded["version"]
    values = np.asarray(wave["wData"])
    names = _layer_names(path.read_bytes()) if version == 5 else []
    if values.ndim != 3 or values.shape[2] != len(names):
        raise ScanError(
            f"its wave has shape {values.shape} and {len(names)} names; expected an image of layers"
        )
    note = wave["note"].decode("latin-1") if isinstance(wave["note"], bytes) else str(wave["note"])
    columns, rows = values.shape[:2]
    pixel, warnings = _asylum_pixel_nm(wave["wave_header"], note, columns, rows)
    unit = _igor_text(wave["wave_header"]["dataUnits"])
    return [
        StoredChannel(
            Channel(
                name,
                unit if _LENGTHS.search(name) else "",
                (rows, columns),
                pixel,
                (*warnings, *_asylum_levelling(note, layer)),
            ),
            partial(lambda layer: values[:, ::-1, layer].T, layer),
        )
        for layer, name in enumerate(names)
    ]


def _asylum_levelling(note: str, layer: int) -> tuple[str, ...]:
    """Say which orders of a plane or of lines the note says were subtracted from a layer; -1 is none."""
    orders = {key: _noted(note, f"{key} {layer}") for key in ("PlanefitOrder", "FlattenOrder")}
    return flattened(*(f"{key} {order:g}" for key, order in orders.items() if order >= 0))


def _layer_names(content: bytes) -> list[str]:
    """Read the labels of a wave's layers: fields of 32 bytes, each a text up to a zero.

    igor2 keeps what lies behind the zero. Where they are follows from the sizes in the header (WaveMetrics,
    technical note 3, version 5); the first of a dimension is the dimension's own.
    """
    wave, formula, note, unit, *others = struct.unpack_from("<13i" if content[0] else ">13i", content, 4)[:12]
    first = 64 + wave + formula + note + unit + sum(others[:4])
    names = []
    for size in others[4:]:
        fields = [content[k : k + 32] for k in range(first + 32, first + size, 32)]
        names += [field.partition(b"\0")[0].decode("latin-1") for field in fields]
        first += size
    return [name for name in names if name]


def _asylum_pixel_nm(
    header: Mapping[str, Any], note: str, columns: int, rows: int
) -> tuple[tuple[float, float], tuple[str, ...]]:
    """Find the size of pixels: as the wave's own scale has it, which also holds for frames that were stopped.

    The scale is the distance of two pixels: of N along a frame, a part in N - 1 (Asylum) or in N. The size of
    the frame is in the note, and tells which of the two.
    """
    frames = [_noted(note, f"{axis}ScanSize") * 1e9 for axis in ("Fast", "Slow")]
    counts, noted = (columns, rows), [_noted(note, "ScanPoints"), _noted(note, "ScanLines")]
    steps = [
        float(header["sfA"][k]) * (nm_per(_igor_text(header["dimUnits"][k]) or "m") or math.nan)
        for k in (0, 1)
    ]
    low, high = PIXEL_RANGE_NM
    if not all(low <= step <= high for step in steps):
        return _share_out(frames, counts, noted)
    fast = noted[0] if math.isfinite(noted[0]) else columns
    between = abs(frames[0] / steps[0] - (fast - 1)) < 0.5
    pixel, warnings = [], []
    for step, frame, count, axis in zip(steps, frames, counts, ("wide", "high"), strict=True):
        parts = frame / step
        if not math.isfinite(parts) or abs(parts - round(parts)) > _ROUNDED:
            pixel.append(step)
            if math.isfinite(frame):
                told = (
                    f"its pixels are {step:.6g} nm {axis}, which is no part of the frame of {frame:.6g} nm "
                    "that its note states: the pixels' own size is used"
                )
                warnings.append(named(Doubt.RECORDS, told))
            continue
        whole = round(parts) + between
        pixel.append(frame / whole)
        if whole != count:
            warnings.append(_stopped(count, whole, axis))
    return (pixel[0], pixel[1]), tuple(warnings)


def _share_out(
    frames: Sequence[float], counts: Sequence[int], noted: Sequence[float]
) -> tuple[tuple[float, float], tuple[str, ...]]:
    """Divide a frame by the pixels that the note announces, or by those that are there."""
    whole = [int(n) if math.isfinite(n) and n >= 1 else count for n, count in zip(noted, counts, strict=True)]
    warnings = [
        _stopped(count, n, axis)
        for count, n, axis in zip(counts, whole, ("wide", "high"), strict=True)
        if count != n
    ]
    return (frames[0] / whole[0], frames[1] / whole[1]), tuple(warnings)


def _stopped(count: int, whole: int, axis: str) -> str:
    return named(
        Doubt.UNFINISHED,
        f"it is {count} of {whole} pixels {axis}, a part of the frame: "
        "pixels keep the size that they have in the whole one",
    )


def _igor_text(letters: Any) -> str:
    return bytes(np.asarray(letters).tobytes()).partition(b"\0")[0].decode("latin-1")


def find_asd(path: Path) -> list[StoredChannel]:
    """List the frames of a movie of high-speed AFM, read by AFMReader; other channels than heights are not.

    AFMReader gives one size for pixels that may not be square; that of the header is taken.
    """
    from AFMReader.asd import load_asd

    try:
        values, _, header = load_asd(path, "TP")
    except ValueError as error:
        raise ScanError(f"it has no channel of heights (TP) that can be read ({error})") from error
    if header["frame_header_length"] != _ASD_FRAME_HEADER:
        raise ScanError(f"its frames' headers are not of {_ASD_FRAME_HEADER} bytes: it is damaged")
    if header["analogue_digital_data_bits_size"] != _ASD_BITS:
        raise ScanError(
            f"its heights are not of {_ASD_BITS} bits, as its reader takes them: export its frames"
        )
    rows, columns = int(header["y_pixels"]), int(header["x_pixels"])
    pixel = (float(header["x_nm"]) / columns, float(header["y_nm"]) / rows)
    return [
        StoredChannel(Channel(name, "nm", (rows, columns), pixel, told), partial(np.asarray, values[frame]))
        for frame, (name, told) in enumerate(frames("Topography", len(values)))
    ]


def find_nid(path: Path) -> list[StoredChannel]:
    """List the images of a Nanosurf file, forward and backward, read by NSFopen."""
    from NSFopen.read import nid_read

    content = nid_read(filename=str(path))
    headers = [one for _, one in content.param["HeaderDump"].items() if isinstance(one, dict)]
    if len({one["SaveBits"].strip() for one in headers if "SaveBits" in one}) > 1:
        raise ScanError("its images hold numbers of different sizes, which its reader does not tell apart")
    found = []
    for key in content.data.index:
        shown = (f"Scan {key[1].lower()}", key[2])
        header = next((one for one in headers if (one.get("Frame"), one.get("Dim2Name")) == shown), None)
        if key[0] != "Image" or header is None:
            continue
        if header.get("SaveSign", "Signed").strip().casefold() != "signed":
            raise ScanError(f"channel {key[2]!r} holds unsigned numbers, which its reader takes for signed")
        values = np.asarray(content.data[key], dtype=np.float64)
        rows, columns = values.shape
        pixel, warnings = _nid_pixel_nm(content.param["HeaderDump"], header, columns, rows)
        channel = Channel(f"{key[1]} {key[2]}", header.get("Dim2Unit", ""), (rows, columns), pixel, warnings)
        lost = (values == float(header["Dim2Min"])).all(axis=1, keepdims=True)  # lines not scanned
        found.append(StoredChannel(channel, partial(np.flipud, np.where(lost, np.nan, values))))
    return found


def _nid_pixel_nm(
    headers: Mapping[str, Any], header: Mapping[str, str], columns: int, rows: int
) -> tuple[tuple[float, float], tuple[str, ...]]:
    """Divide ranges by pixels; a frame that was stopped has fewer lines, its range may be the whole one's."""
    scales = [nm_per(header.get(f"Dim{axis}Unit", "")) or math.nan for axis in (0, 1)]
    width, height = (float(header[f"Dim{axis}Range"]) * scales[axis] for axis in (0, 1))
    settings = next((one for name, one in headers.items() if name == "DataSet-Info"), None)
    lines = settings.get("Lines", "").strip() if isinstance(settings, dict) else ""
    whole = int(lines) if lines.isdecimal() and len(lines) < 7 else rows
    if whole <= rows or math.isclose(height / rows, width / columns, rel_tol=_SQUARE):
        return (width / columns, height / rows), ()
    return (width / columns, height / whole), (_stopped(rows, whole, "high"),)


def _noted(note: str, key: str) -> float:
    """Read a number from an Asylum note; NaN where it has none."""
    match = re.search(rf"^{key}:[ \t]*(\S+)", note.replace("\r", "\n"), re.MULTILINE)
    try:
        return math.nan if match is None else float(match[1])
    except ValueError:
        return math.nan


READERS: Mapping[str, tuple[Callable[[Path], list[StoredChannel]], str]] = MappingProxyType(
    {
        "ibw": (find_ibw, "igor2.binarywave"),
        "jpk": (find_jpk, "tifffile"),
        "park": (find_park, "tifffile"),
        "gwy": (find_gwy, "numpy"),
        "gsf": (find_gsf, "numpy"),
        "topostats": (find_topostats, "AFMReader.topostats"),
        "nid": (find_nid, "NSFopen.read"),
        "h5-jpk": (find_h5_jpk, "h5py"),
        "nhf": (find_nhf, "h5py"),
        "asd": (find_asd, "AFMReader.asd"),
        "sxm": (find_sxm, "numpy"),
        "mi": (find_mi, "SurfaceTopography.IO.MI"),
        "mdt": (find_mdt, "SurfaceTopography.IO.MDT"),
        "wsxm": (find_wsxm, "SurfaceTopography.IO.WSXM"),
        "gwyddion-text": (find_gwyddion_text, "numpy"),
        "spip": (find_spip, "numpy"),
        "nanoscope-text": (find_nanoscope_text, "numpy"),
        "xyz": (find_xyz, "numpy"),
    }
)
"""Name of a format to what lists its channels, and the module that it needs."""
