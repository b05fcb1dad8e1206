"""Which instrument wrote a file: by its ending where names are chosen, by its content where it is read."""

import math
import re
import struct
from dataclasses import dataclass

from tmdscope.scan.read.channels import ScanError

ENDINGS = (".spm", ".000 to .999", ".ibw", ".jpk", ".gwy", ".topostats", ".nid")
"""File names that stand for scans, in words."""

_MAX_HEADER = 1 << 20

_ENDING = re.compile(r"\.(spm|\d{3}|ibw|jpk|gwy|topostats|nid)", re.IGNORECASE)


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes
    ----------
    name : str
        What it is called.
    title : str
        The same for people.
    starts : tuple of bytes
        Beginnings of such files.
    preferred : tuple of str
        Beginnings of the names of height channels, the best first.
    """

    name: str
    title: str
    starts: tuple[bytes, ...]
    preferred: tuple[str, ...]


NANOSCOPE = Format(
    "nanoscope", "Bruker Nanoscope", (b"\\*File list", b"\\*EC File list"), ("Height Sensor", "Height")
)
"""The paper reads the channel `Height Sensor`; older instruments have `Height` alone."""

FORMATS = (
    NANOSCOPE,
    Format(
        "ibw",
        "Asylum Igor binary wave",
        (b"\x05\x00", b"\x00\x05"),
        ("HeightTrace", "HeightRetrace", "ZSensorTrace", "ZSensorRetrace"),
    ),
    Format(
        "jpk",
        "JPK",
        (b"II*\x00", b"MM\x00*"),
        ("height_trace", "height_retrace", "measuredHeight_trace", "measuredHeight_retrace"),
    ),
    Format("gwy", "Gwyddion", (b"GWYP",), ("Height", "Topography", "Z-Axis", "ZSensor")),
    Format("topostats", "TopoStats", (b"\x89HDF\r\n\x1a\n",), ("image",)),
    Format(
        "nid",
        "Nanosurf",
        (b"[DataSet]",),
        ("Forward Z-Axis Sensor", "Forward Z-Axis", "Forward Topography"),
    ),
)
"""Every format that is read."""


def is_scan(name: str) -> bool:
    """Say whether a file's name is that of an instrument's file.

    Parameters
    ----------
    name : str
        The name, or a path.

    Returns
    -------
    bool
        Whether its ending is one of `ENDINGS`.
    """
    return _ENDING.fullmatch(name[name.rfind(".") :]) is not None


def format_of(content: bytes) -> Format:
    """Tell a file's format from how it begins.

    Parameters
    ----------
    content : bytes
        The whole file.

    Returns
    -------
    Format
        The format.

    Raises
    ------
    ScanError
        It is empty, begins like none of them, or is shorter than its beginning says.
    """
    if not content:
        raise ScanError("it is empty; copy it from the instrument again")
    for form in FORMATS:
        if content.startswith(form.starts):
            _check_length(content, form)
            return form
    known = ", ".join(form.title for form in FORMATS)
    raise ScanError(f"it is no instrument's file that can be read ({known}), or its beginning is lost")


def _check_length(content: bytes, form: Format) -> None:
    """Compare a file's length with what its first bytes announce, before any library is loaded."""
    try:
        announced = _LENGTHS.get(form.name, len)(content)
    except (struct.error, ValueError, IndexError):
        announced = len(content) + 1
    if announced > len(content):
        raise ScanError(f"it is cut off after {len(content)} bytes; copy it from the instrument again")


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


def _nid_length(content: bytes) -> int:
    """Add up the data sets behind the mark that ends the header: NSFopen counts them from the file's end."""
    end = content.index(b"#!", 0, _MAX_HEADER) + 2
    used = set(re.findall(rb"^Gr\d+-Ch\d+=(\S+)", content[:end], re.MULTILINE))
    total = end
    for section in re.split(rb"^\[", content[:end], flags=re.MULTILINE):
        if section.partition(b"]")[0] in used:
            numbers = dict(re.findall(rb"^(Points|Lines|SaveBits)=(\d{1,9})\s", section, re.MULTILINE))
            if len(numbers) != 3:
                raise ValueError
            total += math.prod(map(int, numbers.values())) // 8
    return total


_LENGTHS = {"gwy": _gwy_length, "topostats": _hdf5_length, "ibw": _ibw_length, "nid": _nid_length}
