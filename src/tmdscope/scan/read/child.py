"""Asking the process that runs readers: started when it is first needed, kept until a reader fails."""

import atexit
import json
import subprocess
import sys
import threading
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from tmdscope.limits import READER_WAIT_S, READER_WAIT_S_PER_BYTE
from tmdscope.scan.read.channels import Channel, ReadChannel, ScanError
from tmdscope.scan.read.formats import Format


class _Child:
    """A process that reads one file at a time."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tmdscope.scan.read.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def ask(self, request: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
        """Send a file and take the answer; EOFError where the process ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        timer = threading.Timer(READER_WAIT_S + len(content) * READER_WAIT_S_PER_BYTE, self.process.kill)
        timer.start()
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n" + content)
            self.process.stdin.flush()
            line = self.process.stdout.readline()
            if not line:
                raise EOFError
            answer: dict[str, Any] = json.loads(line)
            rows, columns = answer.get("shape", (0, 0))
            values = self.process.stdout.read(4 * rows * columns)
            if len(values) != 4 * rows * columns:
                raise EOFError
            return answer, values
        except BrokenPipeError as error:
            raise EOFError from error
        finally:
            timer.cancel()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


_idle: list[_Child] = []
_lock = threading.Lock()


def read_in_child(content: bytes, form: Format, channel: str | None) -> ReadChannel:
    """Read a file with a library, in a process whose memory and time are limited by the file's size.

    Safe for threads: each has a process to itself while it asks.
    """
    with _lock:
        child = _idle.pop() if _idle else _Child()
    request = {"format": form.name, "channel": channel, "bytes": len(content)}
    try:
        answer, values = child.ask(request, content)
    except EOFError as error:
        child.end()
        raise ScanError("its reader crashed or did not come to an end: it is damaged") from error
    except BaseException:
        child.end()
        raise
    if answer.get("last"):
        child.end()
    else:
        with _lock:
            _idle.append(child)
    if "error" in answer:
        raise ScanError(answer["error"])
    channels = TypeAdapter(list[Channel]).validate_python(answer["channels"])
    height_nm = np.frombuffer(values, np.float32).reshape(answer["shape"])
    return channels, int(answer["chosen"]), height_nm, tuple(answer["warnings"])


@atexit.register
def _end_all() -> None:
    while _idle:
        _idle.pop().end()
