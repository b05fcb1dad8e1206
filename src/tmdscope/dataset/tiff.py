"""TIFF pictures of every depth: the bytes as libtiff unpacks them, read here as their tags say.

PIL unpacks every compression of libtiff, but has no modes for most depths: it keeps 8 of 16 bits of colours,
reads unsigned numbers of 32 bits as signed and knows no doubles. So it is given the same strips under tags of
an 8-bit grey picture, as wide as a row has bytes. Tags: TIFF 6.0, and Adobe's Technical Note 3 (the predictor
of floating-point numbers).
"""

import math
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.TiffImagePlugin import TiffImageFile

from tmdscope.errors import UserError
from tmdscope.limits import MAX_PIXELS, MAX_TAGS
from tmdscope.scan.read.formats import TiffEntry, tiff_entries

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIPS, ORIENTATION, SAMPLES, ROWS, STRIP_BYTES, PLANAR = 273, 274, 277, 278, 279, 284
PREDICTOR, TILE_WIDTH, TILE_HEIGHT, TILES, TILE_BYTES, EXTRA, FORMAT = 317, 322, 323, 324, 325, 338, 339

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}
_PHOTOMETRIC = {0: 1, 1: 1, 2: 3}
_NAMES = {
    3: "a palette",
    4: "a mask",
    5: "CMYK",
    6: "YCbCr",
    8: "CIELab",
    9: "ICCLab",
    32803: "a colour filter",
}
_UNPACKED = frozenset((1, 5, 8, 32773, 32946, 50000, 50001))
COMPRESSIONS = _UNPACKED | {2, 3, 4, 7}
"""None, LZW, deflate, PackBits, Zstandard, WebP; and of pictures that PIL reads alone CCITT and JPEG. LZMA is
not among them: a few bytes of it ask for gigabytes."""

