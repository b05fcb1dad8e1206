"""Reading zip and tar archives of strangers: nothing is written to disk, and nothing grows without bound."""

import bz2
import io
import lzma
import os
import stat
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tmdscope.errors import UserError
from tmdscope.files import open_regular
from tmdscope.limits import (
    MAX_ARCHIVE_BYTES,
    MAX_HEADER_BYTES,
    MAX_MEMBERS,
    MAX_PICTURE_BYTES,
    MAX_RATIO,
    MAX_UNPACK_S,
)

_CHUNK_BYTES = 1 << 20
_PACKED_BYTES = 1 << 14
_XZ_BYTES = 1 << 28
_DIRECTORY_BYTES = MAX_MEMBERS * 256
_GLOBAL_BYTES = 4096
_LONGEST = 255
_NAMES = (*(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK), *(tarfile.XHDTYPE, tarfile.XGLTYPE, b"X"))

_DECODERS: dict[str, Callable[[], Any]] = {  # tarfile cannot say how much memory xz may take
    ".tar.gz": lambda: zlib.decompressobj(wbits=31),
    ".tgz": lambda: zlib.decompressobj(wbits=31),
    ".tar.bz2": bz2.BZ2Decompressor,
    ".tar.xz": lambda: lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_BYTES),
}

SUFFIXES = (".zip", ".tar", *_DECODERS)
"""Endings, in lower case, of files that `read_members` opens."""

_Member = tuple[str, Callable[[int], bytes]]
"""A member's name, and how it is read while it is the last one given."""


class ArchiveError(UserError):
    """An archive that is broken or not to be trusted; the message names the file and what to do."""


def read_members(
    path: Path, wanted: Collection[str], most: int = MAX_PICTURE_BYTES
) -> Iterator[tuple[str, bytes]]:
    """Read the files of an archive one by one, in its order: name, with ``/`` between folders, and content.

    `wanted` are endings, in lower case, of the members to read; others are checked and passed over, as is
    what macOS adds (``__MACOSX/``, ``._name``). `most`: bytes that each may have, for it is held in memory.
    """
    budget = _Budget(path)
    for name, load in _members(path, budget):
        if name.lower().endswith(tuple(wanted)):
            with _telling(path):
                content = load(most)
            left = budget.deadline - time.monotonic()
            yield name, content
            budget.deadline = time.monotonic() + left


def list_members(path: Path) -> list[str]:
    """Name the files of an archive in its order, checked as `read_members` does."""
    return [name for name, _ in _members(path, _Budget(path))]


def _members(path: Path, budget: "_Budget") -> Iterator[_Member]:
    """Go through files other than macOS's own; what is wrong with the archive is an `ArchiveError`."""
    with _telling(path), open_regular(path, MAX_ARCHIVE_BYTES) as stream:
        budget.bytes = budget.left = min(MAX_ARCHIVE_BYTES, MAX_RATIO * os.fstat(stream.fileno()).st_size)
        kind = _zip_members if path.name.lower().endswith(".zip") else _tar_members
        for name, load in kind(stream, budget, path.name.lower()):
            member = PurePosixPath(name)
            if "__MACOSX" not in member.parts and not member.name.startswith("._"):
                yield name, load


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError as error:
        raise ArchiveError(f"{path} does not exist") from error
    except Exception as error:  # damaged archives make libraries raise nearly anything
        raise ArchiveError(
            f"{path} is damaged or of an unknown kind: {error}; delete it and run again"
        ) from error


def _zip_members(stream: IO[bytes], budget: "_Budget", _: str) -> Iterator[_Member]:
    """Every size is checked against what the archive claims before anything is read."""
    directory: Any = _Directory(stream, budget)
    with zipfile.ZipFile(directory) as archive:
        directory.is_read = True
        members = archive.infolist()
        for member in members:
            mode = member.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise budget.refused(member.filename, "is a link or a device")
            if member.flag_bits & 1:
                raise budget.refused(member.filename, "is encrypted")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise budget.refused(member.filename, "is packed otherwise than by deflate")
            budget.spend(member.filename, member.file_size)
        end = 0
        for member in sorted(members, key=lambda member: member.header_offset):
            if member.header_offset < end:
                raise budget.refused(member.filename, "overlaps another one (a bomb?)")
            end = member.header_offset + member.compress_size
        for member in members:
            if not member.is_dir():
                opened = partial(archive.open, member)
                yield member.filename, partial(budget.load, member.filename, member.file_size, opened)


