"""Requests to the scoring server: each gets an answer in words, and the next one is served."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.tracking.programs import CLASSES, make_program

from benchmarks.hostile.cases import Case
from tmdscope.errors import UserError

Send = Callable[[socket.socket], None]
SIDE = 32
IMAGE = [[0] * SIDE] * SIDE
LIMITS = (
    *(("HEADER_SECONDS", 1), ("BODY_SECONDS", 1), ("ANSWER_SECONDS", 5), ("MAX_REQUEST_BYTES", 1 << 22)),
    *(("MAX_BODIES_BYTES", 1 << 23), ("MAX_CONNECTIONS", 20)),
)
_CLOSED = "closed without an answer"


def _start() -> int:
    """Serve a model of random weights in a process of its own."""
    from tmdscope.serving import server

    listening = server._listen("127.0.0.1", 0)
    port = int(listening.getsockname()[1])
    if os.fork() == 0:
        import uvicorn

        from tmdscope.serving.app import make_app
        from tmdscope.serving.door import LOCAL
        from tmdscope.serving.scorer import Scorer

        try:
            app = make_app(
                Scorer(make_program(2).ensemble), SIDE, {"classes": list(CLASSES)}, [*LOCAL], "", 8
            )
            uvicorn.Server(server._config(app)).run(sockets=[listening])
        finally:
            os._exit(0)
    listening.close()
    for _ in range(200):
        with suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            return port
        time.sleep(0.1)
    raise RuntimeError("no server came up")


def _ask(port: int, send: Send, wait_s: float = 20.0) -> tuple[int, str]:
    with socket.create_connection(("127.0.0.1", port), timeout=wait_s) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # it has heard enough
            send(connection)
        content = b""
        with suppress(ConnectionResetError):
            while part := connection.recv(65536):
                content += part
    if not content:
        return 0, _CLOSED
    head, _, body = content.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


def _raw(content: bytes, more: Send | None = None) -> Send:
    def send(connection: socket.socket) -> None:
        connection.sendall(content)
        if more is not None:
            more(connection)

    return send


def _post(body: bytes, *headers: str, path: str = "/invocations", host: str = "localhost") -> Send:
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Connection: close", f"Content-Length: {len(body)}"]
    lines += headers or ("Content-Type: application/json",)
    return _raw("\r\n".join([*lines, "", ""]).encode("latin-1") + body)


def _head(*headers: str, line: str = "POST /invocations") -> bytes:
    known = ("Host: localhost", "Content-Type: application/json")
    return "\r\n".join([f"{line} HTTP/1.1", *known, *headers, "", ""]).encode("latin-1")


def _inputs(value: Any) -> bytes:
    return json.dumps({"inputs": value}).encode()


def _endless(part: bytes) -> Send:
    def send(connection: socket.socket) -> None:
        for _ in range(20_000):
            connection.sendall(part)

    return send


def _case(told: str, send: Send, must: str = "refuse") -> Case:
    def door(_: Path) -> str:
        port = _start()
        try:
            status, text = _ask(port, send)
            after, _ = _ask(port, _raw(b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
        except OSError as error:
            raise RuntimeError("it does not answer") from error
        if after != 200:
            raise RuntimeError(f"the next request got {after}, after {status}: {text}")
        if 400 <= status < 500 or status in (0, 503):
            raise UserError(text)
        if status != 200:
            raise RuntimeError(f"{status}: {text}")
        return text

    return Case(told, lambda _: None, door, must, _wrong, limits=LIMITS)


def _wrong(text: str) -> str | None:
    if not text.startswith("{"):
        return None
    found = json.loads(text).get("predictions")
    sums = [sum(row) for row in found or []]
    return None if sums and all(abs(one - 1) < 1e-3 for one in sums) else f"probabilities {text[:200]}"


def cases() -> Iterator[Case]:
    """Give every case."""
    yield _case("an image", _post(_inputs([IMAGE])), "take")
    bodies: dict[str, bytes] = {
        "nothing": b"",
        "no JSON": b"hello",
        "no UTF-8": b'{"inputs": "\xff"}',
        "UTF-16": json.dumps({"inputs": [IMAGE]}).encode("utf-16"),
        "a list": b"[]",
        "no inputs": b"{}",
        "lists without end": b'{"inputs": ' + b"[" * 500_000,
        "maps without end": b'{"a":' * 200_000,
        "a number of 5000 digits": b'{"inputs": [[[' + b"9" * 5000 + b"]]]}",
        "a number of 1e999": b'{"inputs": [[[1e999]]]}',
        "NaN": _inputs([IMAGE]).replace(b"0", b"NaN", 1),
        "texts": _inputs([[["0"] * SIDE] * SIDE]),
        "truth": _inputs([[[True] * SIDE] * SIDE]),
        "fractions": _inputs([[[0.5] * SIDE] * SIDE]),
        "numbers below nothing": _inputs([[[-1] * SIDE] * SIDE]),
        "numbers beyond a byte": _inputs([[[256] * SIDE] * SIDE]),
        "null": _inputs([[[None] * SIDE] * SIDE]),
        "another size": _inputs([[[0] * 31] * 31]),
        "one dimension": _inputs([0] * SIDE),
        "four dimensions": _inputs([[IMAGE]]),
        "rows of different lengths": _inputs([[[0] * SIDE] * (SIDE - 1) + [[0]]]),
        "no image": _inputs([]),
        "5000 images": b'{"inputs": [' + b",".join([b"[]"] * 5000) + b"]}",
        "inputs twice": b'{"inputs": [], "inputs": []}',
        "params": json.dumps({"inputs": [IMAGE], "params": {"x": "\x1b[2J"}}).encode(),
        "a data frame": b'{"dataframe_split": {"columns": ["a"], "data": [[1]]}}',
        "8 MB": _inputs([IMAGE]) + b" " * (8 << 20),
        "an escape": b'{"\\u001b[2J": 1}',
        "a pickle": b"cos\nsystem\n(S'touch EXECUTED'\ntR.",
    }
    for told, body in bodies.items():
        yield _case(f"a body: {told}", _post(body), "either" if told == "UTF-16" else "refuse")
    sound = _inputs([IMAGE])
    yield _case("another host", _post(sound, host="evil.example"))
    yield _case("another host with our name in it", _post(sound, host="localhost.evil.example"))
    yield _case("a page's form", _post(sound, "Content-Type: text/plain"))
    yield _case("a packed body", _post(sound, "Content-Type: application/json", "Content-Encoding: gzip"))
    yield _case("a CSV", _post(b"a,b\n1,2\n", "Content-Type: text/csv"))
    yield _case(
        "a length below nothing",
        _raw(b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n"),
    )
    yield _case("two lengths", _raw(_head("Content-Length: 5", "Content-Length: 6") + b"hello"))
    yield _case(
        "a length of 2^70", _post(b"", "Content-Type: application/json", f"Content-Length: {1 << 70}")
    )
    chunked = _head("Transfer-Encoding: chunked")
    yield _case("pieces without end", _raw(chunked, _endless(b"1000\r\n" + b" " * 4096 + b"\r\n")))
    yield _case("a piece of no size", _raw(chunked + b"zz\r\n"))
    yield _case(
        "a length and pieces",
        _post(b"0\r\n\r\n", "Content-Type: application/json", "Transfer-Encoding: chunked"),
    )
    yield _case(
        "half a body",
        _raw(_head("Content-Length: 500") + b"{"),
    )
    yield _case("half a head", _raw(b"POST /invocations HTTP/1.1\r\nHost: loc"))
    yield _case("nothing at all", _raw(b""))
    yield _case(
        "a header without end", _raw(b"GET /ping HTTP/1.1\r\nHost: localhost\r\nX: ", _endless(b"x" * 4096))
    )
    yield _case(
        "headers without end", _raw(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n", _endless(b"X: y\r\n" * 500))
    )
    yield _case("no host", _raw(b"GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n"))
    yield _case("no HTTP", _raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"))
    for path in (
        "/../../etc/passwd",
        "/%2e%2e/etc/passwd",
        "/docs",
        "/openapi.json",
        "/\x1b[2J",
        "/" + "a" * 5000,
        "//evil.example/",
    ):
        line = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        yield _case(f"GET {path[:20]!r}", _raw(line.encode("latin-1")))
    for method in ("GET", "DELETE", "TRACE", "CONNECT"):
        yield _case(
            f"{method} of an address to post to",
            _raw(f"{method} /invocations HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()),
        )
