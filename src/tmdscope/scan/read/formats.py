"""Which instrument wrote a file: by its content; by its ending only where nothing but names is known."""

import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

from tmdscope.scan.read.channels import ScanError

MAX_HEADER = 1 << 20
"""Bytes within which a header of text ends."""

JPK_WIDTH = 0x8042
PARK_MARK, PARK_DATA, PARK_HEADER = 50432, 50434, 50435
"""Tags that make a TIFF one of these instruments' own."""

_TEXT = 1000
"""Bytes that are text, in files that begin with a header."""

_MAX_DIRECTORIES = 10_000


@dataclass(frozen=True)
class Format:
    """A kind of file, by beginnings, endings of names, and of a TIFF one of the tags of its first page."""

    name: str
    title: str
    starts: tuple[bytes, ...]
    endings: tuple[str, ...]
    tags: frozenset[int] = frozenset()


_TIFF = (b"II*\x00", b"MM\x00*")
NANOSCOPE = Format(
    "nanoscope", "Bruker Nanoscope", (b"\\*File list", b"\\*EC File list"), (".spm", ".000 to .999")
)

FORMATS = (
    NANOSCOPE,
    Format("ibw", "Asylum Igor binary wave", (b"\x05\x00", b"\x00\x05"), (".ibw",)),
    Format("jpk", "JPK", _TIFF, (".jpk", ".jpk-qi-image"), frozenset({JPK_WIDTH})),
    Format("park", "Park TIFF", _TIFF, (), frozenset({PARK_MARK, PARK_DATA, PARK_HEADER})),
    Format("gwy", "Gwyddion", (b"GWYP",), (".gwy",)),
    Format("gsf", "Gwyddion simple field", (b"Gwyddion Simple Field 1.0",), (".gsf",)),
    Format("topostats", "TopoStats", (b"\x89HDF\r\n\x1a\n",), (".topostats",)),
    Format("nid", "Nanosurf", (b"[DataSet]",), (".nid",)),
)
"""Every format that is read. Park's files end in ``.tiff``, as pictures do."""

ENDINGS = tuple(ending for form in FORMATS for ending in form.endings)
"""File names that stand for scans, in words."""


def is_scan(name: str) -> bool:
    """Say whether a file's name promises an instrument's file; `holds_scan` says whether it is one."""
    ending = name[name.rfind(".") :].lower()
    return ending in ENDINGS or re.fullmatch(r"\.[0-9]{3}", ending) is not None


def holds_scan(content: bytes, name: str) -> bool:
    """Say whether a file is an instrument's by how it begins, or by its name: what is lost is then told."""
    return is_scan(name) or recognise(content) is not None


def recognise(content: bytes) -> Format | None:
    """Tell a file's format from its content; None where no instrument wrote it, such as a picture."""
    tags = _tiff_tags(content) if content.startswith(_TIFF) else frozenset()
    for form in FORMATS:
        if content.startswith(form.starts) and (not form.tags or form.tags & tags):
            return form
    return None


def format_of(content: bytes) -> Format:
    """Tell a file's format; it must be one, and whole as far as its first bytes say, else a ScanError."""
    if not content:
        raise ScanError("it is empty; copy it from the instrument again")
    form = recognise(content)
    if form is not None:
        changed = {"nanoscope": b"\r\r\n", "nid": b"\r\r\n", "gsf": b"\r\n"}.get(form.name)
        if changed is not None and changed in content[:_TEXT]:  # data then lie elsewhere, and are noise
            raise ScanError(
                "its line ends were changed, as by a transfer of text: its data are damaged; "
                "copy it from the instrument again, as a binary file"
            )
        if _announced_length(content, form) > len(content):
            raise ScanError(f"it is cut off after {len(content)} bytes; copy it from the instrument again")
        return form
    if content.startswith(_TIFF):
        raise ScanError("it is a TIFF without an instrument's tags: a picture (end its name so), or cut off")
    known = ", ".join(form.title for form in FORMATS)
    raise ScanError(f"it is no instrument's file that can be read ({known}), or its beginning is lost")


