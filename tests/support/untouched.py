"""Sees that nothing under a folder is written to, whoever runs: root may write where modes forbid it."""

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHANGES = {f"os.{name}" for name in "rename remove rmdir mkdir truncate chmod utime link symlink".split()}

_watched: list[tuple[str, list[str]]] = []


def is_write(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether an event that Python's audit hooks hear of may change the disk."""
    if event != "open":
        return event in CHANGES
    mode, flags = arguments[1], arguments[2]
    return bool(set(mode or "") & set("wax+")) or bool(
        isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    )


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watched or not is_write(event, arguments):
        return
    for path in arguments[: 1 if event == "open" else 2]:
        if isinstance(path, (str, bytes, os.PathLike)):
            real = os.path.realpath(os.fsdecode(path))
            for folder, seen in _watched:
                if real == folder or real.startswith(folder + os.sep):
                    seen.append(f"{event} {real}")


sys.addaudithook(_hook)


def state_of(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Hash, time and mode of every file below a folder, and of the folders."""
    found = {}
    for path in sorted([folder, *folder.rglob("*")]):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        stat = path.stat()
        found[str(path)] = (content, stat.st_mtime_ns, stat.st_mode)
    return found


@contextmanager
def untouched(folder: Path, *allowed: Path) -> Iterator[None]:
    """Fail if anything below a folder is opened for writing, or changed; `allowed` may come to be."""
    before, seen = state_of(folder), list[str]()
    _watched.append((os.path.realpath(folder), seen))
    try:
        yield
    finally:
        _watched.pop()
    after = state_of(folder)
    for path in allowed:
        seen = [one for one in seen if not one.endswith(str(path.resolve()))]
        after.pop(str(path), None)
        for known in (before, after):
            known.pop(str(path.parent), None)  # its time changes
    assert not seen, seen
    assert after == before, set(after.items()) ^ set(before.items())
