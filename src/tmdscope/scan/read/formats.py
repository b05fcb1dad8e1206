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
    """A kind of file: by how it begins, and by what else it holds.

    `endings`: of names. `tags`: of a TIFF, one of which its first page has. `mark`: what is somewhere in it.
    """

    name: str
    title: str
    starts: tuple[bytes, ...]
    endings: tuple[str, ...]
    tags: frozenset[int] = frozenset()
    mark: re.Pattern[bytes] | None = None


_TIFF = (b"II*\x00", b"MM\x00*")
_HDF5 = (b"\x89HDF\r\n\x1a\n",)
_NANOSCOPE_STARTS = (b"\\*File list", b"\\*EC File list")
_WSXM_STARTS = (b"WSxM file copyright",)
_TITLES = rb'\*File list end"?\s*"?[A-Za-z][^\x00-\x08\r\n]{0,999}?\([^()\r\n]{0,20}\)[\s"]{1,9}[-+\d.]'
"""Of Nanoscope's text: titles of columns with units in parentheses, and a number, behind the header."""
NANOSCOPE = Format("nanoscope", "Bruker Nanoscope", _NANOSCOPE_STARTS, (".spm", ".000 to .999"))

FORMATS = (
    Format("nanoscope-text", "NanoScope text", _NANOSCOPE_STARTS, (), mark=re.compile(_TITLES)),
    NANOSCOPE,
    Format("ibw", "Asylum Igor binary wave", (b"\x05\x00", b"\x00\x05"), (".ibw",)),
    Format("jpk", "JPK", _TIFF, (".jpk", ".jpk-qi-image"), frozenset({JPK_WIDTH})),
    Format("park", "Park TIFF", _TIFF, (), frozenset({PARK_MARK, PARK_DATA, PARK_HEADER})),
    Format("gwy", "Gwyddion", (b"GWYP",), (".gwy",)),
    Format("gsf", "Gwyddion simple field", (b"Gwyddion Simple Field 1.0",), (".gsf",)),
    Format("h5-jpk", "JPK HDF5", _HDF5, (".h5-jpk",), mark=re.compile(rb"position-pattern\.grid")),
    Format("nhf", "Nanosurf HDF5", _HDF5, (".nhf",), mark=re.compile(rb"nsf_file_version_major")),
    Format("topostats", "TopoStats", _HDF5, (".topostats",)),
    Format("nid", "Nanosurf", (b"[DataSet]",), (".nid",)),
    Format("sxm", "Nanonis", (b":NANONIS_VERSION:",), (".sxm",)),
    Format("wsxm", "WSxM", _WSXM_STARTS, (".stp", ".top"), mark=re.compile(rb"\A[^\n]*\nSxM Image file")),
    Format("mi", "Keysight, Agilent", (b"fileType      Image",), (".mi",)),
    Format("mdt", "NT-MDT", (b"\x01\xb0\x93\xff",), (".mdt",)),
    Format(
        "asd",
        "high-speed AFM",
        (b"\0\0\0\0", b"\1\0\0\0", b"\2\0\0\0"),
        (".asd",),
        mark=re.compile(rb"\A(?:\0{4}|[\x01\x02]\0{3}.{20})(?:TP|ER|PH)", re.DOTALL),
    ),
    Format("gwyddion-text", "Gwyddion text", (b"# Channel:", b"# Width:"), ()),
    Format("spip", "SPIP text", (b"# File Format = ASCII",), ()),
    Format("xyz", "WSxM XYZ text", _WSXM_STARTS, (), mark=re.compile(rb"\A[^\n]*\nWSxM ASCII XYZ file")),
)
"""Every format that is read; the first that fits counts. Park's files end in ``.tiff``, as pictures do."""

_GWY = "open it in Gwyddion and save it as .gwy"
_REFUSED = (
    (re.compile(rb"\?\*(EC )?File list"), "a Nanoscope file whose data are text", _GWY),
    (re.compile(rb"\\\*Force file list"), "a force curve of a Nanoscope, no scan", "leave it out"),
    (re.compile(rb"fileType      Spectroscopy"), "a curve of Keysight's, no scan", "leave it out"),
    (re.compile(rb"WSxM file copyright"), "a file of WSxM that is no image", "save the image as .stp"),
    (
        re.compile(rb"PK\x03\x04.{26}header\.properties", re.DOTALL),
        "a JPK map of curves",
        "export its height image",
    ),
    (re.compile(rb"ONTMATRX"), "an Omicron MATRIX file", _GWY),
    (re.compile(rb"..S\0T\0i\0M\0a\0g\0e\0", re.DOTALL), "an RHK file", _GWY),
    (re.compile(rb"\[Param(eter|co32)\]"), "a Createc file", _GWY),
    (re.compile(rb"(\s*[-+\d.eE]+[\s,;]+){2}[-+\d.eE]+\s*[\r\n]"), "a table of numbers without units", _GWY),
)
"""Beginnings of files that are known and not read, what they are, and what to do."""

