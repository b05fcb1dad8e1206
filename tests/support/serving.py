"""A scoring server as `tmdscope serve` starts it, and requests to it."""

import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

READY_WITHIN_S = 120


@contextmanager
def start(
    folder: Path, model: str, *more: str, **variables: str
) -> Iterator[tuple[int, "subprocess.Popen[str]"]]:
    """Start `tmdscope serve` in a folder with params.yaml on a free port; gives the port and the process."""
    command = [str(Path(sys.executable).parent / "tmdscope"), "serve", "--model", model, "--port", "0", *more]
    log = folder / "serve.log"
    with log.open("w") as stream:
        process = subprocess.Popen(command, cwd=folder, env=os.environ | variables, stderr=stream, text=True)
    try:
        end = time.monotonic() + READY_WITHIN_S
        while (found := re.search(r"answers on http://\S+:(\d+)", log.read_text())) is None:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, f"not ready within {READY_WITHIN_S} s: {log.read_text()}"
            time.sleep(0.1)
        yield int(found[1]), process
    finally:
        process.kill()
        process.wait()


def ask(
    port: int, path: str, body: Any = None, headers: Mapping[str, str] | None = None, method: str = ""
) -> tuple[int, Any]:
    """Ask once; a body that is no text is sent as JSON. Gives status and answer, from JSON where it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=180)
    if body is not None and not isinstance(body, str | bytes):
        body = json.dumps(body)
    given = {} if body is None else {"Content-Type": "application/json"}
    try:
        connection.request(
            method or ("GET" if body is None else "POST"), path, body, given | dict(headers or {})
        )
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, json.loads(text) if text.startswith(("{", "[")) else text
    finally:
        connection.close()