class TiffEntry(NamedTuple):
    """A tag of one of a TIFF's pictures, counted from 1: kind and number of its values, and their place.

    Each picture begins with one of tag 0, which stands for nothing.
    """

    picture: int
    tag: int
    kind: int
    values: int
    place: int


def tiff_entries(content: bytes) -> Iterator[TiffEntry]:
    """Go through the tags of a TIFF, a BigTIFF or Exif (TIFF 6.0, section 2); struct.error where it ends."""
    order, big = "<" if content[:2] == b"II" else ">", content[2:4] in (b"+\0", b"\0+")
    head, entry, last = (f"{order}{form}" for form in (("Q", "HHQ8x", "Q") if big else ("H", "HHI4x", "I")))
    size = struct.calcsize(entry)
    seen: set[int] = set()
    (place,) = struct.unpack_from(last, content, 8 if big else 4)
    while place and place not in seen and len(seen) < _MAX_DIRECTORIES:
        seen.add(place)
        yield TiffEntry(len(seen), 0, 0, 0, place)
        (count,) = struct.unpack_from(head, content, place)
        place += struct.calcsize(head)
        for at in range(place, place + size * count, size):
            tag, kind, values = struct.unpack_from(entry, content, at)
            yield TiffEntry(len(seen), tag, kind, values, at + size - struct.calcsize(last))
        (place,) = struct.unpack_from(last, content, place + size * count)


def _tiff_tags(content: bytes) -> frozenset[int]:
    """Read the numbers of the tags of a TIFF's first page; none where it is damaged."""
    try:
        first = takewhile(lambda entry: entry.picture == 1, tiff_entries(content))
        return frozenset(entry.tag for entry in first)
    except struct.error:
        return frozenset()


def _announced_length(content: bytes, form: Format) -> float:
    """Read how long a file's first bytes say that it is, before any library is loaded."""
    try:
        return _LENGTHS.get(form.name, len)(content)
    except (struct.error, ValueError, IndexError):
        return math.inf


def _gwy_length(content: bytes) -> int:
    """Read the size of the outermost object: behind its name and a zero (Gwyddion's user guide)."""
    end = content.index(b"\0", 4, 260) + 1
    return end + 4 + int(struct.unpack_from("<I", content, end)[0])


def _hdf5_length(content: bytes) -> int:
    """Read the end-of-file address of the superblock (HDF5 file format specification, II.A)."""
    version, offsets = content[8], content[13 if content[8] < 2 else 9]
    if version > 3 or offsets != 8:
        raise ValueError
    return int(struct.unpack_from("<Q", content, {0: 40, 1: 44}.get(version, 28))[0])


def _ibw_length(content: bytes) -> int:
    """Add up what the header of 64 bytes announces (WaveMetrics, technical note 3, version 5)."""
    return 64 + int(sum(struct.unpack_from("<13i" if content[0] else ">13i", content, 4)))


def _gsf_length(content: bytes) -> int:
    """Add the data to the header, which ends with one to four zeros (Gwyddion's user guide)."""
    end = content.index(b"\0", 0, MAX_HEADER)
    counts = dict(re.findall(rb"^([XY]Res) *= *(\d{1,6})\s*$", content[:end], re.MULTILINE))
    return end + 4 - end % 4 + 4 * int(counts.get(b"XRes", b"")) * int(counts.get(b"YRes", b""))


def _nid_length(content: bytes) -> int:
    """Add up the data sets behind the mark that ends the header: NSFopen counts them from the file's end."""
    end = content.index(b"#!", 0, MAX_HEADER) + 2
    used = set(re.findall(rb"^Gr\d+-Ch\d+=(\S+)", content[:end], re.MULTILINE))
    total = end
    for section in re.split(rb"^\[", content[:end], flags=re.MULTILINE):
        if section.partition(b"]")[0] in used:
            numbers = dict(re.findall(rb"^(Points|Lines|SaveBits)=(\d{1,9})\s", section, re.MULTILINE))
            if len(numbers) != 3:
                raise ValueError
            total += math.prod(map(int, numbers.values())) // 8
    return total


_LENGTHS = {"gwy": _gwy_length, "topostats": _hdf5_length, "ibw": _ibw_length}
_LENGTHS |= {"nid": _nid_length, "gsf": _gsf_length}
