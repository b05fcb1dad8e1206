"""Every format gives the heights and the pixel size that were written, square or not."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.scan.read import files, more_files
from tmdscope.scan.read.formats import holds_scan, is_scan
from tmdscope.scan.read.read import ScanError, decode_file, read_file

ROWS, COLUMNS, WIDTH_NM, FRAME_NM = 12, 20, 500.0, 600.0
HEIGHT = np.random.default_rng(1).uniform(-40, 40, (ROWS, COLUMNS))
Write = Callable[[], bytes]

FORMATS: dict[str, tuple[Write, tuple[float, float], float]] = {
    "spm": (lambda: files.nanoscope(HEIGHT, "Height Sensor", WIDTH_NM, FRAME_NM), (25.0, 50.0), 0.07),
    "000": (lambda: files.nanoscope(HEIGHT, "Height", WIDTH_NM, FRAME_NM, stored=4), (25.0, 50.0), 1e-5),
    "ibw": (lambda: files.ibw(HEIGHT, WIDTH_NM, FRAME_NM), (25.0, 50.0), 1e-4),
    "jpk": (lambda: files.jpk(HEIGHT, WIDTH_NM, FRAME_NM), (25.0, 50.0), 1e-3),
    "jpk-qi-image": (lambda: files.jpk(HEIGHT, WIDTH_NM, FRAME_NM, reflect=True), (25.0, 50.0), 1e-3),
    "tiff": (lambda: files.park(HEIGHT, WIDTH_NM, FRAME_NM), (25.0, 50.0), 1e-4),
    "gsf": (lambda: files.gsf(HEIGHT, WIDTH_NM, FRAME_NM), (25.0, 50.0), 1e-4),
    "gwy": (lambda: files.gwy(HEIGHT, WIDTH_NM, FRAME_NM), (25.0, 50.0), 1e-5),
    "topostats": (lambda: files.topostats(HEIGHT, 25.0), (25.0, 25.0), 1e-5),
    "nid": (lambda: files.nid(HEIGHT, WIDTH_NM, FRAME_NM), (25.0, 50.0), 2e-3),
    "sxm": (lambda: more_files.sxm(HEIGHT, WIDTH_NM, FRAME_NM), (25.0, 50.0), 1e-4),
    "nhf": (lambda: more_files.nhf(HEIGHT, WIDTH_NM, FRAME_NM), (25.0, 50.0), 1e-4),
    "h5-jpk": (lambda: more_files.h5_jpk(HEIGHT, WIDTH_NM, FRAME_NM), (25.0, 50.0), 1e-3),
    "asd": (lambda: more_files.asd(HEIGHT, 500, 600), (25.0, 50.0), 0.08),
    "mi": (lambda: more_files.mi(HEIGHT, WIDTH_NM, FRAME_NM), (25.0, 50.0), 1e-4),
    "mdt": (lambda: more_files.mdt(HEIGHT, WIDTH_NM, FRAME_NM), (25.0, 50.0), 6e-3),
    "stp": (lambda: more_files.wsxm(HEIGHT, WIDTH_NM, FRAME_NM), (25.0, 50.0), 1e-4),
    "gwyddion.txt": (lambda: more_files.gwyddion_text(HEIGHT, WIDTH_NM, FRAME_NM), (25.0, 50.0), 1e-4),
    "spip.asc": (lambda: more_files.spip(HEIGHT, WIDTH_NM, FRAME_NM), (25.0, 50.0), 1e-4),
    "nanoscope.txt": (lambda: more_files.nanoscope_text(HEIGHT, WIDTH_NM, FRAME_NM), (25.0, 50.0), 1e-4),
    "xyz": (lambda: more_files.xyz(HEIGHT, WIDTH_NM, FRAME_NM), (25.0, 50.0), 1e-4),
}


@pytest.mark.parametrize("ending", FORMATS)
def test_heights_and_pixels_come_back(tmp_path: Path, ending: str) -> None:
    write, pixel, error_nm = FORMATS[ending]
    content = write()
    path = files.write(tmp_path, f"scan.{ending}", content)
    scan = read_file(path).scan
    assert holds_scan(content, path.name)
    assert holds_scan(content, "named.png")
    assert is_scan(path.name) is (ending != "tiff" and not ending.endswith(("txt", "asc", "xyz")))
    assert scan.height_nm.dtype == np.float32
    np.testing.assert_allclose(scan.height_nm, HEIGHT, atol=error_nm)
    assert scan.pixel_size_nm == pytest.approx(pixel)
    assert scan.source == path.name
    assert scan.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.5, 0.99])
def test_a_file_that_is_cut_off_is_refused(ending: str, share: float) -> None:
    content = FORMATS[ending][0]()
    with pytest.raises(ScanError, match=r"cut off|empty|damaged|beginning is lost|no channel of heights"):
        decode_file(content[: int(len(content) * share)], f"scan.{ending}")


@pytest.mark.parametrize(
    "content",
    [b"\x00" * 100, b"PK\x03\x04", b"path,sample_id\n", b"\x89PNG\r\n\x1a\n" + b"\x00" * 40],
    ids=["zeros", "zip", "text", "png"],
)
def test_another_kind_of_file_is_refused(content: bytes) -> None:
    with pytest.raises(ScanError, match="no instrument's file that can be read"):
        decode_file(content, "scan.spm")


@pytest.mark.parametrize(
    "content",
    [
        files.nanoscope(HEIGHT, Scan_Size="10 10"),
        files.nanoscope(HEIGHT, Scan_Size="0 0 nm"),
        files.nanoscope(HEIGHT, Scan_Size="-5 -5 nm"),
        files.nanoscope(HEIGHT, Scan_Size="nan nan nm"),
        files.gwy(HEIGHT, 0.0, 10.0),
        files.topostats(HEIGHT, 0.0),
        files.ibw(HEIGHT, WIDTH_NM, FRAME_NM).replace(b"FastScanSize", b"FastScanSlow"),
    ],
    ids=["no unit", "zero", "negative", "nan", "gwy", "topostats", "ibw"],
)
def test_no_scale_is_an_error(content: bytes) -> None:
    with pytest.raises(ScanError, match="states no scale"):
        decode_file(content, "scan")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"Samps/line": "999999999"}, "the header is damaged"),
        ({"Samps/line": "-20"}, "'samps/line' is '-20'"),
        ({"Number_of_lines": "1" * 50}, "it is damaged"),
        ({"Data_length": "99999999999"}, "the header is damaged"),
        ({"Data_offset": "99999999999"}, "it is cut off"),
        ({"Bytes/pixel": "64"}, "'bytes/pixel' is '64'"),
        ({"Scan_Size": "1e30 1e30 nm"}, "a microscope's are between"),
        ({"Scan_Size": None}, "lacks 'scan size'"),
        ({"@2:Z_scale": "V [Sens. Zsens] (0.1 V/LSB) 1e30 V"}, "no scanner does"),
        ({"@2:Z_scale": "V [Sens. Zsens] (0.1 V/LSB) much V"}, "'much' is no number"),
        ({"@2:Z_scale": "V"}, "no channel of heights"),
        ({"@2:Z_scale": "V [Sens. Gone] (0.1 V/LSB) 400 V"}, "no channel of heights"),
        ({"@2:Image_Data": None}, "lists no image"),
    ],
)
def test_an_absurd_bruker_header_is_refused(changed: dict[str, str | None], message: str) -> None:
    with pytest.raises(ScanError, match=message):
        decode_file(files.nanoscope(HEIGHT, **changed), "scan.spm")


def test_the_sensor_is_taken_before_the_piezo() -> None:
    piezo, sensor = files.nanoscope(HEIGHT, "Height"), files.nanoscope(HEIGHT, "Height Sensor")
    assert decode_file(piezo, "a").scan.channel == "Height"
    assert decode_file(sensor, "a").scan.channel == "Height Sensor"
    with pytest.raises(ScanError, match=r"no channel of heights \(channels: 'Current' in mV"):
        decode_file(piezo.replace(b"Sens. Zsens]", b"Sens. Amp]  ").replace(b'"Height"', b'"Current"'), "a")


def test_a_channel_may_be_named() -> None:
    with pytest.raises(ScanError, match=r"no channel 'Heigt'; did you mean 'Height'"):
        decode_file(files.nanoscope(HEIGHT, "Height"), "a", "Heigt")
    with pytest.raises(ScanError, match="is in mV, not in a length"):
        decode_file(files.nanoscope(HEIGHT), "a", "Amplitude Error")


@pytest.mark.parametrize(
    ("aspect", "frame_nm", "pixel"),
    [
        ("1:1", 1000.0, (50.0, 1000 / 12)),
        ("1:1", 600.0, (50.0, 50.0)),
        ("0.516184", 1000.0, (50.0, 50.0)),
    ],
    ids=["fewer lines", "a lower frame", "stopped early"],
)
def test_a_bruker_frame_that_is_not_square(aspect: str, frame_nm: float, pixel: tuple[float, float]) -> None:
    scan = decode_file(files.nanoscope(HEIGHT, "Height", 1000.0, frame_nm, aspect), "a.spm").scan
    assert scan.height_nm.shape == (ROWS, COLUMNS)
    assert scan.pixel_size_nm == pytest.approx(pixel)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (files.park(HEIGHT, WIDTH_NM, FRAME_NM, kind=2), "of a force curve, and its picture a plot"),
        (files.park(HEIGHT, WIDTH_NM, FRAME_NM, kind=1), "of a line profile"),
        (files.nanoscope(HEIGHT).replace(b"\r\n", b"\r\r\n"), "its line ends were changed.*as a binary file"),
        (files.nanoscope(HEIGHT).replace(b"\n", b"\r\n"), "its line ends were changed.*as a binary file"),
        (files.nanoscope(HEIGHT).replace(b"\r\n", b"\n"), "its line ends were changed.*as a binary file"),
        (files.nid(HEIGHT, WIDTH_NM, FRAME_NM).replace(b"\n", b"\r\n"), "its line ends were changed"),
        (files.gsf(HEIGHT, WIDTH_NM, FRAME_NM).replace(b"\n", b"\r\n"), "its line ends were changed"),
        (files.nanoscope(HEIGHT, **{"Bytes/pixel": "4"}), "are no 20 x 12 integers of 4 bytes"),
        (files.nanoscope(HEIGHT, Data_offset="100"), "within its header"),
        (files.nanoscope(HEIGHT, Data_offset="4096"), "two of its images share byte 4096"),
    ],
    ids=["curve", "line", "CRCRLF", "LF to CRLF", "CRLF to LF", "nid", "gsf", "bytes", "header", "shared"],
)
def test_what_is_no_scan_or_was_changed_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ScanError, match=message):
        decode_file(content, "scan")


def test_values_of_four_bytes_under_a_header_of_two() -> None:
    content = files.nanoscope(
        HEIGHT / 256**2, stored=4, **{"Bytes/pixel": "2"}
    )  # as software from 9.2 has it
    np.testing.assert_allclose(decode_file(content, "a.spm").scan.height_nm, HEIGHT, atol=0.07)


def test_a_gwyddion_file_of_another_writer() -> None:
    """Units with a prefix, and text in Latin-1."""
    scan = decode_file(files.gwy(HEIGHT, WIDTH_NM, FRAME_NM, "um"), "a.gwy").scan
    np.testing.assert_allclose(scan.height_nm, HEIGHT, atol=1e-4)
    assert scan.pixel_size_nm == pytest.approx((25.0, 50.0))
    content = files.gwy(HEIGHT, WIDTH_NM, FRAME_NM, "um", {0: "Height 20 C"})
    latin = content.replace(b"um\x00", b"\xb5m\x00").replace(b"20 C", b"20\xb0C")
    scan = decode_file(latin, "a.gwy").scan
    np.testing.assert_allclose(scan.height_nm, HEIGHT, atol=1e-4)
    assert scan.channel == "Height 20°C"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match=r"gone\.spm: No such file"):
        read_file(tmp_path / "gone.spm")


def test_values_that_are_not_finite_are_refused() -> None:
    holes: NDArray[np.float64] = HEIGHT.copy()
    holes[3, 4] = np.nan
    with pytest.raises(ScanError, match="NaN or infinite"):
        decode_file(files.gwy(holes, WIDTH_NM, FRAME_NM), "a.gwy")


def test_all_channels_are_listed() -> None:
    found = decode_file(files.nanoscope(HEIGHT), "a.spm")
    assert found.title == "Bruker Nanoscope"
    assert [(one.name, one.unit, one.is_height) for one in found.channels] == [
        ("Height Sensor", "nm", True),
        ("Amplitude Error", "mV", False),
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.spm", True),
        ("a.SPM", True),
        ("x/a.003", True),
        ("a.jpk-qi-image", True),
        ("a.gsf", True),
        ("a.tiff", False),
        ("a.0031", False),
        ("a.png", False),
        ("spm", False),
    ],
)
def test_names_of_scans(name: str, expected: bool) -> None:
    assert is_scan(name) is expected
