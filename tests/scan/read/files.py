"""Instrument files made here, as small as their formats allow; row 0 of what is given is the top."""

import struct
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

SENSITIVITY_NM_PER_V, FULL_RANGE_V = 20.0, 400.0


def nanoscope(
    height_nm: NDArray[np.floating],
    channel: str = "Height Sensor",
    width_nm: float = 1000.0,
    height_of_frame_nm: float | None = None,
    aspect: str = "1:1",
    stored: int = 2,
    **changed: str | None,
) -> bytes:
    """A Bruker file with a channel of heights and one of errors; `changed` edits keys of the images."""
    rows, columns = height_nm.shape
    step = SENSITIVITY_NM_PER_V * FULL_RANGE_V / 256**stored
    counts = np.rint(height_nm[::-1] / step).astype(f"<i{stored}").tobytes()
    images = [(channel, "[Sens. Zsens]"), ("Amplitude Error", "[Sens. Amp]")]
    lines = ["\\*File list", "\\Version: 0x09200000", "\\*Scanner list"]
    lines += [f"\\@Sens. Zsens: V {SENSITIVITY_NM_PER_V} nm/V", "\\@Sens. Amp: V 1.0 mV/V"]
    start = 4096
    for number, (name, sensitivity) in enumerate(images):
        keys = {
            "Data offset": str(start + number * len(counts)),
            "Data length": str(len(counts)),
            "Bytes/pixel": str(stored),
            "Samps/line": str(columns),
            "Number of lines": str(rows),
            "Aspect Ratio": aspect,
            "Scan Size": f"{width_nm} {height_of_frame_nm or width_nm} nm",
            "Line Direction": "Trace",
            "@2:Image Data": f'S [Name] "{name}"',
            "@2:Z scale": f"V {sensitivity} (0.006 V/LSB) {FULL_RANGE_V} V",
        }
        keys |= {key.replace("_", " "): value for key, value in changed.items()}
        lines += [
            "\\*Ciao image list",
            *(f"\\{key}: {value}" for key, value in keys.items() if value is not None),
        ]
    header = "\r\n".join([*lines, "\\*File list end", "\x1a"]).encode("latin-1")
    return header.ljust(start, b"\x00") + counts * len(images)


def gwy(
    height_nm: NDArray[np.floating],
    width_nm: float,
    frame_nm: float,
    unit: str = "m",
    titles: Mapping[int, str] | None = None,
) -> bytes:
    """A Gwyddion file with data fields of some numbers and titles, each 1 nm above the one before."""
    from gwyfile.objects import GwyContainer, GwyDataField

    per_nm = {"m": 1e-9, "um": 1e-3, "nm": 1.0}[unit]
    content = GwyContainer()
    for above, (number, title) in enumerate((titles or {0: "Height"}).items()):
        content[f"/{number}/data/title"] = title
        content[f"/{number}/data"] = GwyDataField(
            (height_nm + above) * per_nm,
            xreal=width_nm * per_nm,
            yreal=frame_nm * per_nm,
            si_unit_xy=unit,
            si_unit_z=unit,
        )
    stream = BytesIO()
    content.tofile(stream)
    return stream.getvalue()


def ibw(
    height_nm: NDArray[np.floating],
    width_nm: float,
    frame_nm: float,
    step_nm: tuple[float, float] | None = None,
    names: Sequence[bytes] = (b"HeightTrace", b"AmplitudeTrace"),
) -> bytes:
    """An Igor binary wave, version 5, as Asylum's instruments write it: two layers, a note, labels.

    The note states the frame; `step_nm` is the wave's own scale.
    """
    rows, columns = height_nm.shape
    first = height_nm[::-1].T * 1e-9  # Igor's first index runs along a row
    values = np.stack([first, first * 0], axis=-1).astype("<f4").tobytes(order="F")
    note = f"ScanSize: {width_nm * 1e-9}\rFastScanSize: {width_nm * 1e-9}\rSlowScanSize: {frame_nm * 1e-9}\r"
    labels = b"".join(name.ljust(32, b"\x00") for name in (b"", *names))
    wave = bytearray(320)
    struct.pack_into("<i", wave, 12, rows * columns * 2)  # npnts
    struct.pack_into("<h", wave, 16, 2)  # type: 32-bit float
    struct.pack_into("<4i", wave, 68, columns, rows, 2, 0)  # nDim
    if step_nm is not None:
        struct.pack_into("<2d", wave, 84, step_nm[0] * 1e-9, step_nm[1] * 1e-9)  # sfA
    wave[148:149] = b"m"  # dataUnits
    head = struct.pack(
        "<hhi iiii 4i 4i ii",
        5,
        0,
        len(wave) + len(values),
        0,
        len(note),
        0,
        0,
        *(0, 0, 0, 0),
        *(0, 0, len(labels), 0),
        0,
        0,
    )
    content = bytearray(head + bytes(wave) + values + note.encode() + labels)
    total = sum(struct.unpack("<192h", bytes(content[:384])))
    struct.pack_into("<h", content, 2, (-total + 2**15) % 2**16 - 2**15)  # checksum
    return bytes(content)