_TAG_BYTES = {1: 1, 2: 1, 6: 1, 7: 1, 3: 2, 8: 2, 4: 4, 9: 4, 11: 4, 13: 4} | dict.fromkeys(
    (5, 10, 12, 16, 17, 18), 8
)
_NUMBERS = {3: "H", 4: "I", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
"""Kinds of tags that are whole numbers, and how struct calls them."""
_TEXTS = (1, 2, 6, 7)
"""Kinds of tags that stay bytes; the values of others become Python's numbers."""
_HORIZONTAL, _FLOATING = 2, 3
_PREMULTIPLIED = 1


class PictureError(UserError):
    """A picture that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Tags:
    """What a TIFF says of its picture: tags' whole numbers, None where they are others.

    `swapped`: it is a BigTIFF with the highest byte first, which PIL does not know.
    """

    raw: Mapping[int, tuple[int, ...] | None]
    big_endian: bool
    pictures: int
    swapped: bool = False

    def number(self, tag: int, default: int) -> int:
        """Read a tag that is one whole number, the first of several; another kind is a PictureError."""
        return self.numbers(tag, (default,))[0]

    def numbers(self, tag: int, default: tuple[int, ...]) -> tuple[int, ...]:
        """Read a tag that is whole numbers."""
        values = self.raw.get(tag, default)
        if not values and tag in self.raw:
            raise PictureError(f"its tag {tag} is no whole number; it is damaged")
        return values or ()

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.number(HEIGHT, 0), self.number(WIDTH, 0)

    @property
    def samples(self) -> int:
        """Numbers of a pixel."""
        return self.number(SAMPLES, 1)

    @property
    def bits(self) -> int:
        """Of a number."""
        return self._same(BITS, 1, "bits")

    @property
    def kind(self) -> str:
        """Of a number: u, i or f."""
        form = self._same(FORMAT, 1, "kinds of numbers")
        if form not in _KINDS:
            raise PictureError("it holds complex numbers; save their real part or their amount")
        return _KINDS[form]

    @property
    def is_plain(self) -> bool:
        """Whether PIL has the mode: at most 8 bits, unsigned, samples side by side, black said to be 0."""
        few = set(self.numbers(FORMAT, (1,))) <= {1, 4} and max(self.numbers(BITS, (1,))) <= 8
        grey_or_rgb = self.number(PHOTOMETRIC, 1) in _PHOTOMETRIC and self.samples > 1
        apart = self.number(PLANAR, 1) == 2 or self.number(PHOTOMETRIC, 1) == 0
        return few and PHOTOMETRIC in self.raw and not self.swapped and not (grey_or_rgb and apart)

    @property
    def planes(self) -> int:
        """How many pictures of one sample its samples are stored as."""
        return self.samples if self.number(PLANAR, 1) == 2 else 1

    def places(self, plane: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Find where each of a plane's strips or tiles begins, and how many bytes it has (0: not said)."""
        rows, columns = self.size
        high, wide = (TILE_HEIGHT, TILE_WIDTH) if TILES in self.raw else (ROWS, -1)
        high, wide = min(self.number(high, rows), 1 << 31), self.number(wide, columns)
        offsets, sizes = (TILES, TILE_BYTES) if TILES in self.raw else (STRIPS, STRIP_BYTES)
        if high < 1 or wide < 1 or (TILES in self.raw and high * wide > MAX_PIXELS):
            raise PictureError("its strips or tiles are damaged")
        count = math.ceil(rows / high) * math.ceil(columns / wide)
        found = self.numbers(offsets, ())
        if len(found) < count * self.planes:
            raise PictureError(f"it does not decode: {len(found)} of {count * self.planes} strips are there")
        long = self.numbers(sizes, (0,) * len(found))
        return found[plane * count : (plane + 1) * count], long[plane * count : (plane + 1) * count]

    def _same(self, tag: int, default: int, what: str) -> int:
        values = set(self.numbers(tag, (default,)))
        if len(values) != 1:
            raise PictureError(f"its samples have different {what} {sorted(values)}; save it as grey or RGB")
        return int(values.pop())


def read_tags(content: bytes) -> Tags:
    """Read what a TIFF says of its first picture, without checking it, but that there are tags."""
    check_tags(content)
    found: dict[int, tuple[int, ...] | None] = {}
    pictures = 0
    with suppress(struct.error):  # what is missing is told when it is needed
        for entry in tiff_entries(content):
            pictures = entry.picture
            if pictures == 1 and entry.tag not in found and entry.kind in _TAG_BYTES and entry.values:
                with suppress(struct.error):
                    found[entry.tag] = _whole_numbers(content, entry)
    if not found:
        raise PictureError("it does not decode: it has no picture; it may be truncated")
    return Tags(found, content[:2] == b"MM", pictures, content.startswith(b"MM\0+"))


def _whole_numbers(content: bytes, entry: TiffEntry) -> tuple[int, ...] | None:
    order, address = "<" if content[:2] == b"II" else ">", "Q" if content[2:4] in (b"+\0", b"\0+") else "I"
    if entry.kind not in _NUMBERS:
        return None
    place = entry.place
    if entry.values * _TAG_BYTES[entry.kind] > struct.calcsize(f"={address}"):
        (place,) = struct.unpack_from(f"{order}{address}", content, place)
    return struct.unpack_from(f"{order}{entry.values}{_NUMBERS[entry.kind]}", content, place)


def check_tags(content: bytes) -> None:
    """Refuse tags, of a TIFF or of Exif, that share their bytes or hold more numbers than any picture's.

    PIL would load far more of them into memory than the file has bytes.
    """
    held = numbers = 0
    with suppress(struct.error):  # PIL says what is missing
        for _, _, kind, values, _ in tiff_entries(content):
            held += values * _TAG_BYTES.get(kind, 0)
            numbers += 1 if kind in _TEXTS else values
            if held > len(content) or numbers > MAX_TAGS:
                raise PictureError(
                    f"it does not decode: its tags hold {held} bytes and {numbers} numbers of a file of "
                    f"{len(content)} bytes; it is damaged"
                )


def read_deep(content: bytes, tags: Tags, most_bytes: int) -> NDArray[Any]:
    """Read a picture of any depth, of at most so many bytes, in the type that the file holds.

    Shape (rows, columns) of grey, or (rows, columns, 3) of RGB, without transparency. The lowest value is
    black, also where the file says that it is white.
    """
    rows, columns = tags.size
    colours = _colours(tags)
    dtype = _dtype(tags)
    planes = tags.planes
    wide = tags.samples // planes
    if rows < 1 or columns < 1 or rows * (columns * tags.bits // 8 + 1) * tags.samples > most_bytes:
        raise PictureError(f"it is too large or empty ({columns} x {rows} pixels of {tags.samples} samples)")
    used = 1 if planes == 1 else colours
    parts = [_values(_unpack(content, tags, part, wide), tags, dtype, columns, wide) for part in range(used)]
    values = parts[0] if planes == 1 else np.concatenate(parts, axis=2)
    values = values[..., 0] if colours == 1 else values[..., :3]
    if tags.number(PHOTOMETRIC, 1) != 0:
        return values
    if tags.kind == "f":
        raise PictureError(
            "it says that 0 is white, which means nothing for floating-point numbers; save it as MinIsBlack"
        )
    return np.invert(values) if tags.kind == "i" or tags.bits % 8 == 0 else (1 << tags.bits) - 1 - values


def turn(picture: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn a picture, (rows, columns, ...), upright by its Exif or TIFF orientation, 1 to 8 (else 1)."""
    if orientation in (5, 6, 7, 8):
        picture = picture.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    return picture


def _colours(tags: Tags) -> int:
    """Say how many samples of a pixel are looked at: grey or RGB, without transparency."""
    photometric = tags.number(PHOTOMETRIC, 1)
    if photometric not in _PHOTOMETRIC:
        what = _NAMES.get(photometric, f"photometric interpretation {photometric}")
        raise PictureError(f"it is {what} of {tags.bits} bits, which is not read; save it as grey or RGB")
    colours = _PHOTOMETRIC[photometric]
    if not colours <= tags.samples <= colours + 1:
        raise PictureError(f"it has {tags.samples} channels; save one of them, or grey or RGB")
    if tags.samples > colours and _PREMULTIPLIED in tags.numbers(EXTRA, (0,)):
        raise PictureError("its transparency is multiplied into its values; save it without transparency")
    return colours


def _dtype(tags: Tags) -> np.dtype[Any]:
    bits, kind = tags.bits, tags.kind
    if kind == "u" and 8 < bits < 16:
        return np.dtype(np.uint16)
    known = (16, 32, 64) if kind == "f" else (8, 16, 32, 64)
    if bits not in known:
        word = {"u": "unsigned", "i": "signed", "f": "floating-point"}[kind]
        raise PictureError(
            f"it holds {word} numbers of {bits} bits; save it with {known[-3]} or {known[-2]} bits"
        )
    return np.dtype(f"{'>' if tags.big_endian else '<'}{kind}{bits // 8}")


def _unpack(content: bytes, tags: Tags, plane: int, wide: int) -> NDArray[np.uint8]:
    """Let PIL unpack one plane's bytes, shape (rows, bytes of a row)."""
    compression, (rows, columns) = tags.number(COMPRESSION, 1), tags.size
    if compression not in _UNPACKED or tags.number(FILL_ORDER, 1) != 1:
        raise PictureError(
            f"its compression {compression} is not read for {tags.bits} bits; use LZW, deflate or none"
        )
    tiled = TILES in tags.raw
    width = tags.number(TILE_WIDTH, columns) if tiled else columns
    if width < 1 or (tiled and (width * wide * tags.bits) % 8):
        raise PictureError("its tiles are damaged")
    single = {WIDTH: math.ceil(columns * wide * tags.bits / 8), HEIGHT: rows, COMPRESSION: compression}
    single |= {BITS: 8, PHOTOMETRIC: 1, SAMPLES: 1, PLANAR: 1}
    if tiled:
        single |= {TILE_WIDTH: width * wide * tags.bits // 8, TILE_HEIGHT: tags.number(TILE_HEIGHT, rows)}
    else:
        single[ROWS] = min(tags.number(ROWS, rows), rows)
    at, sizes = tags.places(plane)
    relabelled = {tag: (value,) for tag, value in single.items()}
    lists = {TILES: at, TILE_BYTES: sizes} if tiled else {STRIPS: at, STRIP_BYTES: sizes}
    with TiffImageFile(BytesIO(_relabel(content, relabelled | lists))) as image:
        return np.asarray(image)


def _relabel(content: bytes, tags: dict[int, tuple[int, ...]]) -> bytes:
    """Put other tags behind a TIFF, all whole numbers of 32 bits; PIL's own would move the strips."""
    start = len(content) + len(content) % 2
    entries, behind = b"", b""
    for tag, values in sorted(tags.items()):
        data = struct.pack(f"<{len(values)}I", *values)
        if len(values) > 1:
            place = start + 2 + 12 * len(tags) + 4 + len(behind)
            behind += data
            data = struct.pack("<I", place)
        entries += struct.pack("<HHI", tag, 4, len(values)) + data
    head = struct.pack("<2sHI", b"II", 42, start)
    directory = struct.pack("<H", len(tags)) + entries + bytes(4) + behind
    return head + content[8:].ljust(start - 8, b"\0") + directory


def _values(
    unpacked: NDArray[np.uint8], tags: Tags, dtype: np.dtype[Any], columns: int, wide: int
) -> NDArray[Any]:
    """Turn rows of bytes into numbers, shape (rows, columns, samples), and take the predictor back."""
    predictor = tags.number(PREDICTOR, 1) if tags.number(COMPRESSION, 1) != 1 else 1
    if tags.bits not in (8, 16, 32, 64):
        if predictor != 1:
            raise PictureError(f"its predictor is not read for {tags.bits} bits; save it without")
        return _unpack_bits(unpacked, tags.bits, columns * wide).reshape(len(unpacked), columns, wide)
    tile = tags.number(TILE_WIDTH, columns) if TILES in tags.raw else columns
    if predictor == _FLOATING:
        if dtype.kind != "f" or columns % tile:
            raise PictureError("its predictor is not read for such tiles; save it with LZW or deflate alone")
        size = dtype.itemsize
        parts = unpacked.reshape(len(unpacked), columns // tile, tile * size, wide)
        summed = np.cumsum(parts, axis=2, dtype=np.uint8)
        planes = summed.reshape(len(unpacked), columns // tile, size, tile * wide)
        whole = np.ascontiguousarray(planes.swapaxes(2, 3)).view(f">f{size}")
        return whole.reshape(len(unpacked), columns, wide).astype(dtype.newbyteorder("="))
    order = dtype.str[0] if dtype.itemsize > 1 else "|"
    numbers = np.ascontiguousarray(unpacked).view(f"{order}u{dtype.itemsize}")
    native = numbers.astype(numbers.dtype.newbyteorder("=")).reshape(len(unpacked), columns, wide)
    if predictor == _HORIZONTAL:
        for start in range(0, columns, tile):
            part = native[:, start : start + tile]
            np.cumsum(part, axis=1, dtype=native.dtype, out=part)
    elif predictor != 1:
        raise PictureError(f"its predictor {predictor} is not known; save it with LZW or deflate alone")
    return native.view(dtype.newbyteorder("="))


def _unpack_bits(rows: NDArray[np.uint8], bits: int, numbers: int) -> NDArray[np.uint16]:
    """Cut rows of bytes into numbers of 9 to 15 bits, the highest bit first."""
    weights = 1 << np.arange(bits)[::-1]
    found = np.empty((len(rows), numbers), np.uint16)
    for out, row in zip(found, rows, strict=True):
        out[:] = np.unpackbits(row)[: numbers * bits].reshape(numbers, bits) @ weights
    return found
