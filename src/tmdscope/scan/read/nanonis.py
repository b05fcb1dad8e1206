"""Nanonis's files: tags and their lines as text, then the channels one after another.

As SPECS describes the format (Nanonis Mimea manual, chapter on SXM files). pySPM, which comes with AFMReader,
leaves turning to its caller and never returns from a header without an end; values equal its own
(`tests/scan/read/test_second_readers.py`).
"""

import math
import re
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tmdscope.scan.read.channels import Channel, ScanError, StoredChannel
from tmdscope.scan.read.formats import MAX_HEADER

_END = b"\x1a\x04"
_KINDS = {"FLOAT": "f4", "DOUBLE": "f8", "INT": "i4", "UINT": "u4"}
_ORDERS = {"MSBFIRST": ">", "LSBFIRST": "<"}
_BOTH = ("forward", "backward")


def find_sxm(path: Path) -> list[StoredChannel]:
    """List the images of a Nanonis file, forward and backward."""
    content = path.read_bytes()
    end = content.find(_END, 0, MAX_HEADER)
    if end < 0:
        raise ScanError("its header has no end: it is cut off; copy it from the instrument again")
    tags = _read_tags(content[:end].decode("latin-1"))
    kind, order = [*tags["SCANIT_TYPE"][0].split(), ""][:2]
    columns, rows = (int(count) for count in tags["SCAN_PIXELS"][0].split()[:2])
    width, height = (float(size) * 1e9 for size in tags["SCAN_RANGE"][0].split()[:2])
    if kind not in _KINDS or order not in _ORDERS or min(columns, rows) < 1:
        raise ScanError(f"its data are {kind} {order}, {columns} x {rows}: the header is damaged")
    stored = np.dtype(_ORDERS[order] + _KINDS[kind])
    upwards = tags["SCAN_DIR"][0].strip() == "up"
    images = [
        (name, unit, way)
        for _, name, unit, direction, *_ in (re.split(r"\s+", line.strip()) for line in tags["DATA_INFO"][1:])
        for way in (_BOTH if direction == "both" else (direction,))
    ]
    first, size = end + len(_END), columns * rows * stored.itemsize
    if first + len(images) * size > len(content):
        raise ScanError(f"it is cut off after {len(content)} bytes; copy it from the instrument again")
    return [
        StoredChannel(
            Channel(f"{way.capitalize()} {name}", unit, (rows, columns), (width / columns, height / rows)),
            partial(_read, content, first + k * size, stored, (rows, columns), upwards, way == "backward"),
        )
        for k, (name, unit, way) in enumerate(images)
    ]


def _read_tags(header: str) -> dict[str, list[str]]:
    """Read lines like ``:SCAN_PIXELS:`` and what stands below each, without empty lines."""
    parts = re.split(r"^:([^:\n]+):[ \t\r]*\n", header, flags=re.MULTILINE)
    return {
        name: [line for line in text.splitlines() if line.strip()]
        for name, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def _read(
    content: bytes,
    place: int,
    stored: np.dtype[np.generic],
    shape: tuple[int, int],
    upwards: bool,
    back: bool,
) -> NDArray[np.float64]:
    """Values are in the order of scanning: upwards from the bottom, backward from the right."""
    values = np.frombuffer(content, stored, math.prod(shape), place).reshape(shape).astype(np.float64)
    return values[:: -1 if upwards else 1, :: -1 if back else 1]
