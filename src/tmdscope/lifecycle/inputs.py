"""The files that a person gives to a model: found, read on threads ahead of it, prepared as its own were."""

import os
from collections import deque
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
from tmdscope.scan.read.formats import ENDINGS, is_scan

_BATCHES_AHEAD = 2

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
        known = (f for f in path.rglob("*") if f.suffix.lower() in SUFFIXES or is_scan(f.name))
        inside = sorted(file for file in known if file.is_file())
        if not inside:
            endings = ", ".join((*SUFFIXES, *ENDINGS))
            raise UserError(f"{path} holds no picture and no scan; endings known: {endings}")
        found |= dict.fromkeys(inside)
    return list(found)


def read_ahead(
    files: Sequence[Path], read: Callable[[bytes, str], T], batch_size: int
) -> Iterator[list[Given[T]]]:
    """Read files in order, in batches on threads, a few ahead: memory stays flat however many there are."""

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
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(files), batch_size):
            waiting.append([pool.submit(take, path) for path in files[start : start + batch_size]])
            if len(waiting) > _BATCHES_AHEAD:
                yield [future.result() for future in waiting.popleft()]
        while waiting:
            yield [future.result() for future in waiting.popleft()]
