"""Pictures: cut, damaged, lying, bombs, foreign ones, through the folder of a study and through predict."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tests.dataset.tiffs import write_tiff

from benchmarks.hostile.cases import FOREIGN, Case, cuts, flips, not_finite, odd_files, put
from tmdscope.dataset.content import Content, read_content
from tmdscope.dataset.folder import ingest_folder
from tmdscope.errors import UserError
from tmdscope.lifecycle.inputs import find_files, read_ahead

GREY = np.random.default_rng(3).integers(0, 256, (24, 20), dtype=np.uint8)


def _pil(form: str, values: np.ndarray[Any, Any] = GREY, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, format=form, **options)
    return stream.getvalue()


def _npy(values: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, **options)
    return stream.getvalue()


def _header(text: str, version: bytes = b"\x01\x00") -> bytes:
    head = text.encode("latin-1") + b"\n"
    return (
        b"\x93NUMPY" + version + struct.pack("<H" if version[0] == 1 else "<I", len(head)) + head + bytes(64)
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, bits: int, colour: int, data: bytes, *more: bytes) -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _zeros(count: int) -> bytes:
    """Pack zeros without holding them."""
    packer, out = zlib.compressobj(9), b""
    block = bytes(1 << 20)
    for _ in range(count >> 20):
        out += packer.compress(block)
    return out + packer.compress(bytes(count % (1 << 20))) + packer.flush()


def _study(folder: Path, name: str) -> Any:
    """Let a study take the picture, beside a sound one."""
    (folder / "given" / "sound.png").write_bytes(WHOLE["png"])
    rows = f"path,sample_id,material\nsound.png,A,MoS2\n{name},B,WS2\n"
    (folder / "given" / "manifest.csv").write_text(rows, encoding="utf-8")
    return ingest_folder(folder / "given", "manifest.csv", ["MoS2", "WS2"], folder / "copies")


def _predicted(folder: Path, name: str) -> Any:
    """Let predict read it, as it is given or found in its folder."""
    found = find_files([folder / "given" / name])
    (given,) = [one for part in read_ahead(found, read_content, 4) for one in part]
    if given.problem:
        raise UserError(f"{given.path}: {given.problem}")
    return given.image


def wrong(found: Any) -> str | None:
    """Look at what was taken."""
    return not_finite(found.values) if isinstance(found, Content) else None


def _same(found: Any) -> str | None:
    """See that what was read of a file that lacks its end is what there was."""
    other = isinstance(found, Content) and not np.array_equal(found.values, GREY)
    return "other values than the whole" if other else None


def _both(
    told: str,
    name: str,
    content: bytes | Callable[[], bytes],
    must: str = "refuse",
    judge: Callable[[Any], str | None] = wrong,
) -> Iterator[Case]:
    def make(folder: Path) -> None:
        put(f"given/{name}", content if isinstance(content, bytes) else content())(folder)

    doors = {"study": _study, "predict": _predicted}
    for number, (door, knock) in enumerate(doors.items()):
        if not isinstance(content, bytes) and number != len(told) % 2:
            continue  # what is slow to make is tried on one of the two
        yield Case(
            f"{door}: {told}", make, lambda folder, knock=knock: knock(folder, name), must, judge, name[:30]
        )


WHOLE: dict[str, bytes] = {
    "png": _pil("PNG"),
    "jpg": _pil("JPEG"),
    "tif": write_tiff(GREY),
    "npy": _npy(GREY.astype(np.float32)),
}


def cases() -> Iterator[Case]:
    """Give every case."""
    for kind, whole in WHOLE.items():
        yield from _both(f"{kind} as it should be", f"a.{kind}", whole, "take")
        for told, content in cuts(whole, [9, 40, len(whole) // 2, len(whole) - 13]):
            judge = wrong if kind == "jpg" else _same
            yield from _both(f"{kind} {told}", f"a.{kind}", content, "either", judge)
        for told, content in flips(whole, 4, 8, 130):
            yield from _both(f"{kind} {told}", f"a.{kind}", content, "either")
    for told, content in FOREIGN.items():
        yield from _both(f"{told} as .png", "a.png", content)
    for told, make in odd_files("a.png"):

        def within(folder: Path, make: Callable[[Path], None] = make) -> None:
            (folder / "given").mkdir()
            make(folder / "given")

        yield Case(f"study: {told} as .png", within, lambda folder: _study(folder, "a.png"), tells=r"a\.png")
        yield Case(
            f"predict: {told} as .png", within, lambda folder: _predicted(folder, "a.png"), tells=r"a\.png"
        )
    yield from _pngs()
    yield from _tiffs()
    yield from _arrays()
    yield from _others()


def _pngs() -> Iterator[Case]:
    rows = zlib.compress(b"".join(b"\0" + bytes(20) for _ in range(24)))
    yield from _both("a PNG of no column", "a.png", _png(0, 24, 8, 0, rows))
    yield from _both("a PNG of one pixel", "a.png", _png(1, 1, 8, 0, zlib.compress(b"\0\0")))
    yield from _both("a PNG of 2^31 - 1 columns", "a.png", _png(2**31 - 1, 1, 8, 0, rows))
    yield from _both("a PNG of 65535 x 65535", "a.png", _png(65535, 65535, 16, 6, rows))
    yield from _both("a PNG of 3 bits", "a.png", _png(20, 24, 3, 0, rows))
    yield from _both("a PNG without a palette", "a.png", _png(20, 24, 8, 3, rows))
    yield from _both(
        "a PNG with a wrong checksum", "a.png", WHOLE["png"].replace(b"IDAT", b"IDAT", 1)[:-20] + bytes(20)
    )
    text = _chunk(b"zTXt", b"Comment\0\0" + _zeros(200 << 20))
    yield from _both("a PNG with 200 MB of packed text", "a.png", _png(20, 24, 8, 0, rows, text), "either")
    profile = _chunk(b"iCCP", b"p\0\0" + _zeros(200 << 20))
    yield from _both("a PNG with a profile of 200 MB", "a.png", _png(20, 24, 8, 0, rows, profile), "either")
    frames = _chunk(b"acTL", struct.pack(">II", 1 << 30, 0))
    yield from _both("a PNG of 2^30 pictures", "a.png", _png(20, 24, 8, 0, rows, frames), "either")
    empty = _chunk(b"tEXt", b"a\0b") * 300_000
    yield from _both("a PNG of 300 000 chunks", "a.png", _png(20, 24, 8, 0, rows, empty), "either")
    yield from _both("a PNG of too many values", "a.png", _png(20, 24, 8, 0, _zeros(300 << 20)), "either")
    for bits, colour, size in ((16, 0, 2), (16, 2, 6), (16, 6, 8)):
        told = f"an 8192 x 8192 PNG of {bits} bits, colour {colour}"
        yield from _both(
            told,
            "a.png",
            lambda b=bits, c=colour, s=size: _png(8192, 8192, b, c, _zeros(8192 * (8192 * s + 1))),
            "either",
        )
    yield from _both("a 12000 x 12000 PNG", "a.png", lambda: _png(12000, 12000, 8, 0, _zeros(12000 * 12001)))
    yield from _both("a JPEG of 65500 x 65500", "a.jpg", _sized_jpeg(65500))
    stream = _pil("JPEG", np.zeros((2000, 2000), np.uint8), progressive=True)
    start = stream.index(b"\xff\xda")
    yield from _both(
        "a JPEG of 1000 scans", "a.jpg", stream[:-2] + stream[start:-2] * 1000 + stream[-2:], "either"
    )
    exif = _pil("JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x04\0\xff\xff\xff\x7f\0\0\0\0")
    yield from _both("a JPEG with a lying orientation", "a.jpg", exif, "either")


def _sized_jpeg(size: int) -> bytes:
    whole = bytearray(WHOLE["jpg"])
    at = whole.index(b"\xff\xc0")
    struct.pack_into(">HH", whole, at + 5, size, size)
    return bytes(whole)


def _tiffs() -> Iterator[Case]:
    base = GREY.astype(np.uint16)
    tags: dict[str, dict[str, int]] = {
        "of 2^31 columns": {"t256": 2**31 - 1},
        "of 60000 x 60000": {"t256": 60000, "t257": 60000},
        "of no row": {"t257": 0},
        "of 0 bits": {"t258": 0},
        "of 255 bits": {"t258": 255},
        "packed in no known way": {"t259": 99999},
        "packed as JPEG": {"t259": 7},
        "of an unknown colour": {"t262": 77},
        "of 65535 samples": {"t277": 65535},
        "of rows of nothing": {"t278": 0},
        "of unknown planes": {"t284": 9},
        "of complex numbers": {"t339": 6},
    }
    for told, changed in tags.items():
        must = "either" if told == "of unknown planes" else "refuse"
        yield from _both(f"a TIFF {told}", "a.tif", write_tiff(base, **changed), must)
    one = write_tiff(base, rows_per_strip=24)
    yield from _both("a TIFF with strips behind its end", "a.tif", _retagged(one, 273, 1 << 30))
    yield from _both("a TIFF with strips of 4 GB", "a.tif", _retagged(one, 279, 2**32 - 1), "either")
    yield from _both("a TIFF with strips in its header", "a.tif", _retagged(one, 273, 0), "either")
    yield from _both(
        "a TIFF with an unknown predictor", "a.tif", write_tiff(base, compression="deflate", t317=9)
    )
    yield from _both("a TIFF in tiles of nothing", "a.tif", write_tiff(base, tile=16, t322=0))
    yield from _both(
        "a TIFF in tiles of 2^31", "a.tif", write_tiff(base, tile=16, t322=2**31 - 16, t323=2**31 - 16)
    )
    yield from _both("a TIFF turned in a ninth way", "a.tif", write_tiff(base, orientation=9), "take")
    for bad in (np.nan, np.inf):
        values = GREY.astype(np.float32)
        values[2, 2] = bad
        yield from _both(f"a TIFF that holds {bad}", "a.tif", write_tiff(values))
    yield from _both("a TIFF of 200 channels", "a.tif", write_tiff(np.zeros((24, 20, 200), np.uint8)))
    yield from _both(
        "a TIFF of 2000 x 2000 x 60 channels",
        "a.tif",
        lambda: write_tiff(np.zeros((2000, 2000, 60), np.uint8), compression="deflate", rows_per_strip=2000),
    )
    ring = bytearray(WHOLE["tif"])
    (first,) = struct.unpack_from("<I", ring, 4)
    (count,) = struct.unpack_from("<H", ring, first)
    struct.pack_into("<I", ring, first + 2 + 12 * count, first)
    yield from _both("a TIFF whose page follows itself", "a.tif", bytes(ring), "either")
    yield from _both("a TIFF of 200 000 pages", "a.tif", _pages(200_000))
    lying = bytearray(WHOLE["tif"])
    struct.pack_into("<I", lying, first + 2 + 4, 2**31)
    yield from _both("a TIFF with 2^31 values of a tag", "a.tif", bytes(lying))
    strips = np.zeros((8192, 8192), np.float64)
    yield from _both(
        "an 8192 x 8192 TIFF of packed doubles",
        "a.tif",
        lambda: write_tiff(strips, compression="deflate", rows_per_strip=8192),
        "either",
    )
    yield from _both("a TIFF bomb: 1 GB of packed zeros", "a.tif", lambda: _wide_tiff())
    yield from _both(
        "a BigTIFF with an offset of 2^63", "a.tif", b"II+\0\x08\0\0\0" + struct.pack("<Q", 2**63)
    )


def _retagged(content: bytes, tag: int, value: int) -> bytes:
    changed = bytearray(content)
    (first,) = struct.unpack_from("<I", changed, 4)
    at = first + 2
    while struct.unpack_from("<H", changed, at)[0] != tag:
        at += 12
    struct.pack_into("<II", changed, at + 4, 1, value)
    return bytes(changed)


def _wide_tiff() -> bytes:
    return write_tiff(np.zeros((1, 1), np.uint8), compression="deflate", t256=32768, t257=32768)


def _pages(count: int) -> bytes:
    content = bytearray(b"II*\0\x08\0\0\0")
    for number in range(count):
        after = 8 + 18 * (number + 1) if number + 1 < count else 0
        content += struct.pack("<HHHIII", 1, 256, 4, 1, 20, after)
    return bytes(content)


def _arrays() -> Iterator[Case]:
    class Payload:
        def __reduce__(self) -> Any:
            import os

            return os.system, ("touch EXECUTED",)

    yield from _both(
        "an NPY of objects that run a program",
        "a.npy",
        _npy(np.array([[Payload()] * 3] * 3, object), allow_pickle=True),
    )
    heads = {
        "that runs code": "__import__('os').system('touch EXECUTED')",
        "with a lying shape": "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 8), }",
        "with a negative shape": "{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 8), }",
        "with a shape beyond numbers": "{'descr': '<f8', 'fortran_order': False, 'shape': ("
        + "9" * 300
        + ", 8), }",
        "with half a shape": "{'descr': '<f8', 'fortran_order': False, 'shape': (2.5, 8), }",
        "of no type": "{'descr': 'zz', 'fortran_order': False, 'shape': (2, 2), }",
        "of a type in types": "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (2, 2), }",
        "without a shape": "{'descr': '<f8'}",
        "in brackets without end": "(" * 5000,
        "of minus signs": "-" * 9000 + "1",
        "of dates": "{'descr': '<M8[s]', 'fortran_order': False, 'shape': (2, 2), }",
        "of texts": "{'descr': '<U4', 'fortran_order': False, 'shape': (2, 2), }",
    }
    for told, head in heads.items():
        yield from _both(f"an NPY with a header {told}", "a.npy", _header(head))
    yield from _both("an NPY with a header of 2 GB", "a.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{")
    yield from _both("an NPY of version 9", "a.npy", _header("{}", b"\x09\x00"))
    shapes: dict[str, Any] = {
        "of no dimension": np.float32(3),
        "of one dimension": np.zeros(9),
        "of nothing": np.zeros((0, 4)),
        "of four dimensions": np.zeros((2, 2, 2, 2)),
        "of NaN": np.full((4, 4), np.nan),
        "that ends nowhere": np.full((4, 4), np.inf),
        "of complex numbers": np.zeros((4, 4), complex),
    }
    for told, values in shapes.items():
        yield from _both(f"an NPY {told}", "a.npy", _npy(values))
    yield from _both("heights of 1e300 nm", "a.npy", _npy(np.full((4, 4), 1e300)), "either")
    stream = io.BytesIO()
    np.savez_compressed(stream, a=np.zeros((4000, 4000)))
    yield from _both("an NPZ bomb called .npy", "a.npy", stream.getvalue())


def _others() -> Iterator[Case]:
    for form in ("GIF", "BMP", "WEBP", "ICO", "PPM"):
        yield from _both(f"{form} called .png", "a.png", _pil(form))
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://192.0.2.1/x"/><script>alert(1)</script></svg>'
    yield from _both("SVG called .png", "a.png", svg)
    bomb = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "xx">]><svg>&x;</svg>'
    yield from _both("SVG with entities", "a.png", bomb)
    yield from _both("a file of no ending", "a", WHOLE["png"])
    yield from _both("a file called .png.exe", "a.png.exe", WHOLE["png"])
    names = (
        "\x1b[2Jb.png",
        "=cmd|' /C calc'!A0.png",
        "-rf.png",
        "b\u202egnp.png",
        "\u00e9.png",
        " .png",
        "<b>.png",
    )
    for name in names:
        if "'" in name or "/" in name:
            continue
        yield Case(
            f"predict: a name {name!r}",
            put(f"given/{name}", b"no picture"),
            lambda folder, name=name: _predicted(folder, name),
        )