ENDINGS = tuple(ending for form in FORMATS for ending in form.endings)
"""File names that stand for scans, in words."""

STARTS_IN_WORDS = tuple(
    start for form in FORMATS for start in form.starts if start.isascii() and start.decode().isprintable()
)
"""Beginnings that are text, which nothing else begins with by chance."""


def is_scan(name: str) -> bool:
    """Say whether a file's name promises an instrument's file; `holds_scan` says whether it is one."""
    ending = name[name.rfind(".") :].lower()
    return ending in ENDINGS or re.fullmatch(r"\.[0-9]{3}", ending) is not None


def holds_scan(content: bytes, name: str) -> bool:
    """Say whether a file is an instrument's by how it begins, or by its name: what is lost is then told."""
    return is_scan(name) or recognise(content) is not None or _refusal(content) is not None


def recognise(content: bytes) -> Format | None:
    """Tell a file's format from its content; None where no instrument wrote it, such as a picture."""
    tags = _tiff_tags(content) if content.startswith(_TIFF) else frozenset()
    for form in FORMATS:
        fits = content.startswith(form.starts) and (not form.tags or form.tags & tags)
        if fits and (form.mark is None or form.mark.search(content)):
            return form
    return None


def _refusal(content: bytes) -> str | None:
    """Say what a file that is known and not read is, and what to do; None for any other."""
    start = content[:_TEXT]
    known = ((what, remedy) for pattern, what, remedy in _REFUSED if pattern.match(start))
    return next((f"it is {what}, which is not read: {remedy}" for what, remedy in known), None)


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
    if refusal := _refusal(content):
        raise ScanError(refusal)
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


def _mdt_length(content: bytes) -> int:
    """Go from frame to frame, each of which begins with its size, behind 33 bytes (Gwyddion's `nt-mdt`)."""
    (last,) = struct.unpack_from("<H", content, 12)
    place = 33
    for _ in range(last + 1):
        (size,) = struct.unpack_from("<I", content, place)
        place += max(int(size), 1)
    return place


def _mi_length(content: bytes) -> int:
    """Add the images of all buffers to the header, which ends with the kind of data (Gwyddion's `mifile`)."""
    end = content.index(b"\n", content.index(b"\ndata  ", 0, MAX_HEADER) + 1) + 1
    header = content[:end]
    if header.rstrip().endswith(b"ASCII"):
        return end
    counts = dict(re.findall(rb"^([xy]Pixels) +(\d{1,6})\s*$", header, re.MULTILINE))
    size = 4 if header.rstrip().endswith(b"BINARY_32") else 2
    pixels = int(counts.get(b"xPixels", b"")) * int(counts.get(b"yPixels", b""))
    return end + header.count(b"\nbufferLabel") * pixels * size


def _asd_length(content: bytes) -> int:
    """Add the frames of both channels to the header (the library libasd, versions 0 to 2 of the format)."""
    (version,) = struct.unpack_from("<i", content)
    if version:
        header, frame, frames, x, y = (struct.unpack_from("<i", content, at)[0] for at in (4, 8, 36, 48, 52))
        channels = sum(bool(content[at]) for at in (24, 28))
    else:
        header, frame = struct.unpack_from("<2i", content, 8)
        x, y = struct.unpack_from("<2h", content, 28)
        (frames,) = struct.unpack_from("<i", content, 95)
        channels = sum(bool(content[at]) for at in (4, 6))
    return int(header + channels * frames * (frame + 2 * x * y))


_LENGTHS = {"gwy": _gwy_length, "topostats": _hdf5_length, "h5-jpk": _hdf5_length, "nhf": _hdf5_length}
_LENGTHS |= {"ibw": _ibw_length, "nid": _nid_length, "gsf": _gsf_length, "mdt": _mdt_length}
_LENGTHS |= {"asd": _asd_length, "mi": _mi_length}