def jpk(height_nm: NDArray[np.floating], width_nm: float, frame_nm: float, reflect: bool = False) -> bytes:
    """A JPK image: a thumbnail page with the size, then the heights of the trace; reflected: top first."""
    rows, columns = height_nm.shape
    step = 1e-12
    stream = BytesIO()
    size = [
        (0x8042, "d", 1, width_nm * 1e-9, True),
        (0x8043, "d", 1, frame_nm * 1e-9, True),
        (0x8045, "H", 1, int(reflect), True),
        (0x8046, "I", 1, columns, True),
        (0x8047, "I", 1, rows, True),
    ]
    slot = [
        (0x8050, "s", 0, "height", True),
        (0x8051, "I", 1, 0, True),
        (0x8080, "I", 1, 2, True),  # slots
        (0x8081, "s", 0, "nominal", True),  # the default one
        (0x8090, "s", 0, "raw", True),
        (0x80C0, "s", 0, "nominal", True),
        (0x80D3, "s", 0, "LinearScaling", True),
        (0x80D4, "d", 1, step, True),
        (0x80D5, "d", 1, 0.0, True),
    ]
    with tifffile.TiffWriter(stream) as tiff:
        tiff.write(np.zeros((8, 8), np.uint8), extratags=size, metadata=None)
        counts = np.rint((height_nm if reflect else height_nm[::-1]) * 1e-9 / step).astype(np.int32)
        tiff.write(counts, extratags=slot, metadata=None)
    return stream.getvalue()


def park(
    height_nm: NDArray[np.floating], width_nm: float, frame_nm: float, kind: int = 0, name: str = "Topography"
) -> bytes:
    """A Park TIFF: a preview in a palette, heights in um in a tag; `kind` 2 is a force curve."""
    rows, columns = height_nm.shape
    gain = -4.5
    header = bytearray(580)
    struct.pack_into("<i", header, 0, kind)
    header[4 : 4 + 2 * len(name)] = name.encode("utf-16-le")
    struct.pack_into("<2i", header, 100, columns, rows)
    struct.pack_into("<2d", header, 140, width_nm * 1e-3, frame_nm * 1e-3)
    struct.pack_into("<2d", header, 220, gain, 1.0)
    header[244:248] = "um".encode("utf-16-le")
    struct.pack_into("<i", header, 348, 2)
    data = (height_nm[::-1] * 1e-3 / gain).astype("<f4").tobytes()
    tags = [
        (50432, "I", 1, 0x0E031301, True),
        (50434, "B", len(data), data, True),
        (50435, "B", len(header), bytes(header), True),
    ]
    stream = BytesIO()
    with tifffile.TiffWriter(stream) as tiff:
        preview = np.zeros((8, 8), np.uint8)
        colours = np.zeros((3, 256), np.uint16)
        tiff.write(preview, photometric="palette", colormap=colours, extratags=tags, metadata=None)
    return stream.getvalue()


def gsf(height_nm: NDArray[np.floating], width_nm: float, frame_nm: float) -> bytes:
    """A Gwyddion simple field."""
    rows, columns = height_nm.shape
    head = (
        f"Gwyddion Simple Field 1.0\nXRes = {columns}\nYRes = {rows}\nXReal = {width_nm * 1e-9}\n"
        f"YReal = {frame_nm * 1e-9}\nXYUnits = m\nZUnits = m\nTitle = Topography\n"
    ).encode()
    return head + b"\0" * (4 - len(head) % 4) + (height_nm * 1e-9).astype("<f4").tobytes()


def topostats(height_nm: NDArray[np.floating], pixel_nm: float) -> bytes:
    """A TopoStats file."""
    import h5py

    stream = BytesIO()
    with h5py.File(stream, "w") as file:
        file["topostats_file_version"] = 0.2
        file["image"] = height_nm
        file["pixel_to_nm_scaling"] = pixel_nm
    return stream.getvalue()


def nid(
    height_nm: NDArray[np.floating], width_nm: float, frame_nm: float, name: str = "Z-Axis", lines: int = 0
) -> bytes:
    """A Nanosurf file with one image, 16 bits over 100 nm; `lines`: to which the scan was set."""
    rows, columns = height_nm.shape
    full = 100e-9
    values = np.rint(height_nm[::-1] * 1e-9 / full * 65536).astype("<i2").tobytes()
    header = f"""[DataSet]
Version=2
GroupCount=1
Gr0-Name=Scan forward
Gr0-Count=1
Gr0-Ch0=DataSet-0:0

[DataSet-Info]
Operating mode=Dynamic
Lines={lines or rows}

[DataSet-0:0]
Version=2
Points={columns}
Lines={rows}
Frame=Scan forward
Dim0Name=X*
Dim0Unit=m
Dim0Range={width_nm * 1e-9}
Dim0Min=0
Dim1Name=Y*
Dim1Unit=m
Dim1Range={frame_nm * 1e-9}
Dim1Min=0
Dim2Name={name}
Dim2Unit=m
Dim2Range={full}
Dim2Min={-full / 2}
SaveMode=Binary
SaveBits=16
SaveSign=Signed

"""
    return header.replace("\n", "\r\n").encode("latin-1") + b"\r\n#!" + values


def write(folder: Path, name: str, content: bytes) -> Path:
    """Write a file and give its path."""
    path = folder / name
    path.write_bytes(content)
    return path
