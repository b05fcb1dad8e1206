"""Instrument files: cut, damaged, lying, bombs, foreign ones, and what is no file."""

import io
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tests.scan.read import files, more_files

from benchmarks.hostile.cases import FOREIGN, Case, command, cuts, flips, not_finite, odd_files, put
from tmdscope.scan.read.read import InstrumentFile, read_file

HEIGHT = np.random.default_rng(2).uniform(-40, 40, (9, 11))
WHOLE: dict[str, Callable[[], bytes]] = {
    "000": lambda: files.nanoscope(HEIGHT),
    "ibw": lambda: files.ibw(HEIGHT, 500, 500),
    "jpk": lambda: files.jpk(HEIGHT, 500, 500),
    "tiff": lambda: files.park(HEIGHT, 500, 500),
    "gsf": lambda: files.gsf(HEIGHT, 500, 500),
    "gwy": lambda: files.gwy(HEIGHT, 500, 500),
    "topostats": lambda: files.topostats(HEIGHT, 25.0),
    "nid": lambda: files.nid(HEIGHT, 500, 500),
    "sxm": lambda: more_files.sxm(HEIGHT, 500, 500),
    "nhf": lambda: more_files.nhf(HEIGHT, 500, 500),
    "h5-jpk": lambda: more_files.h5_jpk(HEIGHT, 500, 500),
    "asd": lambda: more_files.asd(HEIGHT, 500, 500),
    "mi": lambda: more_files.mi(HEIGHT, 500, 500),
    "mdt": lambda: more_files.mdt(HEIGHT, 500, 500),
    "stp": lambda: more_files.wsxm(HEIGHT, 500, 500),
    "gwyddion.txt": lambda: more_files.gwyddion_text(HEIGHT, 500, 500),
    "spip.txt": lambda: more_files.spip(HEIGHT, 500, 500),
    "nanoscope.txt": lambda: more_files.nanoscope_text(HEIGHT, 500, 500),
    "xyz": lambda: more_files.xyz(HEIGHT, 500, 500),
}
_HEADER = {
    "000": 2000,
    "ibw": 384,
    "jpk": 400,
    "tiff": 400,
    "gsf": 120,
    "gwy": 200,
    "topostats": 600,
    "nid": 500,
}
"""Bytes of their headers, that of others within the first 400."""


def wrong(found: Any) -> str | None:
    """Look at a scan that was read."""
    assert isinstance(found, InstrumentFile)
    return not_finite(found.scan.height_nm, found.scan.pixel_size_nm)


def _read(name: str, channel: str | None = None) -> Callable[[Path], Any]:
    return lambda folder: read_file(folder / name, channel)


def _case(what: str, name: str, content: bytes | Callable[[], bytes], must: str = "refuse") -> Case:
    def make(folder: Path) -> None:
        put(name, content if isinstance(content, bytes) else content())(folder)

    return Case(what, make, _read(name), must, wrong, tells=name.replace(".", r"\."))


