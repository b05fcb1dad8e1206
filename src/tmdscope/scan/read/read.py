"""From an instrument's file to a Scan: heights in nm and the size of a pixel, or an error that says why."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tmdscope.files import read_bytes
from tmdscope.limits import MAX_SCAN_BYTES
from tmdscope.scan.read.channels import Channel, ScanError, check_channel, choose, distinct
from tmdscope.scan.read.child import read_in_child
from tmdscope.scan.read.formats import NANOSCOPE, format_of
from tmdscope.scan.read.nanoscope import find_channels
from tmdscope.scan.read.values import heights
from tmdscope.scan.scan import Scan
from tmdscope.stage import UserError

__all__ = ["InstrumentFile", "ScanError", "decode_file", "decode_scan", "read_file", "read_scan"]


@dataclass(frozen=True)
class InstrumentFile:
    """What is in an instrument's file.

    Attributes
    ----------
    title : str
        Its format, for people.
    channels : tuple of Channel
        All its channels.
    scan : Scan
        The one that was read.
    """

    title: str
    channels: tuple[Channel, ...]
    scan: Scan


def read_scan(path: Path, channel: str | None = None) -> Scan:
    """Read the heights of an instrument's file.

    Parameters
    ----------
    path : Path
        Bruker Nanoscope, Asylum .ibw, JPK, Park .tiff, Gwyddion .gwy and .gsf, .topostats, Nanosurf .nid.
    channel : str, optional
        Name of the channel; without one that of the heights is found.

    Returns
    -------
    Scan
        Heights in nm with the file's own pixel size.

    Raises
    ------
    ScanError
        The file cannot be opened or used; the message names it.
    """
    return read_file(path, channel).scan


def read_file(path: Path, channel: str | None = None) -> InstrumentFile:
    """Read an instrument's file: its channels, and the heights of one.

    Parameters
    ----------
    path : Path
        As for `read_scan`.
    channel : str, optional
        Name of the channel; without one that of the heights is found.

    Returns
    -------
    InstrumentFile
        What is in it.

    Raises
    ------
    ScanError
        The file cannot be opened or used; the message names it.
    """
    try:
        return decode_file(read_bytes(path, MAX_SCAN_BYTES), path.name, channel)
    except (OSError, UserError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ScanError(f"{path}: {reason}") from error


def decode_scan(content: bytes, name: str, channel: str | None = None) -> Scan:
    """Read the heights of an instrument's file that is in memory.

    Parameters
    ----------
    content : bytes
        The whole file; its format is told by how it begins.
    name : str
        Its name, kept as the scan's source.
    channel : str, optional
        Name of the channel; without one that of the heights is found.

    Returns
    -------
    Scan
        Heights in nm with the file's own pixel size.

    Raises
    ------
    ScanError
        The file cannot be used.
    """
    return decode_file(content, name, channel).scan


def decode_file(content: bytes, name: str, channel: str | None = None) -> InstrumentFile:
    """Read an instrument's file that is in memory: its channels, and the heights of one.

    Parameters
    ----------
    content : bytes
        The whole file; its format is told by how it begins.
    name : str
        Its name, kept as the scan's source.
    channel : str, optional
        Name of the channel; without one that of the heights is found.

    Returns
    -------
    InstrumentFile
        What is in it.

    Raises
    ------
    ScanError
        The file cannot be used: empty, cut off, damaged, of an unknown kind, without a height channel or
        without a scale. Nothing is assumed that the file does not say.
    """
    form = format_of(content)
    if form is NANOSCOPE:
        found = distinct(find_channels(content))
        chosen = choose(found, channel)
        check_channel(found[chosen].channel)
        channels = [one.channel for one in found]
        height_nm, warnings = heights(found[chosen])
    else:
        channels, chosen, height_nm, warnings = read_in_child(content, form, channel)
    used = channels[chosen]
    sha256 = hashlib.sha256(content).hexdigest()
    scan = Scan(height_nm, used.pixel_size_nm, used.name, name, sha256, warnings)
    return InstrumentFile(form.title, tuple(channels), scan)
