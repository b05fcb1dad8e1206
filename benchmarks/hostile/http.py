"""Servers on this machine that misbehave: of files, records, weights, and a tracking server."""

import gzip
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.dataset.zenodo_site import zipped

from benchmarks.hostile import driver
from benchmarks.hostile.archives import NAME, PICTURES, SOUND
from benchmarks.hostile.cases import Case
from tmdscope.download import download
from tmdscope.errors import UserError

Speak = Callable[[socket.socket, bytes], None]
"""What a server does with a connection and the request that came."""

LIMITS = (("SILENCE_S", 1.0), ("TIMEOUT_S", 1.0), ("MAX_DOWNLOAD_S", 5.0))
"""Patience of seconds in place of minutes, so that a case ends."""

CONTENT = bytes(range(256)) * 100
"""What should come."""


def serve(speak: Speak) -> str:
    """Start a server in a process of its own, which ends with the case.

    Parameters
    ----------
    speak : callable
        What it does.

    Returns
    -------
    str
        Its address.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    process = os.fork()
    if process == 0:
        try:
            while True:
                connection, _ = listener.accept()
                if os.fork() == 0:
                    try:
                        speak(connection, _request(connection))
                    except OSError:
                        pass
                    finally:
                        connection.close()
                        os._exit(0)
                connection.close()
        finally:
            os._exit(0)
    listener.close()
    driver.servers.append(process)
    return address


def _request(connection: socket.socket) -> bytes:
    content = b""
    while b"\r\n\r\n" not in content and (part := connection.recv(4096)):
        content += part
    return content


def say(head: str, body: bytes = b"", more: Callable[[socket.socket], None] | None = None) -> Speak:
    """Answer with a head and a body, and perhaps go on."""

    def speak(connection: socket.socket, _: bytes) -> None:
        connection.sendall(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body)
        if more is not None:
            more(connection)

    return speak


def right(body: bytes) -> Speak:
    """Answer as one should."""
    return say(f"HTTP/1.1 200 OK\nContent-Length: {len(body)}", body)


def endless(part: bytes) -> Callable[[socket.socket], None]:
    """Send without end."""

    def send(connection: socket.socket) -> None:
        while True:
            connection.sendall(part)

    return send


def drip(part: bytes, every_s: float = 0.2) -> Callable[[socket.socket], None]:
    """Send a little now and then."""

    def send(connection: socket.socket) -> None:
        for _ in range(1000):
            connection.sendall(part)
            time.sleep(every_s)

    return send


def _sleep(_: socket.socket) -> None:
    time.sleep(100)


def _reset(connection: socket.socket, _: bytes) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


def _raw(content: bytes, more: Callable[[socket.socket], None] | None = None) -> Speak:
    def speak(connection: socket.socket, _: bytes) -> None:
        connection.sendall(content)
        if more is not None:
            more(connection)

    return speak


def _moved(to: str) -> Speak:
    return say(f"HTTP/1.1 302 Found\nLocation: {to}\nContent-Length: 0")


def _further(connection: socket.socket, request: bytes) -> None:
    """Point to a further address, and to a further one from there."""
    path = request.split(b" ")[1].decode()
    connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: {path}x\r\nContent-Length: 0\r\n\r\n".encode())


BAD: dict[str, Speak] = {
    "more than was asked, and no end": say(
        f"HTTP/1.1 200 OK\nContent-Length: {2 * len(CONTENT)}", b"", endless(bytes(1 << 16))
    ),
    "no length and no end": say("HTTP/1.1 200 OK", b"", endless(bytes(1 << 16))),
    "pieces without end": say(
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"", endless(b"10000\r\n" + bytes(1 << 16) + b"\r\n")
    ),
    "a petabyte announced": say("HTTP/1.1 200 OK\nContent-Length: 1000000000000000", CONTENT),
    "a length below nothing": say("HTTP/1.1 200 OK\nContent-Length: -5", CONTENT),
    "a length in words": say("HTTP/1.1 200 OK\nContent-Length: many", CONTENT[:-1]),
    "a length of 5000 digits": say("HTTP/1.1 200 OK\nContent-Length: " + "9" * 5000, CONTENT),
    "half of it": say(f"HTTP/1.1 200 OK\nContent-Length: {len(CONTENT)}", CONTENT[:100]),
    "a drip of headers": _raw(b"HTTP/1.1 200 OK\r\n", drip(b"X: y\r\n")),
    "a drip of bytes": say(f"HTTP/1.1 200 OK\nContent-Length: {len(CONTENT)}", b"", drip(b"x")),
    "a drip of pieces": say("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"", drip(b"1\r\nx\r\n")),
    "a drip of a piece's size": say("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"", drip(b"0")),
    "no answer": _raw(b"", _sleep),
    "no body": say(f"HTTP/1.1 200 OK\nContent-Length: {len(CONTENT)}", b"", _sleep),
    "nothing, and goes": _raw(b""),
    "a reset": _reset,
    "a header without end": _raw(b"HTTP/1.1 200 OK\r\nX: ", endless(b"x" * 65536)),
    "headers without end": _raw(b"HTTP/1.1 200 OK\r\n", endless(b"X: y\r\n" * 1000)),
    "continues without end": _raw(b"", endless(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)),
    "no HTTP": _raw(b"\x00\x01\x02 SSH-2.0-OpenSSH_9.6\r\n"),
    "a status in words": say("HTTP/1.1 fine OK"),
    "a reason with an escape": say("HTTP/1.1 500 \x1b[2J\x1b]0;owned\x07"),
    "404": say("HTTP/1.1 404 Not Found\nContent-Length: 0"),
    "401": say('HTTP/1.1 401 No\nWWW-Authenticate: Basic realm="\x1b[2J"\nContent-Length: 0'),
    "a ring of addresses": _moved("/a"),
    "an address behind each address": _further,
    "file:///etc/passwd": _moved("file:///etc/passwd"),
    "ftp": _moved("ftp://127.0.0.1/a"),
    "data:": _moved("data:text/plain,hello"),
    "an address with an escape": _moved("http://127.0.0.1:9/\x1b[2J"),
    "an address that is none": _moved("http://[::1"),
    "a piece of no size": say("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"zz\r\nx\r\n"),
    "a piece below nothing": say("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"-5\r\nx\r\n"),
    "a piece of an endless size": say(
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"", endless(b"f" * 4096)
    ),
    "a range that was not asked": say(
        "HTTP/1.1 206 Partial\nContent-Range: bytes 7-99/100\nContent-Length: 9", b"123456789"
    ),
}
"""What a server answers in place of the file."""


def cases() -> Iterator[Case]:
    """Give every case."""
    yield _file("as it should be", right(CONTENT), "take")
    for told, speak in BAD.items():
        yield _file(told, speak)
    packed = gzip.compress(bytes(100 << 20))
    yield _file(
        "a bomb of gzip",
        say(f"HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: {len(packed)}", packed),
    )
    for told in ("no length and no end", "a drip of bytes", "404", "half of it"):
        yield _file(f"without a size: {told}", BAD[told], "refuse", size=None, most=1 << 20)
    for told, speak in BAD.items():
        if told in (
            "pieces without end",
            "a header without end",
            "a drip of bytes",
            "no answer",
            "a ring of addresses",
            "404",
        ):
            yield _record(f"a listing: {told}", speak)
    bodies: dict[str, bytes] = {
        "a web page": b"<html>",
        "lists without end": b"[" * 200_000,
        "a number of 5000 digits": b'{"files": ' + b"9" * 5000 + b"}",
        "40 MB of spaces": b" " * (40 << 20),
        "null": b"null",
        "UTF-16": '{"files": []}'.encode("utf-16"),
        "an escape": b'{"message": "\\u001b[2J", "status": 404}',
    }
    for told, body in bodies.items():
        yield _record(f"a listing that is {told}", right(body))
    yield _record("a record whose archive is another", _shelf(SOUND, zipped({NAME: b"x"})))
    yield _record("a record whose archive has no end", _shelf(SOUND, None))
    yield _record("a record as it should be", _shelf(SOUND, SOUND), "take")
    for told in ("no length and no end", "pieces without end", "a drip of bytes", "a petabyte announced"):
        yield _weights(told, BAD[told])
    yield _weights("a web page", right(b"<html>"))
    for told in (
        "no HTTP",
        "404",
        "401",
        "a reason with an escape",
        "nothing, and goes",
        "a ring of addresses",
        "half of it",
    ):
        yield _tracking(told, BAD[told])
    for told, body in bodies.items():
        if "MB" not in told:
            must = "either" if told in ("UTF-16", "an escape") else "refuse"  # JSON, and says nothing
            yield _tracking(f"an answer that is {told}", right(body), must)


def _file(
    told: str, speak: Speak, must: str = "refuse", size: int | None = len(CONTENT), most: int | None = None
) -> Case:
    def door(folder: Path) -> bytes:
        url = serve(speak)
        target = folder / "made"
        options = {} if most is None else {"most": most}
        try:
            download(f"{url}/a", target, size, **options)
        except OSError as error:  # who asks tells it
            left = target.stat().st_size if target.exists() else 0
            if left > len(CONTENT) + (most or 0):
                return b"x" * 10
            raise UserError(str(error)) from error
        return target.read_bytes()

    def wrong(found: bytes) -> str | None:
        return None if found == CONTENT else f"{len(found)} other bytes"

    return Case(f"a file: {told}", lambda _: None, door, must, wrong, "127", LIMITS)


def _record(told: str, speak: Any, must: str = "refuse") -> Case:
    def door(folder: Path) -> Any:
        from tmdscope.dataset.archive import ingest_archive
        from tmdscope.dataset.zenodo import FOLDER_VARIABLE, SERVER_VARIABLE
        from tmdscope.params.images import ArchiveParams

        os.environ[FOLDER_VARIABLE] = str(folder / "records")
        os.environ[SERVER_VARIABLE] = serve(speak)
        params = ArchiveParams(record="tmd-afm", files="*")
        return ingest_archive(params, ["MoS2", "WS2"], folder / "pictures", folder / "note.json")

    def wrong(found: Any) -> str | None:
        return None if len(found) == len(PICTURES) else f"{len(found)} pictures"

    return Case(told, lambda _: None, door, must, wrong, limits=LIMITS)


def _shelf(said: bytes, sent: bytes | None) -> Speak:
    import hashlib

    def speak(connection: socket.socket, request: bytes) -> None:
        host = (
            next(line for line in request.split(b"\r\n") if line.lower().startswith(b"host:"))[5:]
            .strip()
            .decode()
        )
        if b"/api/" in request.split(b"\r\n")[0]:
            about = {
                "key": "a.zip",
                "size": len(said),
                "checksum": f"md5:{hashlib.md5(said).hexdigest()}",
                "links": {"self": f"http://{host}/a.zip"},
            }
            right(json.dumps({"files": [about]}).encode())(connection, request)
        elif sent is None:
            BAD["no length and no end"](connection, request)
        else:
            right(sent)(connection, request)

    return speak


def _weights(told: str, speak: Speak) -> Case:
    def door(folder: Path) -> Any:
        from tmdscope.vision.published import Weights
        from tmdscope.vision.weights import MIRROR_VARIABLE, load_weights

        os.environ["TORCH_HOME"] = str(folder / "torch")
        os.environ[MIRROR_VARIABLE] = serve(speak)
        return load_weights(Weights.IMAGENET_V1, "resnet18", folder / "none")

    return Case(f"weights: {told}", lambda _: None, door, limits=(*LIMITS, ("MAX_WEIGHTS_BYTES", 1 << 24)))


def _tracking(told: str, speak: Speak, must: str = "refuse") -> Case:
    def door(_: Path) -> Any:
        from tmdscope.tracking.store import connect

        os.environ["MLFLOW_TRACKING_URI"] = serve(speak).replace("//", "//me:secret@")
        return connect()

    return Case(f"a tracking server: {told}", lambda _: None, door, must, tells=r"^(?!.*secret)")
