"""Folders of what is under way: gone when their block ends, and after a kill when the next one is made.

A folder is locked for as long as its process lives: the kernel drops the lock however the process ends, so
that a folder without one was left behind. On a file system that cannot lock folders (NFS) nothing is known of
them, and what a killed process left there stays until someone removes it.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

SUFFIX = ".tmdscope"
"""Ends the name of every folder that may be removed once its process is gone."""


@contextmanager
def workspace(parent: Path, name: str) -> Iterator[Path]:
    """Make an empty folder in `parent` for the block, and remove those that killed processes left there."""
    _clear(parent)
    folder, lock = _make(parent, name)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


@contextmanager
def all_in_one() -> Iterator[None]:
    """Put all temporary files of this process and of those it starts, libraries' too, into one workspace."""
    before, variable = tempfile.tempdir, os.environ.get("TMPDIR")
    with ExitStack() as stack:
        with suppress(OSError):  # whoever needs a temporary file is told that there can be none
            folder = stack.enter_context(workspace(Path(tempfile.gettempdir()), "process"))
            tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = before
            os.environ.pop("TMPDIR", None)
            if variable is not None:
                os.environ["TMPDIR"] = variable


def lock_folder(folder: Path) -> int | None:
    """Lock a folder without waiting: the descriptor that holds the lock until it is closed.

    None where the file system has no such locks; BlockingIOError where another process holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _make(parent: Path, name: str) -> tuple[Path, int | None]:
    while True:
        folder = Path(tempfile.mkdtemp(SUFFIX, f"{name}-", parent))
        try:
            return folder, lock_folder(folder)
        except (BlockingIOError, FileNotFoundError):
            continue  # another process found it before it was locked, and removes it


def _clear(parent: Path) -> None:
    for left in parent.glob(f"*-????????{SUFFIX}"):
        with suppress(OSError):  # alive, or another's
            lock = lock_folder(left)
            if lock is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(lock)
