"""A download is whole or an error, and goes on where it stopped."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.web import NOWHERE, Site, serve
from tmdscope.download import DownloadError, download

CONTENT = bytes(range(256)) * 8


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as site:
        site.files["/a"] = CONTENT
        yield site


@pytest.mark.parametrize("size", [None, len(CONTENT)], ids=["size announced", "size known"])
def test_a_file_arrives_whole(site: Site, tmp_path: Path, size: int | None) -> None:
    download(f"{site.url}/a", tmp_path / "a", size)
    assert (tmp_path / "a").read_bytes() == CONTENT


@pytest.mark.parametrize("size", [None, len(CONTENT)], ids=["size announced", "size known"])
def test_a_file_that_is_cut_off_is_an_error(site: Site, tmp_path: Path, size: int | None) -> None:
    site.cut["/a"] = 1000
    with pytest.raises(DownloadError, match=f"{site.url}/a: cut off, 1000 bytes came of {len(CONTENT)}"):
        download(f"{site.url}/a", tmp_path / "a", size)


def test_a_shorter_file_than_was_promised_is_an_error(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=f"{len(CONTENT)} bytes came of {len(CONTENT) + 1}"):
        download(f"{site.url}/a", tmp_path / "a", len(CONTENT) + 1)


@pytest.mark.parametrize("ranges", [True, False], ids=["goes on", "starts anew"])
def test_it_goes_on_where_it_stopped_if_the_server_can(site: Site, tmp_path: Path, ranges: bool) -> None:
    site.ranges = ranges
    (tmp_path / "a").write_bytes(CONTENT[:700])
    download(f"{site.url}/a", tmp_path / "a", len(CONTENT))
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert site.log == [("/a", "bytes=700-")]


@pytest.mark.parametrize("size", [None, len(CONTENT)], ids=["size unknown", "longer than the file"])
def test_what_cannot_be_a_beginning_is_replaced(site: Site, tmp_path: Path, size: int | None) -> None:
    (tmp_path / "a").write_bytes(b"x" * (len(CONTENT) + 5))
    download(f"{site.url}/a", tmp_path / "a", size)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert site.log == [("/a", None)]


def test_absence_is_told(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="404"):
        download(f"{site.url}/b", tmp_path / "b")
    with pytest.raises(DownloadError, match="refused"):
        download(f"{NOWHERE}/a", tmp_path / "a")
    with pytest.raises(DownloadError, match="begins with http"):
        download("file:///etc/hostname", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
