"""Files that are none, lie about their size or lead elsewhere: refused by name, before they take anything."""

import os
import struct
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tmdscope.dataset.folder import ingest_folder
from tmdscope.dataset.pictures import PictureError, decode_picture
from tmdscope.errors import UserError
from tmdscope.lifecycle.inputs import read_ahead
from tmdscope.scan.read.read import ScanError, read_file


def png(side: int, depth: int = 16, chunks: int = 1) -> bytes:
    """A black grey picture in many chunks."""
    row = bytes(1 + side * depth // 8)
    packer = zlib.compressobj(1)
    data = b"".join([packer.compress(row) for _ in range(side)]) + packer.flush()

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, 0, 0, 0, 0))
    return head + chunk(b"IDAT", b"") * (chunks - 1) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def tags(entries: int, length: int) -> bytes:
    """A directory whose tags all lie on the same bytes."""
    each = b"".join(struct.pack("<HHII", 40000 + k, 7, length, 8) for k in range(entries))
    return (
        b"II*\0"
        + struct.pack("<I", 8 + length)
        + bytes(length)
        + struct.pack("<H", entries)
        + each
        + bytes(4)
    )


def npy(header: str, version: bytes = b"\x01\x00") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return (
        b"\x93NUMPY" + version + struct.pack("<H" if version[0] == 1 else "<I", len(text)) + text + bytes(32)
    )


def jpeg_of_scans(scans: int) -> bytes:
    stream = BytesIO()
    Image.new("L", (16, 16)).save(stream, "JPEG")
    head, scan, tail = stream.getvalue().partition(b"\xff\xda")
    return head + (scan + tail[:-2]) * scans + b"\xff\xd9"


def with_exif(exif: bytes) -> bytes:
    stream = BytesIO()
    Image.new("L", (16, 16)).save(stream, "PNG", exif=exif)
    return stream.getvalue()


NPY = "{'descr': '%s', 'fortran_order': False, 'shape': %s}"


@pytest.mark.parametrize(
    ("content", "suffix", "message"),
    [
        (tags(20, 5000), ".tif", "tags hold"),
        (with_exif(tags(20, 5000)), ".png", "tags hold"),
        (png(16, chunks=1 << 16), ".png", "chunks"),
        (jpeg_of_scans(100), ".jpg", "100 scans"),
        (npy(NPY % ("<f8", (1 << 40,))), ".npy", "bytes, not 32"),
        (npy(NPY % ("<f8", (-4,))), ".npy", "bytes, not 32"),
        (npy(NPY % ("|O", (4,))), ".npy", "without objects"),
        (npy(NPY % ("<f8", (4,)), b"\x03\x00"), ".npy", "version"),
        (npy("(" * 110), ".npy", "does not load"),
        (b"GIF89a" + bytes(100), ".png", "not a PNG"),
    ],
    ids=["tags", "exif", "chunks", "scans", "long", "negative", "objects", "version", "deep", "gif"],
)
def test_what_lies_about_its_size_is_refused(content: bytes, suffix: str, message: str) -> None:
    with pytest.raises(PictureError, match=message):
        decode_picture(content, suffix)


def test_an_array_by_columns_is_read() -> None:
    stream = BytesIO()
    np.save(stream, np.asfortranarray(np.arange(12.0).reshape(3, 4)))
    np.testing.assert_array_equal(decode_picture(stream.getvalue(), ".npy"), np.arange(12.0).reshape(3, 4))


def make_odd(folder: Path) -> list[Path]:
    """Everything that has a picture's name and is no file, and one that is."""
    os.mkfifo(folder / "fifo.png")
    (folder / "folder.png").mkdir()
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    Image.new("L", (16, 16)).save(folder / "good.png")
    names = ("fifo", "folder", "loop", "zero", "gone", "x" * 300, "a\0b", "\ud800", "good")
    return [folder / f"{name}.png" for name in names]


def test_only_files_are_predicted_and_the_rest_is_told(tmp_path: Path) -> None:
    paths = make_odd(tmp_path)
    given = [one for batch in read_ahead(paths, lambda content, _: content, 4) for one in batch]
    assert [bool(one.problem) for one in given] == [True] * 8 + [False]


def test_only_files_are_inspected(tmp_path: Path) -> None:
    for path in make_odd(tmp_path)[:-1]:
        with pytest.raises(ScanError):
            read_file(path)


def test_only_files_of_the_folder_are_used(tmp_path: Path) -> None:
    rows = "".join(f"{path.name},{k},MoS2\n" for k, path in enumerate(make_odd(tmp_path)) if k < 6)
    (tmp_path / "manifest.csv").write_text(f"path,sample_id,material\n{rows}")
    with pytest.raises(UserError, match=r"(?s)problem.*fifo.*folder.*loop.*zero"):
        ingest_folder(tmp_path, "manifest.csv", ["MoS2"], None)


@pytest.mark.parametrize("name", ["../secret.csv", "link.csv", "loop.csv", "secret.csv", "fifo.csv"])
def test_a_file_that_is_no_manifest_is_not_quoted(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "user"
    folder.mkdir()
    for place in (tmp_path, folder):
        (place / "secret.csv").write_text("sesame:x:0:0,password\nother,1\n")
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    (folder / "loop.csv").symlink_to("loop.csv")
    os.mkfifo(folder / "fifo.csv")
    with pytest.raises(UserError) as told:
        ingest_folder(folder, name, ["MoS2"], None)
    assert "sesame" not in str(told.value)
    assert "password" not in str(told.value)


@pytest.mark.parametrize("content", [b"," * 5000, b"path,sample_id,material\n" + b"a\n" * (1 << 21)])
def test_a_manifest_of_endless_lines_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(UserError, match="the most that are read"):
        ingest_folder(tmp_path, "manifest.csv", ["MoS2"], None)


MANY = """
import os, resource, sys
from pathlib import Path
os.cpu_count = lambda: 8
import tmdscope.dataset.content
from tmdscope.dataset.content import read_content, room_for
from tmdscope.lifecycle.inputs import read_ahead
from tmdscope.memory import Budget
if sys.argv[2] != "0":
    tmdscope.dataset.content.WORK = Budget(int(sys.argv[2]) << 20)
def read(content, name):
    with room_for(content, name):
        return float(read_content(content, name).values.astype(float).sum())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = [one.image for batch in read_ahead([Path(sys.argv[1])] * 16, read, 16) for one in batch]
assert found == [0.0] * 16, found
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


@pytest.mark.parametrize("budget", [1, 300])
def test_huge_pictures_on_many_threads_stay_within_the_budget(tmp_path: Path, budget: int) -> None:
    (tmp_path / "huge.png").write_bytes(png(2048))
    command = [sys.executable, "-c", MANY, str(tmp_path / "huge.png"), str(budget)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert int(done.stdout) < 340  # MiB; one alone takes up to 4 x 64


@pytest.mark.parametrize("way", ["storage", "link"])
def test_a_scan_shows_no_other_file(tmp_path: Path, way: str) -> None:
    h5py = pytest.importorskip("h5py")
    pytest.importorskip("AFMReader")
    (tmp_path / "secret").write_bytes(bytes(16 * 16 * 8))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["image"] = np.ones((16, 16))
    with h5py.File(tmp_path / "scan.topostats", "w") as file:
        if way == "storage":
            file.create_dataset("image", (16, 16), "f8", external=[(str(tmp_path / "secret"), 0, 2048)])
        else:
            file["image"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "image")
        file["pixel_to_nm_scaling"] = 1.0
    with pytest.raises(ScanError, match="lies in another file"):
        read_file(tmp_path / "scan.topostats")
