"""Reading zip and tar archives of strangers: nothing is written to disk, and nothing grows without bound."""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tmdscope.stage import UserError

MAX_MEMBERS = 200_000
"""Files and folders in one archive: the published ones hold about a thousand images."""

MAX_TOTAL_BYTES = 1 << 36
"""Unpacked size of one archive (64 GiB)."""

MAX_MEMBER_BYTES = 1 << 30
"""Unpacked size of one file that is read (1 GiB), for it is held in memory."""

MAX_RATIO = 250
"""Unpacked over packed size. Three equal channels in double precision pack about 50 : 1, a bomb 1000 : 1."""

_OPENERS: dict[str, Callable[[Path], Any]] = {
    ".tar": lambda path: path.open("rb"),
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.bz2": bz2.open,
    ".tar.xz": lzma.open,
}

SUFFIXES = (".zip", *_OPENERS)
"""Endings, in lower case, of files that `read_members` opens."""

_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError),
    NotImplementedError,  # a zip packed by a method that is not known here
)
_Member = tuple[str, Callable[[], bytes]]
"""A member's name, and how it is read while it is the last one given."""


class ArchiveError(UserError):
    """An archive that is broken or not to be trusted; the message names the file and what to do."""


def read_members(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Read the files of an archive one after another, in its order.

    Parameters
    ----------
    path : Path
        A file whose name ends in one of `SUFFIXES`.
    wanted : collection of str
        Endings, in lower case, of the members to read; others are checked and passed over, as is what
        macOS adds (``__MACOSX/``, ``._name``).

    Yields
    ------
    tuple of str and bytes
        A member's name, with ``/`` between folders, and its content.

    Raises
    ------
    ArchiveError
        The archive is damaged or encrypted, has too many members or grows too much, or a member is a
        link, a device, or named outside the archive (absolute, ``..``, backslash).
    """
    for name, load in _members(path):
        if name.lower().endswith(tuple(wanted)):
            with _telling(path):
                content = load()
            yield name, content


def list_members(path: Path) -> list[str]:
    """Name the files of an archive, checked as `read_members` does.

    Parameters
    ----------
    path : Path
        A file whose name ends in one of `SUFFIXES`.

    Returns
    -------
    list of str
        Names, in the archive's order.

    Raises
    ------
    ArchiveError
        The archive is damaged or not to be trusted.
    """
    return [name for name, _ in _members(path)]


def _members(path: Path) -> Iterator[_Member]:
    """Go through files other than macOS's own; what is wrong with the archive is an `ArchiveError`."""
    with _telling(path):
        for name, load in _zip_members(path) if path.name.lower().endswith(".zip") else _tar_members(path):
            parts = PurePosixPath(name).parts
            if "__MACOSX" not in parts and not parts[-1].startswith("._"):
                yield name, load


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise ArchiveError(
            f"{path} is damaged or of an unknown kind: {error}; delete it and run again"
        ) from error


def _zip_members(path: Path) -> Iterator[_Member]:
    """Every size is checked against what the archive claims before anything is read."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        budget = _Budget(path)
        for member in members:
            mode = member.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _untrusted(path, member.filename, "is a link or a device")
            if member.flag_bits & 1:
                raise _untrusted(path, member.filename, "is encrypted")
            budget.spend(member.filename, member.file_size)
        for member in members:
            if not member.is_dir():
                yield member.filename, partial(_load, path, member, member.file_size, archive.open)


def _tar_members(path: Path) -> Iterator[_Member]:
    """Read once from end to end, for a tar has no table of contents; the stream stops at the limit."""
    suffix = next(ending for ending in _OPENERS if path.name.lower().endswith(ending))
    budget = _Budget(path)
    with (
        _OPENERS[suffix](path) as stream,
        tarfile.open(fileobj=_Bounded(stream, budget), mode="r|") as archive,
    ):
        for member in archive:
            if not (member.isreg() or member.isdir()):
                raise _untrusted(path, member.name, "is a link or a device")
            budget.spend(member.name, member.size)
            if member.isreg():
                yield member.name, partial(_load, path, member, member.size, archive.extractfile)


def _load(path: Path, member: Any, size: int, open_member: Callable[[Any], IO[bytes] | None]) -> bytes:
    """Read a member; neither library gives more bytes than the size that it claims."""
    if size > MAX_MEMBER_BYTES:
        raise _untrusted(path, str(member), f"is larger than {MAX_MEMBER_BYTES} bytes")
    stream = open_member(member)
    if stream is None:
        return b""
    with stream:
        return stream.read()


class _Budget:
    """Counts members and the bytes that they claim."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes = min(MAX_TOTAL_BYTES, MAX_RATIO * path.stat().st_size)
        self.left = self.bytes
        self.members = MAX_MEMBERS

    def spend(self, name: str, size: int) -> None:
        """Refuse a name that leaves the archive, and the member that is too much."""
        if "\\" in name or not name.isprintable() or ":" in name.partition("/")[0]:
            raise _untrusted(self.path, name, "has a name with a backslash, a drive or a control character")
        if name.startswith("/") or ".." in PurePosixPath(name).parts:
            raise _untrusted(self.path, name, "is named outside the archive")
        self.members -= 1
        self.left -= size
        if self.members < 0:
            raise _untrusted(self.path, name, f"is one too many: at most {MAX_MEMBERS} are read")
        if self.left < 0 or size < 0:
            raise self.too_large(name)

    def too_large(self, name: str) -> ArchiveError:
        """Say that the archive unpacks to more than it may."""
        return _untrusted(
            self.path, name, f"makes the archive unpack to more than {self.bytes} bytes (a bomb?)"
        )


class _Bounded(io.RawIOBase):
    """A stream that gives no more bytes than a budget."""

    def __init__(self, stream: IO[bytes], budget: _Budget) -> None:
        self.stream = stream
        self.budget = budget
        self.left = budget.bytes

    def read(self, size: int = -1) -> bytes:
        """Read as many bytes, or complain that the archive is too large."""
        content = self.stream.read(size)
        self.left -= len(content)
        if self.left < 0:
            raise self.budget.too_large("what follows")
        return content


def _untrusted(path: Path, name: str, why: str) -> ArchiveError:
    return ArchiveError(f"{path} is refused: {name!r} {why}; unpack it by hand and use data.source: folder")
