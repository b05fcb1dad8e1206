"""Files of further instruments and programs, made from the published descriptions of their formats."""

import struct
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

Heights = NDArray[np.floating]


def sxm(
    height_nm: Heights, width_nm: float, frame_nm: float, up: bool = True, order: str = "MSBFIRST"
) -> bytes:
    """A Nanonis file: Z and a current, each forward and backward; backward is 1 nm higher."""
    rows, columns = height_nm.shape
    header = f""":NANONIS_VERSION:
2
:SCANIT_TYPE:
              FLOAT            {order}
:SCAN_PIXELS:
       {columns}       {rows}
:SCAN_RANGE:
           {width_nm * 1e-9:.6E}           {frame_nm * 1e-9:.6E}
:SCAN_DIR:
{"up" if up else "down"}
:COMMENT:

:DATA_INFO:
\tChannel\tName\tUnit\tDirection\tCalibration\tOffset
\t14\tZ\tm\tboth\t9.000E-9\t0.000E+0
\t0\tCurrent\tA\tboth\t1.000E-9\t0.000E+0

:SCANIT_END:

""".encode()
    stored = np.dtype(">f4" if order == "MSBFIRST" else "<f4")
    scanned = (height_nm[::-1] if up else height_nm) * 1e-9
    images = [scanned, (scanned + 1e-9)[:, ::-1], scanned * 0, scanned * 0]
    data = b"".join(np.ascontiguousarray(image).astype(stored).tobytes() for image in images)
    return header + b"\n\n\x1a\x04" + data


def nhf(height_nm: Heights, width_nm: float, frame_nm: float, version: int = 2) -> bytes:
    """A Nanosurf file in HDF5 of version 1 or 2: forward and backward, 32 bits over 100 nm."""
    import h5py

    rows, columns = height_nm.shape
    stream = BytesIO()
    with h5py.File(stream, "w") as file:
        file.attrs["nsf_file_version_major"] = version
        file.attrs["nsf_file_version_minor"] = 0
        scan = file.create_group("group_0000")
        if version == 1:
            scan.attrs.update(
                name="Image",
                image_points_per_line=columns,
                image_number_of_lines=rows,
                image_size_x=width_nm * 1e-9,
                image_size_y=frame_nm * 1e-9,
            )
        else:
            scan.attrs.update(measurement_name="Image", rect_axis_range=np.array([frame_nm, width_nm]) * 1e-9)
        for number, way in enumerate(("Forward", "Backward")):
            segment = scan.create_group(f"subgroup_{number:04}")
            segment.attrs["name" if version == 1 else "segment_name"] = way
            if version == 2:
                segment.attrs["rect_axis_size"] = np.array([rows, columns])
            counts = np.rint((height_nm[::-1] + 50 + number) / 100 * (2**32 - 1) - 2**31).astype("<i4")
            data = segment.create_dataset("dataset_0000", data=counts.ravel())
            name, calibration = ("name", "base") if version == 1 else ("signal_name", "signal")
            data.attrs[name] = "Topography"
            data.attrs[f"{calibration}_calibration_unit"] = "m"
            data.attrs[f"{calibration}_calibration_min"] = -50e-9
            data.attrs[f"{calibration}_calibration_max"] = 50e-9
    return stream.getvalue()


def h5_jpk(height_nm: Heights, width_nm: float, frame_nm: float, count: int = 1) -> bytes:
    """A JPK file in HDF5: heights of the trace, of each frame of a movie 1 nm above the one before."""
    import h5py

    rows, columns = height_nm.shape
    step = 1e-12
    stream = BytesIO()
    with h5py.File(stream, "w") as file:
        scan = file.create_group("Measurement_000")
        for key, value in {
            "grid.ulength": width_nm * 1e-9,
            "grid.vlength": frame_nm * 1e-9,
            "grid.ilength": columns,
            "grid.jlength": rows,
        }.items():
            scan.attrs[f"position-pattern.{key}"] = value
        scan.attrs["timing-settings.scanRate"] = 1.0
        channel = scan.create_group("Channel_000")
        channel.attrs.update({"channel.name": b"height", "retrace": b"false"})
        channel.attrs["net-encoder.scaling.multiplier"] = step
        channel.attrs["net-encoder.scaling.offset"] = 5e-9
        channel.attrs["net-encoder.scaling.unit.unit"] = b"m"
        stack = [np.rint(((height_nm[::-1] + k) * 1e-9 - 5e-9) / step).astype("<i4") for k in range(count)]
        channel["Height"] = np.stack([one.ravel() for one in stack], axis=1)
    return stream.getvalue()


