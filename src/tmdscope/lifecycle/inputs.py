"""The files that a person gives to a model: found, read on threads ahead of it, prepared as its own were."""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from tmdscope.dataset.pictures import SUFFIXES
from tmdscope.errors import UserError
from tmdscope.files import read_bytes
from tmdscope.limits import MAX_PICTURE_BYTES
from tmdscope.memory import room_to_read
from tmdscope.scan.read.formats import ENDINGS, MAX_HEADER, STARTS_IN_WORDS, is_scan, recognise

_BATCHES_AHEAD = 2
_WORDS = max(map(len, STARTS_IN_WORDS))

T = TypeVar("T")
"""What is made of a file."""


@dataclass(frozen=True)
class Given(Generic[T]):
    """A file that was given; `image` is None where it cannot be used, and `problem` says why."""

    path: Path
    image: T | None
    problem: str = ""


def find_files(paths: Sequence[Path]) -> list[Path]:
    """List files, each once, in the order given; folders stand for their pictures and scans, by name."""
    found: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            found[path] = None
            continue
        inside = sorted(file for file in path.rglob("*") if file.is_file() and _is_known(file, path))
        if not inside:
            endings = ", ".join((*SUFFIXES, *ENDINGS))
            raise UserError(f"{path} holds no picture and no scan; endings known: {endings}")
        found |= dict.fromkeys(inside)
    return list(found)


def passed_over(paths: Sequence[Path], found: Sequence[Path]) -> str:
    """Say how many files of folders `find_files` did not take, by ending; empty where it took all."""
    folders = [path for path in paths if path.is_dir()]
    inside = {file for path in folders for file in path.rglob("*") if not _is_hidden(file, path)}
    others = [file for file in inside - set(found) if file.is_file()]
    if not others:
        return ""
    endings = Counter(file.suffix.lower() or "no ending" for file in others)
    told = ", ".join(f"{ending} {count}" for ending, count in sorted(endings.items()))
    return f"passed over: {len(others)} files that are no picture and no scan by ending or content ({told})"


def _is_hidden(file: Path, folder: Path) -> bool:
    """Say whether a file, or a folder between it and the one given, is hidden."""
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def _is_known(file: Path, folder: Path) -> bool:
    """Say whether a file is a picture or a scan by its ending, or a scan by the words that it begins with."""
    if file.suffix.lower() in SUFFIXES or is_scan(file.name):
        return True
    if _is_hidden(file, folder):
        return False
    try:
        with file.open("rb") as opened:
            first = opened.read(_WORDS)
            if not first.startswith(STARTS_IN_WORDS):
                return False
            return recognise(first + opened.read(MAX_HEADER)) is not None
    except OSError:
        return False


def read_ahead(
    files: Sequence[Path], read: Callable[[bytes, str], T], batch_size: int, threads: int | None = None
) -> Iterator[list[Given[T]]]:
    """Read files in order, in batches on threads, a few ahead: memory stays flat however many there are.

    Threads are as many as cores where no number is given.
    """

    def take(path: Path) -> Given[T]:
        try:
            with room_to_read(path):
                return Given(path, read(read_bytes(path, MAX_PICTURE_BYTES), path.name))
        except MemoryError:
            return Given(path, None, "it is larger than the memory that is free; crop or shrink it")
        except (OSError, UserError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            return Given(path, None, reason)

    waiting: deque[list[Future[Given[T]]]] = deque()
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        for start in range(0, len(files), batch_size):
            waiting.append([pool.submit(take, path) for path in files[start : start + batch_size]])
            if len(waiting) > _BATCHES_AHEAD:
                yield [future.result() for future in waiting.popleft()]
        while waiting:
            yield [future.result() for future in waiting.popleft()]
