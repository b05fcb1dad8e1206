"""A download is whole or an error, and goes on where it stopped."""

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.web import NOWHERE, Site, serve
from tmdscope import download as module
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


@contextmanager
def saying(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that reads each request and answers in its own way."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with peer:
                    try:
                        request = b""
                        while b"\r\n\r\n" not in request:
                            request += peer.recv(65536)
                        seen.append(request)
                        answer(peer)
                    except OSError:
                        pass  # whoever asked has gone

        seen.clear()
        threading.Thread(target=run, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


seen: list[bytes] = []
OK = b"HTTP/1.1 200 OK\r\n"


def endless(start: bytes, again: bytes, pause: float = 0) -> Callable[[socket.socket], None]:
    def answer(peer: socket.socket) -> None:
        peer.sendall(start)
        while True:
            peer.sendall(again)
            time.sleep(pause)

    return answer


@pytest.mark.parametrize(
    "start", [OK + b"\r\n", OK + b"Content-Length: 2048\r\n\r\n"], ids=["no size", "lies"]
)
def test_a_body_without_end_stops_at_the_known_size(tmp_path: Path, start: bytes) -> None:
    (tmp_path / "a").write_bytes(b"x")
    with saying(endless(start.replace(b"2048", b"999999"), bytes(65536))) as url:
        for target, size, most in ((tmp_path / "a", 25_000, 1 << 36), (tmp_path / "b", None, 25_000)):
            with pytest.raises(DownloadError, match=r"25000 (bytes, the most|at most)"):
                download(f"{url}/a", target, size, most)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 25_000


@pytest.mark.parametrize(
    ("start", "again"),
    [
        (OK, b"X-Pad: " + b"y" * 60_000 + b"\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 1000),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x" * 1000),
    ],
    ids=["headers", "continues", "trailers", "a chunk's head"],
)
def test_what_is_no_body_is_bounded_too(tmp_path: Path, start: bytes, again: bytes) -> None:
    with saying(endless(start, again)) as url, pytest.raises(DownloadError, match=url):
        download(f"{url}/a", tmp_path / "a", 10)


@pytest.mark.parametrize(
    "start", [OK + b"Content-Length: 100\r\n\r\n", OK + b"X-Drip: "], ids=["body", "head"]
)
def test_a_server_that_drips_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 0.3)
    with (
        saying(endless(start, b"x", 0.05)) as url,
        pytest.raises(DownloadError, match="1024 a second: too slow"),
    ):
        download(f"{url}/a", tmp_path / "a")
    monkeypatch.setattr(module, "SILENCE_S", 60.0)
    monkeypatch.setattr(module, "MAX_DOWNLOAD_S", 0.2)
    with saying(endless(start, b"x", 0.05)) as url, pytest.raises(DownloadError, match=r"more than 0\.2 s"):
        download(f"{url}/a", tmp_path / "a")


@pytest.mark.parametrize("length", ["-5", "ten", "1e9", "9" * 30, "5\r\nContent-Length: 7", "0x10"])
def test_a_length_that_is_none_is_told(tmp_path: Path, length: str) -> None:
    answer = OK + f"Content-Length: {length}\r\n\r\n12345".encode()
    with (
        saying(lambda peer: peer.sendall(answer)) as url,
        pytest.raises(DownloadError, match="which is no number of bytes"),
    ):
        download(f"{url}/a", tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_disk_too_small_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = OK + b"Content-Length: 50000000000\r\n\r\n"
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10_000}))
    with (
        saying(lambda peer: peer.sendall(answer)) as url,
        pytest.raises(DownloadError, match="full: 50000000000 bytes are needed, 10000 free"),
    ):
        download(f"{url}/a", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_packed_content_is_not_unpacked(tmp_path: Path) -> None:
    with saying(lambda peer: peer.sendall(OK + b"Content-Encoding: gzip\r\n\r\n12345")) as url:
        download(f"{url}/a.tar.gz", tmp_path / "a", 5)
        with pytest.raises(DownloadError, match="comes packed as 'gzip'"):
            download(f"{url}/a", tmp_path / "a")
    assert b"Accept-Encoding: identity" in seen[0]


@pytest.mark.parametrize("place", ["ftp://127.0.0.1/a", "file:///etc/hostname", "gopher://x/"])
def test_a_redirection_leads_to_http_alone(tmp_path: Path, place: str) -> None:
    answer = f"HTTP/1.1 302 Found\r\nLocation: {place}\r\n\r\n".encode()
    with (
        saying(lambda peer: peer.sendall(answer)) as url,
        pytest.raises(DownloadError, match=f"{place}.* (not asked|not allowed)"),
    ):
        download(f"{url}/a", tmp_path / "a")


def test_redirections_end_and_their_bodies_are_not_read(tmp_path: Path) -> None:
    answer = endless(b"HTTP/1.1 302 Found\r\nLocation: /a\r\n\r\n", bytes(65536))
    with saying(answer) as url, pytest.raises(DownloadError, match="infinite loop"):
        download(f"{url}/a", tmp_path / "a")


def test_no_redirection_leads_from_a_secure_address_to_an_open_one() -> None:
    request = module.Request("https://here/a", headers={"Range": "bytes=3-"})
    request.add_unredirected_header("Authorization", "Basic x")
    handler = module._Redirections()
    with pytest.raises(DownloadError, match="no https:// address"):
        handler.redirect_request(request, None, 302, "Found", {}, "http://here/a")
    further = handler.redirect_request(request, io.BytesIO(), 302, "Found", {}, "https://there/a")
    assert further.header_items() == [("Range", "bytes=3-")]


def test_a_password_goes_to_its_own_server_and_into_no_message(tmp_path: Path) -> None:
    with (
        saying(lambda peer: peer.sendall(b"HTTP/1.1 404 Not\r\n\r\n")) as url,
        pytest.raises(DownloadError, match="404") as caught,
    ):
        download(url.replace("://", "://me:hush@") + "/a", tmp_path / "a")
    assert b"Authorization: Basic bWU6aHVzaA==" in seen[0]
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://a b/",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/\0",
        "http://127.0.0.1/\r\nX: y",
        "http://",
        "http://[::1",
        "http://127.0.0.1:port/",
        "http://ma\u00df/\u00e4",
        "http://" + "x" * 100 + "/",
        "",
    ],
    ids=ascii,
)
def test_what_is_no_address_is_told(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadError) as caught:
        download(url, tmp_path / "a")
    assert str(caught.value).isprintable()


def test_a_server_that_knows_no_more_is_asked_from_the_start(tmp_path: Path) -> None:
    def answer(peer: socket.socket) -> None:
        again = b"Range:" not in seen[-1]
        peer.sendall(OK + b"\r\n12345" if again else b"HTTP/1.1 416 Range\r\n\r\n")

    (tmp_path / "a").write_bytes(b"xxx")
    with saying(answer) as url:
        download(f"{url}/a", tmp_path / "a", 5)
    assert (tmp_path / "a").read_bytes() == b"12345"
