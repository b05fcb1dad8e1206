"""Files over HTTP: bounded, resumed where an earlier attempt stopped, never taken for whole when cut off."""

import base64
import http.client
import io
import shutil
import time
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPHandler, HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from tmdscope.address import without_secrets
from tmdscope.files import atomic_path, sha256_file
from tmdscope.limits import (
    MAX_ARCHIVE_BYTES,
    MAX_DOWNLOAD_S,
    MAX_HEADER_BYTES,
    MAX_TEXT_BYTES,
    MIN_RATE_BYTES_S,
    SILENCE_S,
)

_CHUNK_BYTES = 1 << 20


class DownloadError(OSError):
    """A file that could not be had, or not whole; its message names the address, without secrets."""

    def __init__(self, message: str) -> None:
        super().__init__(without_secrets(message))


def download(url: str, target: Path, size: int | None = None, most: int = MAX_ARCHIVE_BYTES) -> None:
    """Download a file of `size` bytes, or of at most `most`, going on where `target` ends if the server can.

    Without a size it is written anew. After a `DownloadError` `target` holds what came, or nothing where that
    was too much. A name and password in the address are sent to its own host alone.
    """
    have = target.stat().st_size if size is not None and target.is_file() else 0
    have = 0 if size is not None and have >= size else have
    try:
        with _ask(url, {"Range": f"bytes={have}-"} if have else {}) as response:
            goes_on = have and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            begin = have if goes_on else 0
            announced = _announced(response)
            expected, limit = (announced, most) if size is None else (size, size)
            if (whole := begin + (announced or 0)) > limit:
                raise DownloadError(f"{whole} bytes are announced, {limit} at most are read")
            free = shutil.disk_usage(target.parent).free
            if expected is not None and expected - begin > free:
                raise DownloadError(
                    f"the disk of {target.parent} is full: {expected - begin} bytes are needed, {free} free"
                )
            with target.open("ab" if goes_on else "wb") as stream:
                end = begin + _copy(response, stream, limit - begin)
        if end > limit:
            target.unlink()
            raise DownloadError(f"it sends more than {limit} bytes, the most that are read; nothing was kept")
        if expected is not None and end != expected:
            raise DownloadError(f"cut off, {end} bytes came of {expected}")
    except (OSError, http.client.HTTPException, ValueError) as error:
        if have and getattr(error, "code", None) == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            target.unlink()
            download(url, target, size, most)
        else:
            raise DownloadError(f"{url if url.isprintable() else repr(url)}: {error}") from error


def download_published(url: str, target: Path, sha256: str) -> None:
    """Download a file of a known SHA-256, unless `target` is it already; another one is a `DownloadError`."""
    if target.is_file() and sha256_file(target) == sha256:
        return
    with atomic_path(target) as temporary:
        download(url, temporary, most=MAX_TEXT_BYTES)
        if (found := sha256_file(temporary)) != sha256:
            raise DownloadError(f"{url}: SHA-256 {found} came, {sha256} was published")


def _copy(response: http.client.HTTPResponse, stream: IO[bytes], most: int) -> int:
    """Copy a body and count it; one byte too many shows that there is more."""
    count = 0
    pacer: _Pacer = response.pacer  # type: ignore[attr-defined]
    pacer.grant(_CHUNK_BYTES)
    while count <= most and (chunk := response.read1(min(_CHUNK_BYTES, most + 1 - count))):
        stream.write(chunk)
        count += len(chunk)
        pacer.grant(len(chunk) + MAX_HEADER_BYTES // 256)
    return count


def _announced(response: http.client.HTTPResponse) -> int | None:
    """Read the length of a body, if it is said; http.client passes over what is no number."""
    said = set(response.headers.get_all("Content-Length", []))
    if not said or response.headers.get("Transfer-Encoding"):
        return None
    length = said.pop()
    if said or not (length.isascii() and length.isdecimal() and len(length) < 20):
        raise DownloadError(f"a length of {length[:40]!r} is announced, which is no number of bytes")
    return int(length)


def _ask(url: str, headers: dict[str, str]) -> Any:
    """Open an address, whose parts are checked here because messages of libraries quote them."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DownloadError("it is no address that begins with http:// or https:// and names a host")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise DownloadError(
            "it holds a space or another character that no address has; write %20 or the like"
        )
    place, _, host = parts.netloc.rpartition("@")
    request = Request(urlunsplit(parts._replace(netloc=host)), headers=headers)  # noqa: S310 - see above
    if place:  # not in `headers`, which a redirection copies
        token = base64.b64encode(unquote(place).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    response = build_opener(_Paced, _Redirections).open(request, timeout=SILENCE_S)
    packed = response.headers.get("Content-Encoding", "identity").lower()
    if packed != "identity" and not parts.path.endswith((".gz", ".tgz")):
        response.close()
        raise DownloadError(f"it comes packed as {packed[:40]!r}, which was not asked for")
    return response


class _Pacer(io.RawIOBase):
    """All that comes over a connection: no more than was granted, no slower than it may be."""

    def __init__(self, source: IO[bytes]) -> None:
        self.source = source
        self.granted = MAX_HEADER_BYTES
        self.begin = self.since = time.monotonic()
        self.came = 0

    def readable(self) -> bool:
        return True

    def grant(self, count: int) -> None:
        """Allow further bytes: as many as were of use."""
        self.granted = min(self.granted + count, _CHUNK_BYTES + MAX_HEADER_BYTES)

    def readinto(self, buffer: Any) -> int:
        """Read what is there."""
        count = self.source.readinto(memoryview(buffer)[: self.granted + 1])  # type: ignore[attr-defined]
        self.came += count
        self.granted -= count
        now = time.monotonic()
        if now - self.begin > MAX_DOWNLOAD_S:
            raise DownloadError(f"it takes more than {MAX_DOWNLOAD_S:g} s, and was given up")
        if now - self.since > SILENCE_S:
            if self.came < MIN_RATE_BYTES_S * (now - self.since):
                raise DownloadError(
                    f"{self.came} bytes came in {now - self.since:.0f} s, less than {MIN_RATE_BYTES_S} "
                    "a second: too slow, and was given up; try again later, or fetch it by hand"
                )
            self.since, self.came = now, 0
        if self.granted < 0:
            raise DownloadError(f"more than {MAX_HEADER_BYTES} bytes come that are no part of the file")
        return int(count)

    def close(self) -> None:
        self.source.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """A response whose headers, chunks and trailers are bounded like its body."""

    def __init__(self, sock: Any, *given: Any, **named: Any) -> None:
        super().__init__(sock, *given, **named)
        self.fp.close()
        self.pacer = _Pacer(sock.makefile("rb", buffering=0))
        self.fp = io.BufferedReader(self.pacer, MAX_HEADER_BYTES // 8)


class _Paced(HTTPHandler, HTTPSHandler):
    """Opens connections, secure ones too, whose responses are paced."""

    def do_open(self, http_class: Any, req: Request, **named: Any) -> Any:
        paced: Any = type("_Connection", (http_class,), {"response_class": _Response})
        return super().do_open(paced, req, **named)


class _Redirections(HTTPRedirectHandler):
    """Ten at most, to HTTP alone, never from a secure address to an open one."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https") or (scheme == "http" and req.full_url.startswith("https://")):
            raise DownloadError(f"it points to {newurl}, which is no https:// address and not asked")
        fp.close()  # what a redirection itself says may have no end
        further = super().redirect_request(req, fp, code, msg, headers, newurl)
        if further is not None:
            further.headers.pop("Proxy-authorization", None)
        return further