def _tar_members(stream: IO[bytes], budget: "_Budget", file: str) -> Iterator[_Member]:
    """Read once from end to end, for a tar has no table of contents; the stream stops at the limit."""

    class Header(tarfile.TarInfo):
        """A header that is refused before what follows it is read."""

        @classmethod
        def frombuf(cls, buf: bytes, encoding: str, errors: str) -> "Header":  # type: ignore[override]
            header = super().frombuf(buf, encoding, errors)
            budget.check_header(header)
            return header

    decoder = next((new for ending, new in _DECODERS.items() if file.endswith(ending)), None)
    source = _Bounded(stream, budget, decoder)
    with tarfile.open(fileobj=source, mode="r|", tarinfo=Header) as archive:
        while (member := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # else all stay in memory with their headers
            if not (member.isreg() or member.isdir()) or member.issparse():
                raise budget.refused(member.name, "is a link or a device, or has holes")
            budget.spend(member.name, member.size)
            if member.isreg():
                opened = partial(archive.extractfile, member)
                yield member.name, partial(budget.load, member.name, member.size, opened)


class _Budget:
    """Counts members and the bytes that they claim."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes = self.left = 0
        self.members = MAX_MEMBERS
        self.headers, self.globals = _DIRECTORY_BYTES, _GLOBAL_BYTES
        self.deadline = time.monotonic() + MAX_UNPACK_S

    def check_time(self) -> None:
        """Refuse an archive that takes too long."""
        if time.monotonic() > self.deadline:
            raise self.refused("what follows", f"makes it take more than {MAX_UNPACK_S:g} s")

    def load(self, name: str, size: int, opened: Callable[[], IO[bytes] | None], most: int) -> bytes:
        """Read a member by and by: a lying size must not unpack to more than it says."""
        if size > most:
            raise self.refused(name, f"is larger than {most} bytes")
        stream = opened()
        content = io.BytesIO()
        if stream is not None:
            with stream:
                while chunk := stream.read(_CHUNK_BYTES):
                    self.check_time()
                    content.write(chunk)
        return content.getvalue()

    def check_header(self, header: tarfile.TarInfo) -> None:
        """Refuse long names and comments that are too long, and sizes that are none."""
        long = header.size if header.type in _NAMES else 0
        self.headers -= long
        self.globals -= long if header.type == tarfile.XGLTYPE else 0
        if header.size < 0 or long > MAX_HEADER_BYTES or self.headers < 0 or self.globals < 0:
            raise self.refused(
                header.name,
                f"has a header of {header.size} bytes, {MAX_HEADER_BYTES} at most are read",
            )

    def spend(self, name: str, size: int) -> None:
        """Refuse a name that leaves the archive, and the member that is too much."""
        self.check_time()
        if len(PurePosixPath(name).name.encode("utf-8", "surrogateescape")) > _LONGEST:
            raise self.refused(name[:80], f"has a name of more than {_LONGEST} bytes")
        if "\\" in name or not name.isprintable() or ":" in name.partition("/")[0]:
            raise self.refused(name, "has a name with a backslash, a drive or a control character")
        if name.startswith("/") or ".." in PurePosixPath(name).parts:
            raise self.refused(name, "is named outside the archive")
        self.members -= 1
        self.left -= size
        if self.members < 0:
            raise self.refused(name, f"is one too many: at most {MAX_MEMBERS} are read")
        if self.left < 0 or size < 0:
            raise self.too_large(name)

    def too_large(self, name: str) -> ArchiveError:
        """Say that the archive unpacks to more than it may."""
        return self.refused(name, f"makes the archive unpack to more than {self.bytes} bytes (a bomb?)")

    def refused(self, name: str, why: str) -> ArchiveError:
        """Say which member is not to be trusted, and why."""
        return ArchiveError(
            f"{self.path} is refused: {name!r} {why}; unpack it by hand and use data.source: folder"
        )


class _Bounded(io.RawIOBase):
    """A file, unpacked where it is packed, that gives no more bytes than a budget."""

    def __init__(self, stream: IO[bytes], budget: _Budget, new: Callable[[], Any] | None) -> None:
        self.stream, self.budget, self.new = stream, budget, new
        self.decoder: Any = new() if new else None
        self.rest = b""
        self.left = budget.bytes

    def read(self, size: int = -1) -> bytes:
        """Read as many bytes, or fewer at the end, or complain that the archive is too large."""
        content = bytearray()
        while len(content) < size:
            more = self._unpack(size - len(content)) if self.new else self.stream.read(size - len(content))
            if not more:
                break
            content += more
        self.left -= len(content)
        if self.left < 0:
            raise self.budget.too_large("what follows")
        return bytes(content)

    def _unpack(self, size: int) -> bytes:
        while True:
            self.budget.check_time()
            if self.decoder.eof:  # one packed stream may follow another
                self.rest = self.decoder.unused_data
                if not (self.rest or (packed := self.stream.read(_PACKED_BYTES))):
                    return b""
                self.rest = self.rest or packed
                self.decoder = self.new() if self.new else None
            packed = self.rest or getattr(self.decoder, "unconsumed_tail", b"")
            self.rest = b""
            hungry = getattr(self.decoder, "needs_input", not packed)
            if hungry and not packed:
                packed = self.stream.read(_PACKED_BYTES)
                if not packed:
                    raise EOFError("it ends too early")
            content: bytes = self.decoder.decompress(packed, size)
            if content:
                return content


class _Directory:
    """A zip whose table of contents is bounded: zipfile reads it whole, and keeps an object for each line."""

    def __init__(self, stream: IO[bytes], budget: _Budget) -> None:
        self.stream, self.budget, self.is_read = stream, budget, False
        self.seek, self.tell, self.seekable = stream.seek, stream.tell, stream.seekable

    def read(self, size: int = -1) -> bytes:
        """Read as many bytes, while the table is read no more than it may have."""
        if self.is_read:
            return self.stream.read(size)
        content = self.stream.read(min(size, _DIRECTORY_BYTES + 1) if size >= 0 else _DIRECTORY_BYTES + 1)
        if len(content) > _DIRECTORY_BYTES or content.count(b"PK\1\2") > MAX_MEMBERS:
            raise self.budget.refused("a table of contents", f"has more than {MAX_MEMBERS} lines")
        return content
