"""Archives of strangers: bombs, lying sizes, names that leave, links, and listings that lie."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tests.dataset.zenodo_site import authors_tiff, grey, tiff, tmd_afm_pictures, zipped

from benchmarks.hostile.cases import FOREIGN, Case, cuts, flips, odd_files
from tmdscope.dataset.archive import ingest_archive
from tmdscope.dataset.zenodo import FOLDER_VARIABLE, LISTING, SERVER_VARIABLE
from tmdscope.params.images import ArchiveParams

PICTURES = tmd_afm_pictures(4)
SOUND = zipped(PICTURES)
NAME = "Tif_Files/image9_MoS2_center_0009_train.tif"
"""A further picture's name, as the record has them."""
NOWHERE = "http://127.0.0.1:9"


def listing(name: str, content: bytes) -> dict[str, Any]:
    """Describe a file as the record does."""
    md5 = hashlib.md5(content).hexdigest()
    links = {"self": f"{NOWHERE}/{name}"}
    return {"files": [{"key": name, "size": len(content), "checksum": f"md5:{md5}", "links": links}]}


def _put(name: str, content: bytes | Callable[[], bytes], about: Any = None) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        held = content if isinstance(content, bytes) else content()
        place = folder / "records" / "tmd-afm"
        place.mkdir(parents=True)
        (place / name).write_bytes(held)
        said = listing(name, held) if about is None else about
        (place / LISTING).write_bytes(said if isinstance(said, bytes) else json.dumps(said).encode())

    return make


def _ingest(folder: Path) -> Any:
    os.environ[FOLDER_VARIABLE] = str(folder / "records")
    os.environ[SERVER_VARIABLE] = NOWHERE
    params = ArchiveParams(record="tmd-afm", files="*")
    return ingest_archive(params, ["MoS2", "WS2"], folder / "pictures", folder / "note.json")


def _wrong(found: Any) -> str | None:
    return None if len(found) == len(PICTURES) else f"{len(found)} pictures"


def _case(
    told: str, name: str, content: bytes | Callable[[], bytes], must: str = "refuse", about: Any = None
) -> Case:
    return Case(told, _put(name, content, about), _ingest, must, _wrong)


