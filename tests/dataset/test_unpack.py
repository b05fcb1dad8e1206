"""Archives are read whole or refused; nothing leaves them, and nothing grows without bound."""

import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.dataset.zenodo_site import zipped
from tmdscope.dataset import unpack
from tmdscope.dataset.unpack import ArchiveError, list_members, read_members
from tmdscope.errors import UserError

FILES = {"a.tif": b"first", "folder/b.TIF": b"second", "folder/c.csv": b"third"}


def tarred(files: dict[str, bytes], mode: str = "w") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


PACKERS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    ".zip": zipped,
    ".tar": tarred,
    ".tar.gz": lambda files: tarred(files, "w:gz"),
    ".tgz": lambda files: tarred(files, "w:gz"),
    ".tar.bz2": lambda files: tarred(files, "w:bz2"),
    ".tar.xz": lambda files: tarred(files, "w:xz"),
}


def test_every_ending_is_tried_here() -> None:
    assert set(PACKERS) == set(unpack.SUFFIXES)


@pytest.fixture(params=PACKERS)
def pack(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[dict[str, bytes]], Path]:
    """Pack files into an archive of each kind."""

    def write(files: dict[str, bytes]) -> Path:
        path = tmp_path / f"archive{request.param}"
        path.write_bytes(PACKERS[request.param](files))
        return path

    return write


def test_wanted_files_are_read_in_order(pack: Callable[[dict[str, bytes]], Path]) -> None:
    path = pack(FILES)
    assert list(read_members(path, (".tif",))) == [("a.tif", b"first"), ("folder/b.TIF", b"second")]
    assert list_members(path) == list(FILES)
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_what_a_mac_adds_is_passed_over(pack: Callable[[dict[str, bytes]], Path]) -> None:
    assert list_members(pack({"__MACOSX/a.tif": b"", "x/._a.tif": b"", "x/a.tif": b""})) == ["x/a.tif"]


@pytest.mark.parametrize(
    "name", ["/etc/a.tif", "../a.tif", "x/../../a.tif", "x\\a.tif", "C:/a.tif", "a\n.tif"], ids=ascii
)
def test_names_outside_the_archive_are_refused(pack: Callable[[dict[str, bytes]], Path], name: str) -> None:
    with pytest.raises(ArchiveError, match=r"is named outside|has a name with a backslash"):
        list(read_members(pack({"a.tif": b"", name: b"x"}), (".tif",)))