def asd(height_nm: Heights, width_nm: int, frame_nm: int, count: int = 1, version: int = 1) -> bytes:
    """A movie of high-speed AFM with topography and error; each frame is 1 nm above the one before."""
    rows, columns = height_nm.shape
    gain, extension, volts, levels = 2.0, 30.0, 5.0, 4096
    if version == 0:
        head = struct.pack("<i2s2s5i4h", 0, b"TP", b"ER", 0, 32, 0, 0, 0, columns, rows, width_nm, frame_nm)
        head += struct.pack("<3fIi?ih", 0.1, extension, gain, 0x00040000, 12, False, 0, 0)
        head += struct.pack("<h6B2f3i3ih", 2026, *(1,) * 6, 1e3, 1e3, 0, 0, 0, count, count, 1, 1)
        head += struct.pack("<2fi", 1.0, 1.0, 0)
        head = head[:8] + struct.pack("<i", len(head)) + head[12:]
    else:
        head = struct.pack("<6i4s4s", 1, 0, 32, 0, 0, 0, b"TP", b"ER")
        head += struct.pack("<8i", count, count, 0, 1, columns, rows, width_nm, frame_nm)
        head += struct.pack("<?9i3fi12xi", False, 0, 2026, 1, 1, 1, 1, 1, 0, 0, 0.1, 1.0, 1.0, 0, 1)
        head += struct.pack("<Ii6f", 0x00040000, 12, 1e3, 1e3, 1.0, 1.0, extension, gain)
        head = head[:4] + struct.pack("<i", len(head)) + head[8:]
    data = b""
    for channel in range(2):
        for frame in range(count):
            level = (volts - (height_nm + frame) / (gain * extension)) * levels / (2 * volts)
            counts = np.rint(level if channel == 0 else level * 0).astype("<i2")
            data += struct.pack("<i4h2f?bhii", frame, 0, 0, 0, 0, 0, 0, False, 0, 0, 0, 0) + counts.tobytes()
    return head + data


def mi(height_nm: Heights, width_nm: float, frame_nm: float) -> bytes:
    """A Keysight file with heights and a deflection, 32 bits."""
    rows, columns = height_nm.shape
    full = 100e-9
    keys = [("fileType", "Image"), ("xPixels", columns), ("yPixels", rows)]
    keys += [("xLength", width_nm * 1e-9), ("yLength", frame_nm * 1e-9), ("scanUp", "TRUE")]
    for label, unit, size in (("Deflection", "V", 10.0), ("Topography", "m", full)):
        keys += [("bufferLabel", label), ("trace", "Trace"), ("bufferUnit", unit), ("bufferRange", size)]
    keys += [("data", "BINARY_32")]
    header = "".join(f"{key:<14}{value}\n" for key, value in keys).encode()
    counts = np.rint(height_nm[::-1] * 1e-9 / full * 2**31).astype("<i4")
    return header + (counts * 0).tobytes() + counts.tobytes()


def mdt(height_nm: Heights, width_nm: float, frame_nm: float) -> bytes:
    """An NT-MDT file of two frames: heights, and a current."""
    rows, columns = height_nm.shape
    step = 0.01
    frames = b""
    for z_unit, adc in ((-1, 0), (1, 4)):
        counts = np.rint(height_nm[::-1] / step).astype("<i2").tobytes()
        body = struct.pack("<ffhffhffh", 0, width_nm / columns, -1, 0, frame_nm / rows, -1, 0, step, z_unit)
        body += struct.pack("<BBHH", adc, 0, columns, rows)
        body += struct.pack("<4H", 0, columns, rows, 0) + counts
        frames += struct.pack("<IH", 22 + len(body), 0) + b"\x01\x05"
        frames += struct.pack("<7H", 2026, 1, 1, 1, 1, 1, 36) + body
    return b"\x01\xb0\x93\xff" + struct.pack("<I4xH18xB", len(frames), 1, 0) + frames


