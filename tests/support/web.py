"""A web server on this machine that can be told to misbehave."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What the server gives: path to content, and how.

    `cut` names paths whose answer announces the whole length and stops after so many bytes; `ranges`
    says whether it can go on from the middle of a file; `log` holds each request's path and range.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    ranges: bool = True
    log: list[tuple[str, str | None]] = field(default_factory=list)


NOWHERE = "http://127.0.0.1:9"
"""No server listens there: connections are refused, as without a network."""


@contextmanager
def serve() -> Iterator[Site]:
    """Serve a site until the block ends."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            site.log.append((self.path, asked))
            content = site.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            found = re.fullmatch(r"bytes=(\d+)-", asked or "") if site.ranges else None
            start = int(found[1]) if found else 0
            self.send_response(206 if found else 200)
            self.send_header("Content-Length", str(len(content) - start))
            if found:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            self.wfile.write(content[start : site.cut.get(self.path, len(content))])

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield site
        server.shutdown()
        thread.join()