@pytest.mark.parametrize("suffix", [suffix for suffix in PACKERS if suffix != ".tar"])
def test_bombs_are_refused_unread(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"archive{suffix}"
    path.write_bytes(PACKERS[suffix]({"a.tif": bytes(50_000_000)}))
    with pytest.raises(ArchiveError, match=r"'a\.tif' makes the archive unpack to more than \d+ bytes"):
        list(read_members(path, (".csv",)))


def test_too_many_members_are_refused(
    pack: Callable[[dict[str, bytes]], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "MAX_MEMBERS", 2)
    with pytest.raises(
        ArchiveError, match=r"'folder/c\.csv' is one too many: at most 2|has more than 2 lines"
    ):
        list_members(pack(FILES))


def test_a_member_that_fills_memory_is_refused(pack: Callable[[dict[str, bytes]], Path]) -> None:
    path = pack(FILES)
    with pytest.raises(ArchiveError, match=r"b\.TIF.* is larger than 5 bytes"):
        list(read_members(path, (".tif",), 5))
    assert list(read_members(path, (".csv",), 5)) == [("folder/c.csv", b"third")]


@pytest.mark.parametrize("keep", [0.4, 0.7])
def test_a_truncated_archive_is_refused(pack: Callable[[dict[str, bytes]], Path], keep: float) -> None:
    path = pack({"a.tif": bytes(range(256)) * 100, "b.tif": bytes(range(255, -1, -1)) * 100})
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(ArchiveError, match="is damaged or of an unknown kind"):
        list(read_members(path, (".tif",)))


def test_something_else_is_refused(pack: Callable[[dict[str, bytes]], Path]) -> None:
    path = pack(FILES)
    path.write_bytes(b"<html>not found</html>" * 100)
    with pytest.raises(ArchiveError, match="is damaged or of an unknown kind"):
        list_members(path)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE], ids=ascii
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("a.tif")
        member.type, member.linkname = kind, "/etc/hostname"
        archive.addfile(member)
    with pytest.raises(ArchiveError, match=r"'a\.tif' is a link or a device"):
        list_members(path)


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        member = zipfile.ZipInfo("a.tif")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/hostname")
    with pytest.raises(ArchiveError, match=r"'a\.tif' is a link or a device"):
        list_members(path)


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    content = bytearray(zipped({"a.tif": b"x"}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ArchiveError, match="is encrypted"):
        list_members(path)


def test_a_size_that_lies_gives_no_more_than_it_claims(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    content = bytearray(zipped({"a.tif": bytes(100_000)}))
    claimed = (10).to_bytes(4, "little")
    content[22:26] = claimed
    central = content.index(b"PK\x01\x02")
    content[central + 24 : central + 28] = claimed
    path.write_bytes(bytes(content))
    with pytest.raises(ArchiveError, match="is damaged"):
        list(read_members(path, (".tif",)))


def test_a_header_that_unpacks_to_a_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("a.tif")
        member.pax_headers = {"comment": "x" * 30_000_000}
        archive.addfile(member)
    with pytest.raises(ArchiveError, match="has a header of 3000"):
        list_members(path)


def headed(size: int, kind: bytes = tarfile.REGTYPE, content: bytes = b"") -> bytes:
    """A tar whose one header claims a size."""
    member = tarfile.TarInfo("a.tif")
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT) + content + bytes(1024)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (headed(1 << 30, tarfile.GNUTYPE_LONGNAME), "header of 1073741824 bytes, 65536 at most"),
        (headed(1 << 30, tarfile.XHDTYPE), "header of 1073741824 bytes"),
        (headed(5000, tarfile.XGLTYPE, bytes(5120)), "header of 5000"),
        (headed(-512), "header of -512 bytes"),
        (headed(1 << 50), "unpack to more than"),
        (headed(0, tarfile.GNUTYPE_SPARSE), "has holes|is a link"),
    ],
    ids=["long name", "pax", "global", "negative", "huge", "sparse"],
)
def test_headers_that_lie_are_refused_before_they_are_read(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError, match=message):
            list(read_members(path, (".tif",)))
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_size_that_lies_unpacks_no_further(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    content = bytearray(zipped({"a.tif": bytes(200_000_000)}))
    for place in (22, content.index(b"PK\x01\x02") + 24):
        content[place : place + 4] = struct.pack("<I", 10_000_000)
    path.write_bytes(bytes(content))
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError, match="is damaged"):
            list(read_members(path, (".tif",)))
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    content = bytearray(zipped({"a.tif": b"first" * 50, "b.tif": b"second" * 50}))
    second = content.rindex(b"PK\x01\x02")
    content[second + 42 : second + 46] = bytes(4)
    path.write_bytes(bytes(content))
    with pytest.raises(ArchiveError, match="overlaps"):
        list(read_members(path, (".tif",)))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_ways_to_pack_that_cannot_be_bounded_are_refused(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("a.tif", b"x" * 100)
    with pytest.raises(ArchiveError, match="packed otherwise"):
        list_members(tmp_path / "a.zip")


def test_a_dictionary_of_gigabytes_is_refused(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 29}]
    with lzma.open(tmp_path / "a.tar.xz", "wb", filters=filters) as stream:
        stream.write(tarred(FILES))
    with pytest.raises(ArchiveError, match="Memory usage limit"):
        list_members(tmp_path / "a.tar.xz")


def test_packed_parts_one_after_another_are_one(tmp_path: Path) -> None:
    whole = tarred(FILES)
    (tmp_path / "a.tar.gz").write_bytes(
        gzip.compress(whole[:700]) + gzip.compress(b"") + gzip.compress(whole[700:])
    )
    assert list_members(tmp_path / "a.tar.gz") == list(FILES)


def test_what_takes_too_long_is_given_up(
    pack: Callable[[dict[str, bytes]], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "MAX_UNPACK_S", -1.0)
    with pytest.raises(ArchiveError, match="take more than -1 s"):
        list_members(pack(FILES))


def test_a_name_without_end_is_refused(pack: Callable[[dict[str, bytes]], Path]) -> None:
    with pytest.raises(ArchiveError, match="more than 255 bytes"):
        list_members(pack({"x" * 300: b""}))


@pytest.mark.parametrize("suffix", list(PACKERS))
def test_only_files_are_archives(tmp_path: Path, suffix: str) -> None:
    os.mkfifo(tmp_path / f"pipe{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    (tmp_path / f"zero{suffix}").symlink_to("/dev/zero")
    for name in ("pipe", "folder", "zero"):
        with pytest.raises(UserError, match="no regular file"):
            list_members(tmp_path / f"{name}{suffix}")
    with pytest.raises(UserError, match="does not exist"):
        list_members(tmp_path / f"absent{suffix}")
