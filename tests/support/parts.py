"""Work for parts in processes of their own, and a program whose parts sleep until something ends them."""

import os
import sys
import time
from pathlib import Path

from tmdscope.processes import run_parts


def double(part: float) -> float:
    """Twice the part; larger parts are done sooner."""
    time.sleep(0.05 / part)
    return part * 2


def where(part: int) -> int:
    """The process that does it."""
    return os.getpid()


def refuse(part: int) -> int:
    """Fail on odd parts."""
    if part % 2:
        raise ValueError(f"part {part} is odd")
    return part


def note(part: tuple[str, int]) -> int:
    """Write a file of the part's number into a folder."""
    folder, number = part
    Path(folder, f"{number}").touch()
    return number


def note_and_sleep(folder: str) -> None:
    """Write a file with this process's number into a folder, then sleep for minutes."""
    path = Path(folder) / f"{os.getpid()}"
    path.touch()
    time.sleep(600)


def sleep_but_first(part: tuple[str, int]) -> int:
    """Give the first part back; at others do as `note_and_sleep`."""
    folder, number = part
    if number:
        note_and_sleep(folder)
    return number


def main() -> None:
    """Let two parts sleep in the folder that the command line names."""
    os.sched_getaffinity = lambda _: {0, 1}  # on a machine of one core too
    run_parts(note_and_sleep, [sys.argv[1]] * 2)


if __name__ == "__main__":
    main()
