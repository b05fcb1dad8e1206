"""What a hostile case is, and the doors and makers that several kinds share."""

import math
import os
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tmdscope.errors import UserError

ROOT = Path(__file__).parents[2]
MARK = "EXECUTED"
"""Name of the file that every payload would write beside itself."""

shared: dict[str, Path] = {}
"""What a kind's `prepare` made, by kind: read only."""


def nothing(_: Path) -> None:
    """Make nothing."""


def believed(_: Any) -> str | None:
    """Find no fault with what a door gave."""
    return None


@dataclass(frozen=True)
class Case:
    """An input, the door that it is tried on, and what is right.

    Attributes
    ----------
    name : str
        Of the case, unique in its kind.
    make : callable
        Makes the input in a new folder.
    door : callable
        Takes the folder; what it gives is then looked at.
    must : {"refuse", "take", "either"}
        Whether an error of the user's is right, or a value, or both.
    wrong : callable
        Says what is wrong with the value; None: nothing.
    tells : str
        What the message must hold; a regular expression.
    limits : mapping
        Limits that are lower here, so that a case ends soon.
    """

    name: str
    make: Callable[[Path], Any]
    door: Callable[[Path], Any]
    must: str = "refuse"
    wrong: Callable[[Any], str | None] = believed
    tells: str = ""
    limits: tuple[tuple[str, float], ...] = ()


class RefusedError(UserError):
    """What a command said before it left with status 1 or 2."""


def command(*arguments: str) -> str:
    """Run `tmdscope` in this process.

    Parameters
    ----------
    *arguments : str
        Of the command line.

    Returns
    -------
    str
        What it printed.

    Raises
    ------
    RefusedError
        It refused.
    RuntimeError
        It ended in any other way.
    """
    from typer.testing import CliRunner

    from tmdscope.cli import app

    ended = CliRunner().invoke(app, list(arguments))
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    if ended.exit_code in (1, 2):
        raise RefusedError(ended.stderr)
    if ended.exit_code not in (0, 3):
        raise RuntimeError(f"exit status {ended.exit_code}: {ended.stderr}")
    return str(ended.output)


def put(name: str, content: bytes | str) -> Callable[[Path], None]:
    """Give what writes a file."""

    def make(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return make


def odd_files(name: str) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Give what lies where a file should: nothing, folders, pipes, devices, links to nowhere or around.

    Yields
    ------
    tuple of str and callable
        What it is, and what makes it under `name`.
    """

    def link(to: str) -> Callable[[Path], None]:
        return lambda folder: (folder / name).symlink_to(to)

    def sparse(folder: Path) -> None:
        with (folder / name).open("wb") as stream:
            stream.truncate(1 << 40)

    yield "nothing", nothing
    yield "empty", put(name, b"")
    yield "a folder", lambda folder: (folder / name).mkdir()
    yield "a pipe", lambda folder: os.mkfifo(folder / name)
    yield "a link to /dev/zero", link("/dev/zero")
    yield "a link to /dev/urandom", link("/dev/urandom")
    yield "a link to itself", link(name)
    yield "a link to nowhere", link("nowhere")
    yield "a terabyte of holes", sparse


FOREIGN: dict[str, bytes] = {
    "a web page": b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><body>404</body></html>",
    "a PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj<</Type/Catalog>>endobj\n%%EOF",
    "an ELF": b"\x7fELF\x02\x01\x01" + bytes(57),
    "a script": b"#!/bin/sh\ntouch EXECUTED\n",
    "a pickle": b"cos\nsystem\n(S'touch EXECUTED'\ntR.",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:"
    + b"a" * 64
    + b"\nsize 9\n",
    "a sqlite file": b"SQLite format 3\x00" + bytes(84),
    "an encrypted file": random.Random(5).randbytes(2000),
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(touch EXECUTED) system\n",
    "zeros": bytes(4096),
}
"""Files of other programs."""


def flips(content: bytes, count: int, first: int = 0, end: int | None = None) -> Iterator[tuple[str, bytes]]:
    """Turn single bits, seeded.

    Yields
    ------
    tuple of str and bytes
        Which, and the changed content.
    """
    draw = random.Random(f"{len(content)} {count}")
    for _ in range(count):
        place, bit = draw.randrange(first, min(end or len(content), len(content))), draw.randrange(8)
        changed = bytearray(content)
        changed[place] ^= 1 << bit
        yield f"bit {bit} of byte {place} turned", bytes(changed)


def cuts(content: bytes, places: Sequence[int]) -> Iterator[tuple[str, bytes]]:
    """Cut a content off.

    Yields
    ------
    tuple of str and bytes
        Where, and what is left.
    """
    for place in sorted({place % len(content) for place in places}):
        yield f"cut after {place} bytes of {len(content)}", content[:place]


def shown_badly(text: str) -> str | None:
    """Say what a terminal, or a reader, would suffer from a text.

    Parameters
    ----------
    text : str
        A message or an output.

    Returns
    -------
    str or None
        What is wrong with it.
    """
    bad = re.search(
        r"[^\n\t\r -~\u00a0-\U0010ffff]|[\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]", text
    )
    if bad:
        return f"control character {bad[0]!r}"
    return f"{len(text)} characters long" if len(text) > 100_000 else None


def not_finite(values: Any, sizes: Sequence[float] = ()) -> str | None:
    """Say whether numbers that were read cannot be used."""
    import numpy as np

    if not values.size or not np.isfinite(values).all():
        return f"values of shape {values.shape} that are not finite"
    if not all(math.isnan(size) or 0 < size < math.inf for size in sizes):
        return f"a pixel of {sizes} nm"
    return None
