"""From an instrument's file to a Scan: heights in nm and the size of a pixel, or an error that says why.

Libraries read in processes of their own (`tmdscope.scan.read.worker`), which are kept until a reader fails.
"""

import atexit
import hashlib
import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from tmdscope.errors import UserError
from tmdscope.files import read_bytes
from tmdscope.limits import MAX_SCAN_BYTES, READER_WAIT_S, READER_WAIT_S_PER_BYTE
from tmdscope.scan.read.channels import Channel, ReadChannel, ScanError, read_channel
from tmdscope.scan.read.formats import NANOSCOPE, Format, format_of
from tmdscope.scan.read.nanoscope import find_channels
from tmdscope.scan.scan import Scan


@dataclass(frozen=True)
class InstrumentFile:
    """What an instrument's file holds: its format for people, all channels, and the scan that was read."""

    title: str
    channels: tuple[Channel, ...]
    scan: Scan


def read_file(path: Path, channel: str | None = None) -> InstrumentFile:
    """Read an instrument's file, as `decode_file`; a ScanError names the file."""
    try:
        return decode_file(read_bytes(path, MAX_SCAN_BYTES), path.name, channel)
    except (OSError, UserError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ScanError(f"{path}: {reason}") from error


def decode_file(content: bytes, name: str, channel: str | None = None) -> InstrumentFile:
    """Read an instrument's file that is in memory: its channels, and the heights of one.

    What it is (`tmdscope.scan.read.formats.FORMATS`) is told by how it begins; `name` is kept as the scan's
    source. Without a channel's name that of the heights is found. Nothing is assumed that it does not say.
    """
    form = format_of(content)
    if form is NANOSCOPE:
        channels, chosen, height_nm, warnings = read_channel(find_channels(content), channel)
    else:
        channels, chosen, height_nm, warnings = read_in_child(content, form, channel)
    used = channels[chosen]
    sha256 = hashlib.sha256(content).hexdigest()
    scan = Scan(height_nm, used.pixel_size_nm, used.name, name, sha256, warnings)
    return InstrumentFile(form.title, tuple(channels), scan)


def read_in_child(content: bytes, form: Format, channel: str | None) -> ReadChannel:
    """Read a file with a library, in a process whose memory and time are limited by the file's size.

    Safe for threads: each has a process to itself while it asks.
    """
    with _lock:
        child = _idle.pop() if _idle else _start()
    request = {"format": form.name, "channel": channel, "bytes": len(content)}
    try:
        answer, values = _ask(child, request, content)
    except (EOFError, BrokenPipeError) as error:
        _end(child)
        raise ScanError("its reader crashed or did not come to an end: it is damaged") from error
    except BaseException:
        _end(child)
        raise
    if answer.get("last"):
        _end(child)
    else:
        with _lock:
            _idle.append(child)
    if "error" in answer:
        raise ScanError(answer["error"])
    channels = TypeAdapter(list[Channel]).validate_python(answer["channels"])
    height_nm = np.frombuffer(values, np.float32).reshape(answer["shape"])
    return channels, int(answer["chosen"]), height_nm, tuple(answer["warnings"])


_idle: list[subprocess.Popen[bytes]] = []
_lock = threading.Lock()


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "tmdscope.scan.read.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _ask(
    child: subprocess.Popen[bytes], request: dict[str, Any], content: bytes
) -> tuple[dict[str, Any], bytes]:
    """Send a file and take the answer; EOFError or BrokenPipeError where the process ended."""
    assert child.stdin is not None
    assert child.stdout is not None
    timer = threading.Timer(READER_WAIT_S + len(content) * READER_WAIT_S_PER_BYTE, child.kill)
    timer.start()
    try:
        child.stdin.write(json.dumps(request).encode() + b"\n" + content)
        child.stdin.flush()
        line = child.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {}
        rows, columns = answer.get("shape", (0, 0))
        values = child.stdout.read(4 * rows * columns)
        if not line or len(values) != 4 * rows * columns:
            raise EOFError
        return answer, values
    finally:
        timer.cancel()


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.communicate()


@atexit.register
def _end_all() -> None:
    while _idle:
        _end(_idle.pop())
