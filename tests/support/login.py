"""A server that asks for a name and a password before it passes a request on, as a proxy does."""

import base64
import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

OF_A_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Gate(ThreadingHTTPServer):
    """Counts the requests that it let in, and those that it did not."""

    def __init__(self, server: str, login: str) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.behind = urlsplit(server).netloc
        self.login = f"Basic {base64.b64encode(login.encode()).decode()}"
        self.passed, self.refused = 0, 0


class _Request(BaseHTTPRequestHandler):
    server: Gate

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != self.server.login:
            self.server.refused += 1
            self._answer(401, {"WWW-Authenticate": "Basic"}, b"who are you?")
            return
        self.server.passed += 1
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        behind = http.client.HTTPConnection(self.server.behind, timeout=60)
        behind.request(
            self.command, self.path, body, {**self.headers, "Host": self.server.behind, "Connection": "close"}
        )
        answer = behind.getresponse()
        kept = {k: v for k, v in answer.getheaders() if k.lower() not in OF_A_CONNECTION}
        self._answer(answer.status, kept, answer.read())

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - names of http.server

    def log_message(self, *_: object) -> None:
        """Say nothing of a request."""

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def behind_login(server: str, login: str) -> Iterator[Gate]:
    """Stand before a server, ``http://HOST:PORT``, until the block ends; `login` is NAME:PASSWORD."""
    with Gate(server, login) as gate:
        thread = Thread(target=gate.serve_forever, daemon=True)
        thread.start()
        try:
            yield gate
        finally:
            gate.shutdown()
            thread.join()