def wsxm(height_nm: Heights, width_nm: float, frame_nm: float, stored: str = "double") -> bytes:
    """A WSxM image; its values are turned by half a turn."""
    rows, columns = height_nm.shape
    turned = height_nm[::-1, ::-1]
    reach = float(np.ptp(turned))
    code = {"double": "<f8", "float": "<f4", "short": "<i2"}[stored]
    least = float(turned.min())
    counts = np.rint((turned - least) / reach * 60_000 - 30_000)
    values = (counts if stored == "short" else turned).astype(code)
    header = f"""WSxM file copyright UAM
SxM Image file
Image header size: 9999

[Control]

    X Amplitude: {width_nm / 1000:.6f} \xb5m
    Y Amplitude: {frame_nm:.4f} nm

[General Info]

    Acquisition channel: Topography
    Image Data Type: {stored}
    Number of columns: {columns}
    Number of rows: {rows}
    Z Amplitude: {reach:.5f} nm

[Miscellaneous]

    Maximum: {float(values.max()):.5f}
    Minimum: {float(values.min()):.5f}

[Header end]
"""
    return header.replace("\n", "\r\n").encode("latin-1") + values.tobytes()


def gwyddion_text(height_nm: Heights, width_nm: float, frame_nm: float) -> bytes:
    """Two images as Gwyddion exports them, the second 1 nm higher."""
    lines = []
    for name, above in (("Height", 0.0), ("Height retrace", 1.0)):
        lines += [f"# Channel: {name}", f"# Width: {width_nm / 1000:.6f} µm", f"# Height: {frame_nm:.4f} nm"]
        lines += ["# Value units: m"]
        lines += ["\t".join(f"{value * 1e-9:.8e}" for value in row) for row in height_nm + above]
    return "\n".join([*lines, ""]).encode()


def spip(height_nm: Heights, width_nm: float, frame_nm: float, unit: str = "# z-unit = nm") -> bytes:
    """SPIP's text."""
    rows, columns = height_nm.shape
    lines = ["# File Format = ASCII", f"# x-pixels = {columns}", f"# y-pixels = {rows}"]
    lines += [f"# x-length = {width_nm}", f"# y-length = {frame_nm}", unit, "# voidpixels =0"]
    lines += ["# Start of Data:", *("\t".join(f"{value:.6f}" for value in row) for row in height_nm)]
    return "\r\n".join([*lines, ""]).encode()


def nanoscope_text(height_nm: Heights, width_nm: float, frame_nm: float) -> bytes:
    """NanoScope's export as text, with its header: a column for each channel, a line for each pixel."""
    rows, columns = height_nm.shape
    lines = ["\\*File list", "\\*Ciao scan list", f"\\Scan Size: {width_nm} nm", "\\*Ciao image list"]
    lines += [f"\\Samps/line: {columns}", f"\\Number of lines: {rows}"]
    lines += [f"\\Scan Size: {width_nm} {frame_nm} nm", "\\*File list end"]
    lines += ["Peak_Force_Error(nN)\tHeight_Sensor(nm)\t"]
    lines += [f"0.0\t{value:.6f}\t" for value in height_nm[::-1].ravel()]
    return "\r\n".join([*lines, ""]).encode()


def xyz(height_nm: Heights, width_nm: float, frame_nm: float) -> bytes:
    """WSxM's XYZ text."""
    rows, columns = height_nm.shape
    lines = ["WSxM file copyright UAM", "WSxM ASCII XYZ file", "X[nm]\tY[nm]\tZ[\u00c5]", ""]
    lines += [
        f"{column * width_nm / columns:.6f}\t{row * frame_nm / rows:.6f}\t{height_nm[row, column] * 10:.6f}"
        for row in range(rows)
        for column in range(columns)
    ]
    return "\n".join([*lines, ""]).encode()
