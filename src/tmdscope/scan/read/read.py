"""From an instrument's file to a Scan: heights in nm and the size of a pixel, or an error that says why."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tmdscope.errors import UserError
from tmdscope.files import read_bytes
from tmdscope.limits import MAX_SCAN_BYTES
from tmdscope.scan.read.channels import Channel, ScanError, read_channel
from tmdscope.scan.read.child import read_in_child
from tmdscope.scan.read.formats import NANOSCOPE, format_of
from tmdscope.scan.read.nanoscope import find_channels
from tmdscope.scan.scan import Scan


@dataclass(frozen=True)
class InstrumentFile:
    """What an instrument's file holds: its format for people, all channels, and the scan that was read."""

    title: str
    channels: tuple[Channel, ...]
    scan: Scan


def read_file(path: Path, channel: str | None = None) -> InstrumentFile:
    """Read an instrument's file, as `decode_file`; a ScanError names the file."""
    try:
        return decode_file(read_bytes(path, MAX_SCAN_BYTES), path.name, channel)
    except (OSError, UserError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ScanError(f"{path}: {reason}") from error


def decode_file(content: bytes, name: str, channel: str | None = None) -> InstrumentFile:
    """Read an instrument's file that is in memory: its channels, and the heights of one.

    It is of Bruker Nanoscope, Asylum .ibw, JPK, Park .tiff, Gwyddion .gwy and .gsf, .topostats, Nanosurf
    .nid, which is told by how it begins; `name` is kept as the scan's source. Without a channel's name that
    of the heights is found. Nothing is assumed that the file does not say.
    """
    form = format_of(content)
    if form is NANOSCOPE:
        channels, chosen, height_nm, warnings = read_channel(find_channels(content), channel)
    else:
        channels, chosen, height_nm, warnings = read_in_child(content, form, channel)
    used = channels[chosen]
    sha256 = hashlib.sha256(content).hexdigest()
    scan = Scan(height_nm, used.pixel_size_nm, used.name, name, sha256, warnings)
    return InstrumentFile(form.title, tuple(channels), scan)
