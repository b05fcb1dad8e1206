"""The process that runs readers which may hang or ask for too much: one request after another, with limits.

Started as `python -m tmdscope.scan.read.worker`. A request is a line of JSON and the file's content; the
answer is a line of JSON and the heights, float32. It ends when its standard input does, and after a reader
failed that may not be used again.
"""

import json
import logging
import os
import signal
import sys
import tempfile
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmdscope import limits
from tmdscope.scan.read.channels import ScanError, read_channel
from tmdscope.scan.read.libraries import READERS

_KEEPS_STATE = {"ibw"}
"""igor2 remembers sizes of a damaged wave, and reads the next one wrongly or without end."""


class _TooLong(BaseException):
    """Raised by the clock; no reader's `except Exception` keeps it."""


def main() -> None:
    """Answer requests until there are no more."""
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what readers print must not mix with answers
    logging.disable()
    signal.signal(signal.SIGVTALRM, _stop)
    while line := requests.readline():
        request = json.loads(line)
        answer, values = _answer(request, requests.read(request["bytes"]))
        answers.write(json.dumps(answer).encode() + b"\n")
        if values is not None:
            answers.write(values.tobytes())
        answers.flush()
        if answer.get("last"):
            return


def _answer(request: dict[str, Any], content: bytes) -> tuple[dict[str, Any], NDArray[np.float32] | None]:
    with tempfile.TemporaryDirectory(prefix="tmdscope-") as folder:
        path = Path(folder) / f"scan.{request['format']}"
        path.write_bytes(content)
        _unlimit()
        try:  # before the clock runs
            find, library = READERS[request["format"]]
            import_module(library)
            if "loguru" in sys.modules:
                sys.modules["loguru"].logger.remove()
        except ImportError as error:
            return {"error": f"its reader is not installed ({error}): install tmdscope[scans]"}, None
        _limit(len(content))
        try:
            channels, chosen, values, warnings = read_channel(find(path), request["channel"])
            about = {"channels": [asdict(one) for one in channels], "chosen": chosen, "warnings": warnings}
            return {**about, "shape": values.shape}, values
        except (_TooLong, MemoryError) as error:
            what = "longer" if isinstance(error, _TooLong) else "more memory"
            return {
                "error": f"reading it takes {what} than its size explains: it is damaged",
                "last": True,
            }, None
        except Exception as error:  # readers raise anything on damaged files
            reason = " ".join(str(error).split())[:200]
            told = f"it cannot be read ({type(error).__name__}: {reason}): it is damaged"
            told = str(error) if isinstance(error, ScanError) else told
            return {"error": told, "last": request["format"] in _KEEPS_STATE}, None
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _unlimit() -> None:
    """Take the last file's limit of memory off, which a library that is imported would be held to."""
    if Path("/proc/self/statm").exists():
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _limit(size: int) -> None:
    """Limit what the next file may take."""
    signal.setitimer(signal.ITIMER_VIRTUAL, limits.READER_CPU_S + size * limits.READER_CPU_S_PER_BYTE)
    taken = Path("/proc/self/statm")
    if taken.exists():
        import resource

        pages = int(taken.read_text(encoding="ascii").split()[0])
        more = limits.READER_MEMORY_BYTES + size * limits.READER_MEMORY_PER_BYTE
        room = pages * resource.getpagesize() + more
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (room if hard < 0 else min(room, hard), hard))


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _TooLong


if __name__ == "__main__":
    main()
