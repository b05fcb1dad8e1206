"""Files of a record arrive whole, resume, and stay; what is wrong says what to do."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dataset.zenodo_site import TMD_AFM, publish
from tests.support.web import NOWHERE, Site, serve
from tmdscope.dataset import zenodo
from tmdscope.dataset.zenodo import LISTING, fetch_files, list_files, record_folder
from tmdscope.errors import UserError

DOI = f"10.5281/zenodo.{TMD_AFM}"
FILES = {"a.zip": bytes(range(256)) * 20, "b.zip": b"second", "model.pth": b"weights"}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with serve() as site:
        publish(site, TMD_AFM, FILES)
        monkeypatch.setenv(zenodo.SERVER_VARIABLE, f"{site.url}/")
        yield site


def fetch(folder: Path, pattern: str = "*") -> list[Path]:
    return [path for _, path in fetch_files(DOI, folder, (".zip",), pattern)]


def asked(site: Site, name: str) -> list[str | None]:
    return [ranged for path, ranged in site.log if path.partition("?")[0].endswith(f"/{name}")]


def test_usable_files_are_downloaded_once(site: Site, tmp_path: Path) -> None:
    first = fetch(tmp_path / "new" / "record")
    assert [path.name for path in first] == ["a.zip", "b.zip"]
    assert [path.read_bytes() for path in first] == [FILES["a.zip"], FILES["b.zip"]]
    assert sorted(path.name for path in first[0].parent.iterdir()) == ["a.zip", "b.zip", LISTING]
    site.log.clear()
    assert fetch(tmp_path / "new" / "record") == first
    assert site.log == []


def test_a_listing_says_name_size_and_hash(site: Site, tmp_path: Path) -> None:
    listed = list_files(DOI, tmp_path)
    assert [(file.name, file.size) for file in listed] == [(name, len(FILES[name])) for name in sorted(FILES)]
    assert listed[1].md5 == hashlib.md5(b"second").hexdigest()


def test_a_pattern_chooses(site: Site, tmp_path: Path) -> None:
    assert [path.name for path in fetch(tmp_path, "b*")] == ["b.zip"]
    with pytest.raises(
        UserError, match=r"data\.archive\.files: \*\.tar; it holds a\.zip, b\.zip, model\.pth"
    ):
        fetch(tmp_path, "*.tar")


def test_a_wrong_checksum_is_refused_and_nothing_stays(site: Site, tmp_path: Path) -> None:
    site.files[f"/records/{TMD_AFM}/files/b.zip"] = b"SECOND"
    with pytest.raises(UserError, match=r"cannot download b\.zip: MD5 hash.*does not match"):
        fetch(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", LISTING]
    publish(site, TMD_AFM, FILES)
    assert len(fetch(tmp_path)) == 2


def test_a_download_that_was_cut_off_goes_on(site: Site, tmp_path: Path) -> None:
    path = f"/records/{TMD_AFM}/files/a.zip"
    site.cut[path] = 3000
    with pytest.raises(UserError, match=r"a\.zip: .*cut off, 3000 bytes came of 5120"):
        fetch(tmp_path)
    site.cut.clear()
    assert fetch(tmp_path)[0].read_bytes() == FILES["a.zip"]
    assert asked(site, "a.zip") == [None, "bytes=3000-"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "b.zip", LISTING]


def test_a_beginning_of_another_file_does_no_harm(site: Site, tmp_path: Path) -> None:
    (tmp_path / "a.zip.part").write_bytes(b"other")
    assert fetch(tmp_path)[0].read_bytes() == FILES["a.zip"]
    assert asked(site, "a.zip") == ["bytes=5-", None]


def test_finished_files_survive_a_failure(site: Site, tmp_path: Path) -> None:
    content = site.files.pop(f"/records/{TMD_AFM}/files/b.zip")
    with pytest.raises(UserError, match=r"b\.zip: .*404"):
        fetch(tmp_path)
    site.files[f"/records/{TMD_AFM}/files/b.zip"] = content
    fetch(tmp_path)
    assert len(asked(site, "a.zip")) == 1


def test_no_network_says_what_to_download_and_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(zenodo.SERVER_VARIABLE, NOWHERE)
    with pytest.raises(UserError) as caught:
        fetch(tmp_path / "record")
    for part in (
        f"https://zenodo.org/api/records/{TMD_AFM}",
        f"https://zenodo.org/records/{TMD_AFM}",
        LISTING,
        str(tmp_path / "record"),
        zenodo.FOLDER_VARIABLE,
    ):
        assert part in str(caught.value)


def put_by_hand(site: Site, folder: Path, *names: str) -> None:
    folder.mkdir()
    (folder / LISTING).write_bytes(site.files[f"/api/records/{TMD_AFM}"])
    for name in names:
        (folder / name).write_bytes(FILES[name])


def test_files_put_there_by_hand_need_no_network(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_by_hand(site, tmp_path / "record", "a.zip", "b.zip")
    monkeypatch.setenv(zenodo.SERVER_VARIABLE, NOWHERE)
    assert len(fetch(tmp_path / "record")) == 2
    assert site.log == []


def test_a_file_missing_by_hand_is_listed_with_its_address_and_checksum(site: Site, tmp_path: Path) -> None:
    put_by_hand(site, tmp_path / "record", "a.zip")
    site.files.clear()
    with pytest.raises(UserError, match=f"b.zip  \\(6 bytes, MD5 {hashlib.md5(b'second').hexdigest()}\\)"):
        fetch(tmp_path / "record")


def test_a_damaged_file_put_there_by_hand_is_replaced(site: Site, tmp_path: Path) -> None:
    put_by_hand(site, tmp_path / "record", "a.zip", "b.zip")
    (tmp_path / "record" / "b.zip").write_bytes(b"sec")
    assert fetch(tmp_path / "record")[1].read_bytes() == b"second"


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        (b'{"status": 404, "message": "The record does not exist"}', "lists no files: .*does not exist"),
        (b"<html>", "Expecting value"),
        (b"[]", "lists no files"),
        (b'{"files": [{"key": "a.zip"}]}', "unknown form"),
        (
            b'{"files": [{"key": "../a.zip", "size": 1, "checksum": "md5:", "links": {"self": ""}}]}',
            "no plain",
        ),
        (b"[" * 100_000, "is not JSON"),
        (b" " * 10_000_000, "8388608 at most are read"),
        (b'{"files": [{"key": ".part", "size": 1, "checksum": "md5:", "links": {"self": ""}}]}', "no plain"),
    ],
    ids=["absent", "a page", "a list", "form", "path", "deep", "long", "hidden"],
)
def test_a_listing_that_is_none_is_refused_and_not_kept(
    site: Site, tmp_path: Path, listing: bytes, message: str
) -> None:
    site.files[f"/api/records/{TMD_AFM}"] = listing
    with pytest.raises(UserError, match=f"cannot list the files of doi:{DOI}: .*{message}"):
        fetch(tmp_path)
    assert not (tmp_path / LISTING).exists()


def test_a_broken_listing_put_there_by_hand_is_named(tmp_path: Path) -> None:
    (tmp_path / LISTING).write_text(json.dumps({"files": 3}))
    with pytest.raises(UserError, match=f"{LISTING} lists no files"):
        fetch(tmp_path)


def test_the_variable_moves_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(zenodo.FOLDER_VARIABLE, raising=False)
    assert record_folder("a").name == "a"
    monkeypatch.setenv(zenodo.FOLDER_VARIABLE, str(tmp_path))
    assert record_folder("a") == tmp_path / "a"


ENTRY = {"key": "a.zip", "size": 5, "checksum": f"md5:{'0' * 32}", "links": {"self": "https://zenodo.org/a"}}


@pytest.mark.parametrize(
    ("entries", "message"),
    [([ENTRY | {"size": size}], "with a size of") for size in ("5", -1, 5.0, 1e30, 10**30, True, None)]
    + [
        ([ENTRY | {"checksum": f"sha256:{'0' * 64}"}], "no MD5"),
        ([ENTRY | {"checksum": None}], "unknown form"),
        ([ENTRY | {"links": {"self": 3}}], "without an address"),
        ([ENTRY | {"key": 3}], "no plain file name"),
        ([ENTRY | {"key": "a\n.zip"}], "no plain file name"),
        ([ENTRY | {"key": "x" * 300}], "no plain file name"),
        ([ENTRY | {"key": LISTING}], "no plain file name"),
        ([ENTRY, ENTRY], "look alike"),
        ([ENTRY, ENTRY | {"key": "A.zip"}], "look alike"),
        ([3], "unknown form"),
    ],
)
def test_an_entry_that_is_none_is_told(tmp_path: Path, entries: list[object], message: str) -> None:
    (tmp_path / LISTING).write_text(json.dumps({"files": entries}))
    with pytest.raises(UserError, match=message):
        fetch(tmp_path)


@pytest.mark.parametrize("place", ["file:///etc/hostname", "ftp://zenodo.org/a", "https://elsewhere.org/a"])
def test_a_file_on_another_host_is_not_asked_for(tmp_path: Path, place: str) -> None:
    (tmp_path / LISTING).write_text(json.dumps({"files": [ENTRY | {"links": {"self": place}}]}))
    with pytest.raises(UserError, match="not asked"):
        fetch(tmp_path)


def test_pipes_in_the_folder_are_told(site: Site, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.zip")
    with pytest.raises(UserError, match=r"a\.zip is no regular file"):
        fetch(tmp_path)
    (tmp_path / LISTING).unlink()
    os.mkfifo(tmp_path / LISTING)
    with pytest.raises(UserError, match=r"record\.json is no regular file"):
        fetch(tmp_path)
