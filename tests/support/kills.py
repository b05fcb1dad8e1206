"""Processes that die, or find the disk full, right before their k-th write to a disk or a database.

``python -m tests.support.kills FILE AT TROUBLE ARGUMENT...`` is tmdscope's command line as such a process;
the number of its writes goes into the file.
"""

import errno
import multiprocessing
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError

from tests.support.untouched import is_write

Trouble = Literal["killed", "full", "read-only"]
"""The process is gone (`kill -9`); one write finds no space; every write from then on is refused."""

_TOLD = {
    "full": (errno.ENOSPC, "database or disk is full"),
    "read-only": (errno.EROFS, "attempt to write a readonly database"),
}


def evenly(writes: int, kills: int) -> list[int]:
    """So many of the writes, from 1, spread evenly; all where there are no more."""
    return sorted({1 + (2 * k + 1) * writes // (2 * kills) for k in range(kills)} & {*range(1, writes + 1)})


class _Writes:
    """Counts writes, and makes trouble at one; a process that had its trouble may clear up."""

    def __init__(self, at: int, trouble: Trouble) -> None:
        self.at, self.trouble, self.count = at, trouble, 0

    def hear(self, name: str, arguments: tuple[Any, ...]) -> None:
        if is_write(name, arguments) and not str(arguments[0]).startswith("/dev/") and self._goes_wrong():
            number, _ = _TOLD[self.trouble]
            raise OSError(number, os.strerror(number))

    def commit(self, _: Connection) -> None:
        if self._goes_wrong():
            raise OperationalError("COMMIT", {}, sqlite3.OperationalError(_TOLD[self.trouble][1]))

    def _goes_wrong(self) -> bool:
        self.count += 1
        late = self.count - self.at
        if not self.at or late < 0 or (late and self.trouble == "full"):
            return False
        if self.trouble == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        return True


def run(work: Callable[[], object], at: int = 0, trouble: Trouble = "killed") -> tuple[int | None, int]:
    """Do some work in a copy of this process, with trouble at a write; gives exit code and writes."""
    context = multiprocessing.get_context("fork")
    written = context.Value("l", 0)

    def do() -> None:
        writes = _troubled(at, trouble)
        try:
            work()
        finally:
            written.value = writes.count

    process = context.Process(target=do)
    process.start()
    process.join()
    return process.exitcode, written.value


def _troubled(at: int, trouble: Trouble) -> _Writes:
    writes = _Writes(at, trouble)
    sys.addaudithook(writes.hear)
    event.listen(Engine, "commit", writes.commit)
    return writes


def main() -> None:
    """Do what a command of tmdscope does, with trouble at a write."""
    from tmdscope.cli import app

    counted, at, trouble, *arguments = sys.argv[1:]
    writes = _troubled(int(at), cast(Trouble, trouble))
    try:
        app(arguments)
    finally:
        writes.at = 0  # what a test writes, here and at the end, meets no trouble
        Path(counted).write_text(str(writes.count))


if __name__ == "__main__":
    main()
