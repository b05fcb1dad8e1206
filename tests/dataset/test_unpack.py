"""Archives are read whole or refused; nothing leaves them, and nothing grows without bound."""

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.dataset.zenodo_site import zipped
from tmdscope.dataset import unpack
from tmdscope.dataset.unpack import ArchiveError, list_members, read_members

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
    with pytest.raises(ArchiveError, match=r"'folder/c\.csv' is one too many: at most 2"):
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
