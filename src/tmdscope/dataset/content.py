"""What a user's file holds: an instrument's scan, heights, or a picture; one rule for every door."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tmdscope.dataset.pictures import PictureError, decode_picture, memory_of
from tmdscope.limits import READER_MEMORY_BYTES, READER_MEMORY_PER_BYTE
from tmdscope.memory import WORK, available_bytes
from tmdscope.scan.plausible import doubts
from tmdscope.scan.read.formats import holds_scan
from tmdscope.scan.read.read import decode_file

Kind = Literal["scan", "heights", "picture"]
"""``scan`` and ``heights`` are levelled, a ``picture`` is not."""


_SCAN_PER_BYTE = 64
"""Bytes that a scan takes until it is an image, beside its reader, for each byte of its file."""


class Content(NamedTuple):
    """What a file holds: heights in nm or grey values, shape (rows, columns), finite.

    A pixel's width and height are NaN where nobody says; `channel` is of an instrument's; `warnings` say why
    heights are doubtful.
    """

    kind: Kind
    values: NDArray[Any]
    pixel_size_nm: tuple[float, float]
    channel: str | None = None
    warnings: tuple[str, ...] = ()


def read_content(
    content: bytes,
    name: str,
    heights: bool | None = None,
    pixel_size_nm: float = math.nan,
    channel: str | None = None,
) -> Content:
    """Read a file: an instrument's is a scan, floating-point values are heights, all else is a picture.

    Whoever gave one that is no instrument's may say whether it holds `heights`, and the width of its square
    pixels. Of an instrument's channels, that of the heights is found unless one is named.
    """
    if holds_scan(content, name):
        scan = decode_file(content, name, channel).scan
        return Content("scan", scan.height_nm, scan.pixel_size_nm, scan.channel, scan.warnings)
    values = decode_picture(content, Path(name).suffix)
    if heights and values.dtype.itemsize == 1:
        raise PictureError("it holds 8-bit grey values, not heights: give it as a picture")
    kind: Kind = "heights" if heights or (heights is None and values.dtype.kind == "f") else "picture"
    if kind == "heights" and np.abs(values).max() > np.finfo(np.float32).max:
        raise PictureError(f"it holds heights of {np.abs(values).max():.3g} nm; mend or crop them")
    held = values.astype(np.float32) if kind == "heights" else values  # as scans are
    told = doubts(held, max(held.shape) * pixel_size_nm) if kind == "heights" else ()
    return Content(kind, held, (pixel_size_nm, pixel_size_nm), warnings=told)


@contextmanager
def room_for(content: bytes, name: str) -> Iterator[None]:
    """Wait until there is memory to make an image of a file, as every door on threads does."""
    if holds_scan(content, name):
        needed = READER_MEMORY_BYTES + len(content) * (READER_MEMORY_PER_BYTE + _SCAN_PER_BYTE)
    else:
        needed = memory_of(content, Path(name).suffix)
    with WORK.take(needed):
        try:
            yield
        except MemoryError as error:
            raise PictureError(
                f"it takes about {needed >> 20} MiB of memory, of which {available_bytes() >> 20} are free: "
                "crop or shrink it"
            ) from error