def cases() -> Iterator[Case]:
    """Give every case."""
    for kind, write in WHOLE.items():
        whole = write()
        yield _case(f"{kind} as it should be", f"a.{kind}", whole, "take")
        half = _HEADER.get(kind, 400)
        for told, content in cuts(whole, [1, 8, half // 2, half, len(whole) // 2, len(whole) - 1]):
            yield _case(f"{kind} {told}", f"a.{kind}", content, "either")
        for told, content in flips(whole, 5, 2, half):
            yield _case(f"{kind} {told}", f"a.{kind}", content, "either")
    for told, content in FOREIGN.items():
        yield _case(f"{told} as .ibw", "a.ibw", content)
    for told, make in odd_files("a.gwy"):
        yield Case(f"{told} as .gwy", make, _read("a.gwy"), tells=r"a\.gwy")
    yield from _lies()
    yield from _bombs()
    yield from _commands()


def _lies() -> Iterator[Case]:
    edits: dict[str, tuple[str, str]] = {
        "a row of 2 000 000 000": ("Samps/line", "2000000000"),
        "a negative row": ("Samps/line", "-11"),
        "a row in Arabic digits": ("Samps/line", "\xb2"),
        "lines without end": ("Number_of_lines", "9" * 400),
        "data behind the end": ("Data_offset", "99999999"),
        "negative data": ("Data_length", "-1"),
        "pixels of no byte": ("Bytes/pixel", "0"),
        "pixels of 1e9 bytes": ("Bytes/pixel", "1000000000"),
        "a size that is no number": ("Scan_Size", "nan nan nm"),
        "an endless size": ("Scan_Size", "inf inf nm"),
        "no size": ("Scan_Size", "0 0 nm"),
        "a size of 1e308 km": ("Scan_Size", "1e308 1e308 km"),
        "a scale that is no number": ("@2:Z_scale", "V [Sens. Zsens] (0.1 V/LSB) nan V"),
        "a scale without end": ("@2:Z_scale", "V [Sens. Zsens] (0.1 V/LSB) 1e999 V"),
        "a scale that names itself": ("@2:Z_scale", "V [Z scale] (0.1 V/LSB) 1 V"),
        "a shape of nothing": ("Aspect_Ratio", "0:0"),
    }
    for told, (key, value) in edits.items():
        content = files.nanoscope(HEIGHT, **{key: value})
        must = "either" if "Aspect" in key else "refuse"
        yield _case(f"nanoscope: {told}", "a.spm", content, must)
    escape = files.nanoscope(HEIGHT, **{"@2:Image_Data": 'S [Height] "\x1b]0;owned\x07\x1b[2JHeight"'})
    yield _case("nanoscope: a channel that clears the terminal", "a.spm", escape, "either")
    whole = files.gsf(HEIGHT, 500, 500)
    size = whole[whole.index(b"XReal") : whole.index(b"\nYReal")]
    for told, old, new in (
        ("999999 x 999999", b"XRes = 11\nYRes = 9", b"XRes = 999999\nYRes = 999999"),
        ("a negative width", b"XRes = 11", b"XRes = -1"),
        ("a width in words", b"XRes = 11", b"XRes = elevenses"),
        ("two widths", b"XRes = 11\n", b"XRes = 11\nXRes = 9\n"),
        ("a size that is no number", size, b"XReal = nan"),
        ("an endless size", size, b"XReal = inf"),
        ("text that is no UTF-8", b"Topography", b"\xff\xfe\x00\x1b["),
    ):
        must = "refuse" if new != b"\xff\xfe\x00\x1b[" else "either"
        yield _case(f"gsf: {told}", "a.gsf", whole.replace(old, new), must)
    bad = whole[:-4] + struct.pack("<f", float("nan"))
    yield _case("gsf: a height that is no number", "a.gsf", bad)
    nid = files.nid(HEIGHT, 500, 500)
    for told, old, new in (
        ("a billion points", b"Points=11", b"Points=999999999"),
        ("a thousand bits", b"SaveBits=16", b"SaveBits=1000"),
        ("a data set that is not there", b"Gr0-Ch0=DataSet-0:0", b"Gr0-Ch0=DataSet-9:9"),
        ("a group of 1e9", b"Gr0-Count=1", b"Gr0-Count=1000000000"),
        ("interpolation of keys", b"Operating mode=Dynamic", b"Operating mode=%(Lines)s%(x"),
        ("a range that is no number", b"Dim2Range=1e-07", b"Dim2Range=nan"),
        ("a mark and no data", nid[nid.index(b"#!") :], b"#!"),
    ):
        must = "refuse" if "keys" not in told and "1e9" not in told else "either"
        yield _case(f"nid: {told}", "a.nid", nid.replace(old, new), must)
    ibw = bytearray(files.ibw(HEIGHT, 500, 500))
    for told, place, form, value in (
        ("a note of 2 GB", 16, "<i", 2**31 - 1),
        ("negative data", 8, "<i", -1),
        ("points without number", 64 + 12, "<i", -1),
        ("2^31 columns", 64 + 68, "<i", 2**31 - 1),
        ("text waves", 64 + 16, "<h", 0),
        ("complex waves", 64 + 16, "<h", 1 | 2),
    ):
        content = bytearray(ibw)
        struct.pack_into(form, content, place, value)
        yield _case(f"ibw: {told}", "a.ibw", bytes(content), "either" if "points" in told else "refuse")
    for told, width in (
        ("no width", 0.0),
        ("a negative width", -5.0),
        ("a width that is no number", float("nan")),
    ):
        yield _case(f"gwy: {told}", "a.gwy", lambda width=width: files.gwy(HEIGHT, width, 1.0))
    for told, change in (("NaN heights", float("nan")), ("endless heights", float("inf"))):
        heights = HEIGHT.copy()
        heights[3, 3] = change
        yield _case(f"gwy: {told}", "a.gwy", lambda heights=heights: files.gwy(heights, 500, 500))
    park = files.park(HEIGHT, 500, 500)
    frame = struct.pack("<2i", 11, 9)
    for told, columns, rows in (("a size too large", 2**31 - 1, 2**31 - 1), ("a negative size", -11, -9)):
        yield _case(f"park: {told}", "a.tiff", park.replace(frame, struct.pack("<2i", columns, rows)))
    yield _case("park: a force curve", "a.tiff", files.park(HEIGHT, 500, 500, kind=2))
    yield _case(
        "park: a name that ends the line", "a.tiff", files.park(HEIGHT, 500, 500, name="T\x1b[2J\n"), "either"
    )
    for told, pixel in (("a pixel of no size", 0.0), ("a pixel without number", float("nan"))):
        yield _case(f"topostats: {told}", "a.topostats", lambda pixel=pixel: files.topostats(HEIGHT, pixel))


def _hdf5(fill: Callable[[Any], None]) -> Callable[[], bytes]:
    def write() -> bytes:
        import h5py

        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            file["topostats_file_version"] = 0.2
            file["pixel_to_nm_scaling"] = 25.0
            fill(file)
        return stream.getvalue()

    return write


def _bombs() -> Iterator[Case]:
    def packed(file: Any) -> None:
        made = file.create_dataset("image", (1 << 17, 1 << 17), "f8", chunks=(1024, 1024), compression="gzip")
        made[0, 0] = 1.0

    def outside(file: Any) -> None:
        import h5py

        file["image"] = h5py.ExternalLink("/etc/passwd", "/image")

    def raw(file: Any) -> None:
        file.create_dataset("image", (9, 11), "u1", external=[("/etc/passwd", 0, 99)])

    def virtual(file: Any) -> None:
        import h5py

        layout = h5py.VirtualLayout((9, 11), "f8")
        layout[:] = h5py.VirtualSource("/etc/passwd", "image", (9, 11))
        file.create_virtual_dataset("image", layout)

    def loop(file: Any) -> None:
        import h5py

        file["image"] = h5py.SoftLink("/image")

    def text(file: Any) -> None:
        file["image"] = "no picture"

    def empty(file: Any) -> None:
        file["image"] = np.zeros((0, 11))

    def deep(file: Any) -> None:
        file["image"] = np.zeros((2,) * 12)

    def crowded(file: Any) -> None:
        file["image"] = HEIGHT
        for number in range(5000):
            file[f"x{number}"] = 0

    for told, fill in (
        ("17 GB of packed zeros", packed),
        ("an image in another file", outside),
        ("an image whose bytes are /etc/passwd", raw),
        ("an image put together from /etc/passwd", virtual),
        ("a link to itself", loop),
        ("text", text),
        ("no row", empty),
        ("twelve dimensions", deep),
    ):
        yield _case(f"topostats: {told}", "a.topostats", _hdf5(fill))
    yield _case("topostats: 5000 objects", "a.topostats", _hdf5(crowded), "either")

    def nested() -> bytes:
        inner = b""
        while len(inner) < 1 << 20:
            inner = b"a\x00o" + b"GwyContainer\x00" + len(inner).to_bytes(4, "little") + inner
            if len(inner) > 600_000:
                break
        return b"GWYP" + b"GwyContainer\x00" + len(inner).to_bytes(4, "little") + inner

    def many() -> bytes:
        inner = b"a\x00b\x01" * (1 << 20)
        return b"GWYP" + b"GwyContainer\x00" + len(inner).to_bytes(4, "little") + inner

    yield _case("gwy: objects in objects", "a.gwy", nested)
    yield _case("gwy: a million components", "a.gwy", many)
    yield _case("gwy: 2000 channels", "a.gwy", lambda: _channels(2000), "either")

    def ring() -> bytes:
        content = bytearray(files.jpk(HEIGHT, 500, 500))
        (first,) = struct.unpack_from("<I", content, 4)
        (count,) = struct.unpack_from("<H", content, first)
        struct.pack_into("<I", content, first + 2 + 12 * count, first)
        return bytes(content)

    yield _case("jpk: a page that follows itself", "a.jpk", ring)
    yield _case("nanoscope: a header of 64 MB", "a.spm", b"\\*File list\r\n" + b"\\x: 1\r\n" * (1 << 23))
    yield _case("nanoscope: 100 000 channels", "a.spm", lambda: _nanoscope_channels(100_000), "either")
    yield _case("gsf: a header of 32 MB", "a.gsf", b"Gwyddion Simple Field 1.0\n" + b"x = 1\n" * (1 << 22))
    yield _case(
        "nid: 200 000 sections",
        "a.nid",
        b"[DataSet]\r\n" + b"".join(b"[DataSet-0:%d]\r\nPoints=1\r\n" % n for n in range(200_000)) + b"#!",
    )


def _channels(count: int) -> bytes:
    return files.gwy(HEIGHT, 500, 500, titles={number: f"Height {number}" for number in range(count)})


def _nanoscope_channels(count: int) -> bytes:
    whole = files.nanoscope(HEIGHT)
    at = whole.index(b"\\*Ciao image list")
    return whole[:at] + b"\\*Ciao image list\r\n\\Data offset: 1\r\n" * count + whole[at:]


def _commands() -> Iterator[Case]:
    escape = "\x1b]0;owned\x07\x1b[31mscan.gwy"
    for told, name in (
        ("clears the terminal", escape),
        ("ends the line", "a\nb.gwy"),
        ("turns the text", "a\u202ey.gwy"),
    ):

        def inspect(folder: Path, name: str = name) -> str:
            return command("inspect", str(folder / name), "--picture", str(folder / "new.png"))

        yield Case(f"inspect: a name that {told}", put(name, sound_gwy()), inspect, "either")
    for told, channel in (("an escape", "\x1b[2J"), ("a long one", "x" * 10_000), ("none", "")):
        yield Case(
            f"a channel called by {told}", put("a.gwy", sound_gwy()), _read("a.gwy", channel), "either"
        )

    def closed(folder: Path) -> None:
        put("a.gwy", sound_gwy())(folder)
        (folder / "a.gwy").chmod(0)

    yield Case("a file that may not be read", closed, _read("a.gwy"), "either", tells=r"a\.gwy")
    yield Case("a name with a NUL", lambda _: None, lambda folder: read_file(folder / "a\0.gwy"))
    yield Case(
        "a name of 5000 letters", lambda _: None, lambda folder: read_file(folder / ("a" * 5000 + ".gwy"))
    )


def sound_gwy() -> bytes:
    """Write a sound file."""
    return files.gwy(HEIGHT, 500, 500)