def cases() -> Iterator[Case]:
    """Give every case."""
    yield _case("zip as it should be", "a.zip", SOUND, "take")
    for ending, pack in (
        ("tar", bytes),
        ("tar.gz", gzip.compress),
        ("tar.bz2", bz2.compress),
        ("tar.xz", lzma.compress),
    ):
        whole = pack(_tar(PICTURES))
        yield _case(f"{ending} as it should be", f"a.{ending}", whole, "take")
        for told, content in cuts(
            whole, [10, len(whole) // 2, len(whole) - 700 if ending == "tar" else len(whole) - 9]
        ):
            yield _case(f"{ending} {told}", f"a.{ending}", content, "either")  # all of it may be there
        for told, content in flips(whole, 2, 0, 400):
            yield _case(f"{ending} {told}", f"a.{ending}", content, "either")
        yield _case(f"{ending} bomb", f"a.{ending}", lambda pack=pack: pack(_tar({NAME: bytes(400 << 20)})))
    for told, content in cuts(SOUND, [4, 30, len(SOUND) // 2, len(SOUND) - 22, len(SOUND) - 1]):
        yield _case(f"zip {told}", "a.zip", content)
    for told, content in flips(SOUND, 6, len(SOUND) - 600):
        yield _case(f"zip {told}", "a.zip", content, "either")
    for told, content in FOREIGN.items():
        yield _case(f"{told} as .zip", "a.zip", content)
    yield _case("a web page as .tar.gz", "a.tar.gz", FOREIGN["a web page"])
    yield from _zips()
    yield from _tars()
    yield from _pictures()
    yield from _listings()


def _tar(members: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return stream.getvalue()


def _odd_tar(name: str, kind: bytes, link: str = "", size: int = 0) -> bytes:
    about = tarfile.TarInfo(name)
    about.type, about.linkname, about.size = kind, link, size
    return about.tobuf().ljust(tarfile.RECORDSIZE, b"\0")  # TarFile refuses to, from 3.13 on


def _with(name: str, content: bytes = b"", mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO(SOUND)
    with zipfile.ZipFile(stream, "a", method) as archive:
        about = zipfile.ZipInfo(name)
        about.external_attr, about.compress_type = mode << 16, method
        archive.writestr(about, content)
    return stream.getvalue()


def _zips() -> Iterator[Case]:
    picture = authors_tiff(grey(9))
    for told, name in {
        "above": "../../../tmp/EXECUTED",
        "from the root": "/tmp/EXECUTED",
        "of a drive": "C:\\EXECUTED",
        "with backslashes": "..\\..\\EXECUTED",
        "with an escape": "\x1b[2J.tif",
        "with a line end": "a\nb.tif",
        "of 60 000 letters": "a" * 60_000 + ".tif",
        "of 20 000 folders": "a/" * 20_000 + "b.tif",
        "of nothing": "",
        "of a dot": ".",
        "that turns the text": "a\u202efit.tif",
    }.items():
        must = (
            "either"
            if told
            in ("of nothing", "of a dot", "of 60 000 letters", "of 20 000 folders", "that turns the text")
            else "refuse"
        )
        yield _case(f"zip: a name {told}", "a.zip", _with(name, picture), must)
    yield _case("zip: a link", "a.zip", _with(NAME, b"/etc/passwd", 0o120777))
    yield _case("zip: a device", "a.zip", _with(NAME, b"", 0o020666))
    yield _case("zip: a name twice", "a.zip", _with(next(iter(PICTURES)), picture))
    yield _case("zip bomb: one member of 2 GB", "a.zip", lambda: _with(NAME, bytes(1500 << 20)))
    yield _case("zip bomb: 40 members of 60 MB", "a.zip", lambda: _many(40, bytes(60 << 20)))
    yield _case("zip bomb: overlapping members", "a.zip", _overlapping)
    yield _case("zip: 210 000 members", "a.zip", lambda: _many(210_000, b""))
    yield _case("zip: a size of 4 GB", "a.zip", _resized(0xFFFFFFF0))
    yield _case("zip: a size of nothing", "a.zip", _resized(0))
    yield _case("zip: encrypted", "a.zip", _flagged(1))
    yield _case("zip: packed by an unknown method", "a.zip", _packed_by(99))
    yield _case(
        "zip: a comment as long as may be", "a.zip", SOUND[:-2] + b"\xff\xff" + b"x" * 65535, "either"
    )
    yield _case("zip: something before it", "a.zip", b"#!/bin/sh\ntouch EXECUTED\n" + SOUND, "either")
    yield _case("zip in a zip", "a.zip", zipped({"inner.zip": SOUND}))
    yield _case("zip of LZMA", "a.zip", _with("readme.txt", b"x" * 1000, method=zipfile.ZIP_LZMA), "either")
    yield _case("zip: what macOS adds", "a.zip", _with("__MACOSX/._a.tif", b"junk"), "take")
    yield _case("zip of nothing", "a.zip", zipped({}))
    yield _case("zip of other files", "a.zip", zipped({"a.exe": b"MZ", "b.py": b"open('EXECUTED', 'w')"}))


def _many(count: int, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(count):
            archive.writestr(f"image{number}_MoS2_center_{number:04d}_train.tif", content)
    return stream.getvalue()


def _overlapping() -> bytes:
    """Let 2000 entries of the directory stand for one packed member."""
    name, data = b"image1_MoS2_center_0001_train.tif", bytes(40 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(data) + packer.flush()
    check = zlib.crc32(data)
    common = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, check, len(packed), len(data), len(name), 0)
    local = b"PK\x03\x04" + common + name + packed
    entry = b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    count = 2000
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(entry) * count, len(local), 0)
    return local + entry * count + end


def _changed(at: int, form: str, value: int) -> bytes:
    """Change a field of every entry of the directory."""
    content, place = bytearray(SOUND), SOUND.index(b"PK\x01\x02")
    while content[place : place + 4] == b"PK\x01\x02":
        struct.pack_into(form, content, place + at, value)
        lengths = struct.unpack_from("<HHH", content, place + 28)
        place += 46 + sum(lengths)
    return bytes(content)


def _resized(size: int) -> bytes:
    return _changed(24, "<I", size)


def _flagged(bits: int) -> bytes:
    return _changed(8, "<H", bits)


def _packed_by(method: int) -> bytes:
    return _changed(10, "<H", method)


def _tars() -> Iterator[Case]:
    for told, content in {
        "a link": _odd_tar(NAME, tarfile.SYMTYPE, "/etc/passwd"),
        "a second name of a file outside": _odd_tar(NAME, tarfile.LNKTYPE, "../../etc/passwd"),
        "a pipe": _odd_tar(NAME, tarfile.FIFOTYPE),
        "a device": _odd_tar(NAME, tarfile.CHRTYPE),
        "a hole of 1 TB": _odd_tar(NAME, tarfile.GNUTYPE_SPARSE, size=1 << 40),
        "a size of 1 TB": _odd_tar(NAME, tarfile.REGTYPE, size=1 << 40),
        "a name above": _tar({"../../EXECUTED.tif": b"x"}),
        "a name from the root": _tar({"/tmp/EXECUTED.tif": b"x"}),
        "a name with an escape": _tar({"\x1b[2J.tif": b"x"}),
        "nothing": _tar({}),
        "200 MB of headers": b"",
    }.items():
        write: Any = content or (lambda: _tar({f"{n}.txt": b"" for n in range(210_000)}))
        yield _case(f"tar: {told}", "a.tar", write)
    name = tarfile.TarInfo(NAME)
    name.pax_headers = {"comment": "x" * (8 << 20)}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(name)
    yield _case("tar: a comment of 8 MB", "a.tar", stream.getvalue())
    name.pax_headers = {"size": "-5", "path": "x"}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(name)
    yield _case("tar: a negative size in words", "a.tar", stream.getvalue())
    yield _case("xz that wants 4 GB", "a.tar.xz", _xz_of_4_gb())


def _xz_of_4_gb() -> bytes:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20, "preset": 0}]
    content = bytearray(lzma.compress(_tar(PICTURES), filters=filters))
    at = content.index(b"\x21\x01", 12) + 2
    content[at] = 40
    header = 4 * (content[12] + 1)
    struct.pack_into("<I", content, 12 + header - 4, zlib.crc32(bytes(content[12 : 12 + header - 4])))
    return bytes(content)


def _pictures() -> Iterator[Case]:
    image = grey(9)
    for told, content in {
        "that is none": b"no picture",
        "that is cut off": authors_tiff(image)[:200],
        "of NaN": tiff(np.full((3, 20, 20), np.nan)),
        "above 1": tiff(np.full((3, 20, 20), 7.0)),
        "of channels that differ": tiff(np.random.default_rng(1).random((3, 20, 20))),
        "of 12 channels": tiff(np.zeros((12, 20, 20))),
        "of texts": tiff(np.zeros((20, 20), np.complex64)),
    }.items():
        yield _case(f"a picture {told}", "a.zip", zipped({**PICTURES, NAME: content}))


def _listings() -> Iterator[Case]:
    sound = listing("a.zip", SOUND)
    (one,) = sound["files"]
    for told, about in {
        "that is no JSON": b"{",
        "that is a list": [],
        "without files": {},
        "whose files are a text": {"files": "all"},
        "of a file without a name": {"files": [{**one, "key": None}]},
        "of a file above": {"files": [{**one, "key": "../a.zip"}]},
        "of a file from the root": {"files": [{**one, "key": "/etc/passwd"}]},
        "of a hidden file": {"files": [{**one, "key": ".bashrc"}]},
        "of a file with an escape": {"files": [{**one, "key": "\x1b[2J.zip"}]},
        "of itself": {"files": [{**one, "key": LISTING}]},
        "of a size below nothing": {"files": [{**one, "size": -1}]},
        "of a size without end": json.dumps({"files": [{**one, "size": 1}]})
        .encode()
        .replace(b": 1,", b": 1e999,"),
        "of a size of 5000 digits": b'{"files": [{"key": "a.zip", "size": '
        + b"9" * 5000
        + b', "checksum": "md5:0", "links": {"self": ""}}]}',
        "of another checksum": {"files": [{**one, "checksum": "md5:" + "0" * 32}]},
        "of a checksum that is none": {"files": [{**one, "checksum": ["x"]}]},
        "of an address that is a file": {
            "files": [{**one, "checksum": "md5:" + "0" * 32, "links": {"self": "file:///etc/passwd"}}]
        },
        "of an address elsewhere": {
            "files": [{**one, "checksum": "md5:" + "0" * 32, "links": {"self": "http://192.0.2.1/a.zip"}}]
        },
        "of one file twice": {"files": [one, one]},
        "in lists without end": b"[" * 100_000,
        "in UTF-16": json.dumps(sound).encode("utf-16"),
        "of 40 MB": b'{"files": [' + b" " * (40 << 20) + b"]}",
    }.items():
        must = "either" if told == "in UTF-16" else "refuse"
        yield _case(f"a listing {told}", "a.zip", SOUND, must, about)
    for told, make in odd_files("a.zip"):
        if told == "nothing":
            continue  # it would be downloaded

        def within(folder: Path, make: Callable[[Path], None] = make) -> None:
            _put("other", b"", sound)(folder)
            make(folder / "records" / "tmd-afm")

        yield Case(f"{told} in place of an archive", within, _ingest)
