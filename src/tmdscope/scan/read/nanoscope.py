"""Bruker's Nanoscope files: a text header of sections, then the channels as little-endian integers.

pySPM 0.6.3, which is what AFMReader reads them with, takes seconds to import, never returns from a header
without an end, and turns frames without the key ``Valid data len`` on their side when they are not square.
Values and sizes here equal pySPM's where it is right (`tests/scan/read/test_real_files.py`).
"""

import math
import re
from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tmdscope.scan.read.channels import Channel, Found, ScanError, nm_per

_END = b"\\*File list end"
_MAX_HEADER = 1 << 20
_IMAGE = "ciao image list"
_SCALE = re.compile(
    r"\S+\s+(?:\[(?P<sensitivity>[^\]]*)\]\s*)?\(.*?/LSB\)\s*(?P<value>\S+)(?:\s+(?P<unit>\S+))?"
)
_TITLE = re.compile(r'.*"([^"]*)"')

Section = Mapping[str, str]


def find_channels(content: bytes) -> list[Found]:
    """List the channels of a Nanoscope file.

    Parameters
    ----------
    content : bytes
        The whole file.

    Returns
    -------
    list of Found
        Its images in the file's order, those of the way back (Retrace) after all others.

    Raises
    ------
    ScanError
        The header has no end, lacks a key, holds a number that cannot be, or announces data that is not
        there.
    """
    sections = _read_sections(content)
    sensitivities = {
        key.removeprefix("@"): value
        for name, section in sections
        if name != _IMAGE
        for key, value in section.items()
        if key.startswith("@sens. ")
    }
    images = [section for name, section in sections if name == _IMAGE and _title(section) is not None]
    if not images:
        raise ScanError("its header lists no image; it may be a force curve")
    images.sort(key=lambda image: image.get("line direction") == "Retrace")
    return [_find_image(content, image, sensitivities) for image in images]


def _read_sections(content: bytes) -> list[tuple[str, dict[str, str]]]:
    end = content.find(_END, 0, _MAX_HEADER)
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


def _find_image(content: bytes, image: Section, sensitivities: Section) -> Found:
    name = _title(image) or ""
    columns = _whole(image, "valid data len x" if "valid data len x" in image else "samps/line")
    rows = _whole(image, "valid data len y" if "valid data len y" in image else "number of lines")
    offset, length = _whole(image, "data offset"), _whole(image, "data length")
    stored, rest = divmod(length, rows * columns) if rows * columns else (0, 0)
    if rest or stored not in (2, 4, 8):
        raise ScanError(
            f"channel {name!r}: {length} bytes are no {columns} x {rows} integers: the header is damaged"
        )
    if offset + length > len(content):
        raise ScanError(
            f"channel {name!r}: its data ends at byte {offset + length}, the file at {len(content)}: "
            "it is cut off; copy it from the instrument again"
        )
    step, unit = _z_step(name, image, sensitivities)
    channel = Channel(name, unit, (rows, columns), _pixel_size_nm(name, image, rows, columns))
    return Found(channel, partial(_read_values, content, offset, stored, (rows, columns), step))


def _read_values(
    content: bytes, offset: int, stored: int, shape: tuple[int, int], step: float
) -> NDArray[np.float64]:
    """Scale the integers; the first line of a file is at the bottom of the picture."""
    values = np.frombuffer(content, dtype=f"<i{stored}", count=shape[0] * shape[1], offset=offset)
    scaled: NDArray[np.float64] = values.reshape(shape)[::-1] * step
    return scaled


def _z_step(name: str, image: Section, sensitivities: Section) -> tuple[float, str]:
    """Size of one step of the integers and its unit: full range over 256^bytes, times the sensitivity."""
    text = _text(image, "@2:z scale")
    match = _SCALE.match(text)
    if match is None:
        return math.nan, ""
    step = _number(match["value"], name) / 256 ** _whole(image, "bytes/pixel", most=8)
    unit = match["unit"] or ""
    if match["sensitivity"]:
        known = sensitivities.get(match["sensitivity"].casefold())
        if known is None:
            return step, unit
        parts = known.split()
        step *= _number(parts[1], name) if len(parts) > 1 else math.nan
        unit = parts[2].split("/")[0] if len(parts) > 2 else ""
    return step, unit


def _pixel_size_nm(name: str, image: Section, rows: int, columns: int) -> tuple[float, float]:
    """Divide the scan size by its pixels.

    A frame that was stopped early states the size of the whole one and an aspect ratio other than 1:1; its
    pixels are square, as pySPM has it. A frame of aspect 1:1 with fewer lines has pixels that are not.
    """
    parts = _text(image, "scan size").split()
    factor = nm_per(parts[-1]) if parts else None
    if factor is None or len(parts) not in (2, 3):
        return math.nan, math.nan
    width, height = (_number(part, name) * factor for part in (parts[0], parts[-2]))
    x = width / columns
    whole_frame = image.get("aspect ratio", "1:1") in ("1:1", "1") or width != height
    return x, height / rows if whole_frame else x


def _title(image: Section) -> str | None:
    match = _TITLE.match(image.get("@2:image data", ""))
    return None if match is None else match[1]


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
