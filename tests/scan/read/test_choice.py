"""Every image of a file can be asked for by the name that is listed; what was levelled before is told."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.scan.read import files, more_files
from tmdscope.scan.read.formats import holds_scan
from tmdscope.scan.read.read import ScanError, decode_file

HEIGHT = np.random.default_rng(7).uniform(-20, 20, (12, 16)).cumsum(axis=0) / 2
SQUARE = (800.0, 600.0)
LEVELLED = "the software that wrote it had already levelled it"


@pytest.mark.parametrize(
    ("write", "first", "name", "above_nm"),
    [
        (lambda: more_files.asd(HEIGHT, 800, 600, 3), "Topography frame 1", "Topography frame 3", 2.0),
        (lambda: more_files.asd(HEIGHT, 800, 600, 3, 0), "Topography frame 1", "Topography frame 2", 1.0),
        (lambda: more_files.h5_jpk(HEIGHT, *SQUARE, 3), "height_trace frame 1", "height_trace frame 2", 1.0),
        (lambda: more_files.sxm(HEIGHT, *SQUARE), "Forward Z", "Backward Z", 1.0),
        (lambda: more_files.sxm(HEIGHT, *SQUARE, False, "LSBFIRST"), "Forward Z", "Backward Z", 1.0),
        (lambda: more_files.nhf(HEIGHT / 3, *SQUARE), "Forward Topography", "Backward Topography", 1.0),
        (lambda: more_files.nhf(HEIGHT / 3, *SQUARE, 1), "Forward Topography", "Backward Topography", 1.0),
        (lambda: more_files.gwyddion_text(HEIGHT, *SQUARE), "Height", "Height retrace", 1.0),
    ],
    ids=["asd", "asd 0", "h5-jpk", "sxm", "sxm downwards", "nhf", "nhf 1", "gwyddion text"],
)
def test_each_image_has_a_name(write: Callable[[], bytes], first: str, name: str, above_nm: float) -> None:
    content = write()
    found, other = decode_file(content, "a"), decode_file(content, "a", name)
    assert found.scan.channel == first
    assert other.scan.channel == name
    assert name in [one.name for one in found.channels]
    np.testing.assert_allclose(other.scan.height_nm - found.scan.height_nm, above_nm, atol=0.15)
    assert ("of a movie: name another" in " ".join(found.scan.warnings)) is ("frame" in first)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"Realtime Planefit": "Line"}, "realtime planefit Line"),
        ({"Realtime planefit": "Offset", "Offline planefit": "Full"}, "offline planefit Full"),
        (
            {"Realtime planefit": "Bow", "Offline planefit": "Full"},
            "realtime planefit Bow, offline planefit Full",
        ),
        ({"Realtime planefit": "Offset", "Offline planefit": "None"}, None),
    ],
)
def test_plane_fits_of_nanoscope(changed: dict[str, str], told: str | None) -> None:
    warnings = decode_file(files.nanoscope(HEIGHT, width_nm=800.0, **changed), "a").scan.warnings
    assert [one for one in warnings if LEVELLED in one] == (
        [f"{LEVELLED} ({told}): layers may be lost [flattened]"] if told else []
    )


def test_levelling_by_asylum_is_told_for_its_layer() -> None:
    whole = files.ibw(HEIGHT, *SQUARE)
    note = b"FlattenOrder 0: 1\rFlattenOrder 1: -1\rS"
    start = whole.index(b"ScanSize:")
    grown = whole[:start] + note[:-1] + whole[start:]
    size = int.from_bytes(whole[12:16], "little")
    content = bytearray(grown)
    content[12:16] = (size + len(note) - 1).to_bytes(4, "little")
    total = int(np.frombuffer(bytes(content[:384]), "<i2").sum(dtype=np.int16))
    old = int(np.frombuffer(bytes(content[2:4]), "<i2")[0])
    content[2:4] = np.int16((old - total + 2**15) % 2**16 - 2**15).tobytes()
    found = decode_file(bytes(content), "a")
    assert [any(LEVELLED in told for told in one.warnings) for one in found.channels] == [True, False]


def test_flattening_by_park_is_told() -> None:
    whole = files.park(HEIGHT, *SQUARE)
    header = whole.index("Topography".encode("utf-16-le")) - 4
    levelled = bytearray(whole)
    levelled[header + 92] = 1
    assert decode_file(whole, "a").scan.warnings == ()
    assert decode_file(bytes(levelled), "a").scan.warnings == (
        f"{LEVELLED} (auto flatten): layers may be lost [flattened]",
    )


def test_levelling_in_a_log_of_gwyddion_is_told() -> None:
    whole = files.gwy(HEIGHT, *SQUARE)
    lines = [b"file::gwyfile()@2026\x00", b"proc::align_rows(method=0)@2026\x00", b"proc::level()@2026\x00"]
    listed = b"strings\x00S" + len(lines).to_bytes(4, "little") + b"".join(lines)
    log = b"/0/data/log\x00oGwyStringList\x00" + len(listed).to_bytes(4, "little") + listed
    size = whole.index(b"\x00") + 1
    inner = int.from_bytes(whole[size : size + 4], "little") + len(log)
    content = whole[:size] + inner.to_bytes(4, "little") + whole[size + 4 :] + log
    assert decode_file(whole, "a").scan.warnings == ()
    assert decode_file(content, "a").scan.warnings == (
        f"{LEVELLED} (align_rows, level): layers may be lost [flattened]",
    )


def old_nanoscope(z_scale: str | None = "80 nm (32768)", size: str = "800 nm") -> bytes:
    """A file of version 4.2: keys without `@`, one size, no bytes of a pixel."""
    rows, columns = HEIGHT.shape
    keys = ["\\Data offset: 2048", f"\\Data length: {rows * columns * 2}", f"\\Samps/line: {columns}"]
    keys += [f"\\Number of lines: {rows}", f"\\Scan size: {size}", "\\Line direction: Trace"]
    keys += ["\\Image data: Height", *([f"\\Z scale: {z_scale}"] if z_scale else [])]
    lines = [
        "\\*File list",
        "\\Version: 0x04220200",
        "\\*NCAFM image list",
        *keys,
        "\\*File list end",
        "\x1a",
    ]
    counts = np.rint(HEIGHT[::-1] / 80 * 32768).astype("<i2").tobytes()
    return "\r\n".join(lines).encode().ljust(2048, b"\x00") + counts


@pytest.mark.parametrize(
    ("z_scale", "times"), [("80 nm (32768)", 1.0), ("160 nm", 1.0), ("0.08 ~m (32768)", 1.0)]
)
def test_nanoscope_before_version_4_3(z_scale: str, times: float) -> None:
    scan = decode_file(old_nanoscope(z_scale), "a.001").scan
    np.testing.assert_allclose(scan.height_nm, HEIGHT, atol=2e-3)
    assert scan.pixel_size_nm == pytest.approx((50.0, 800 / 12))


def test_nanoscope_e_gives_both_counts_in_one_key() -> None:
    content = old_nanoscope().replace(b"Samps/line: 16\r\n", b"Samps/line: 16 12\r\n")
    content = content.replace(b"\\Number of lines: 12\r\n", b"\\Strip: 123456789\r\n")
    np.testing.assert_allclose(decode_file(content, "a.001").scan.height_nm, HEIGHT, atol=2e-3)


def test_nanoscope_without_a_z_scale_is_refused() -> None:
    with pytest.raises(
        ScanError, match="no 'Z scale', as in files of the oldest software: open it in Gwyddion"
    ):
        decode_file(old_nanoscope(None), "a.001")
    with pytest.raises(ScanError, match="no channel of heights"):
        decode_file(old_nanoscope("80 V (32768)"), "a.001")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"?*File list\r\n", "Nanoscope file whose data are text, which is not read: open it in Gwyddion"),
        (b"\\*Force file list\r\n", "force curve of a Nanoscope"),
        (b"fileType      Spectroscopy\n", "curve of Keysight's"),
        (b"WSxM file copyright UAM\r\nIV curve file\r\n", "of WSxM that is no image"),
        (b"ONTMATRX0101TLKB", "Omicron MATRIX file, which is not read: open it in Gwyddion"),
        (b"0.0\t1.0\t2.5e-9\n", "table of numbers without units"),
    ],
)
def test_known_files_that_are_not_read_are_named(content: bytes, message: str) -> None:
    assert holds_scan(content, "named.png")
    with pytest.raises(ScanError, match=message):
        decode_file(content + b"\x00" * 50, "a")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (more_files.xyz(HEIGHT, *SQUARE).replace(b"\n0.000000\t", b"\n3.000000\t", 1), "no even grid"),
        (more_files.xyz(HEIGHT, *SQUARE).replace(b"X[nm]", b"X[px]"), "no scale"),
        (more_files.spip(HEIGHT, *SQUARE, "# y-unit = nm"), "no channel of heights"),
        (
            more_files.gwyddion_text(HEIGHT, *SQUARE).replace(b"# Value units: m\n", b""),
            "no channel of heights",
        ),
        (more_files.nanoscope_text(HEIGHT, *SQUARE).replace(b"Size: 800.0", b"Side: 800.0"), "no scale"),
        (
            more_files.wsxm(HEIGHT, *SQUARE).replace(b"Z Amplitude", b"W Amplitude"),
            "in no unit; expected .* a unit of length",
        ),
        (more_files.gwyddion_text(HEIGHT, *SQUARE)[:-1], "ends within a line"),
        (more_files.mi(HEIGHT, *SQUARE).replace(b"BINARY_32", b"ASCII    "), "its kind is not read"),
        (
            more_files.asd(HEIGHT, 800, 600).replace(b"\x04\x00\x0c\0\0\0", b"\x04\x00\x10\0\0\0"),
            "not of 12 bits",
        ),
    ],
    ids=["grid", "unit of x", "unit of z", "gwyddion", "nanoscope", "wsxm", "cut", "mi", "asd"],
)
def test_text_that_does_not_say_enough_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ScanError, match=message):
        decode_file(content, "a")


def test_lines_that_may_be_lost_are_told() -> None:
    lines = more_files.gwyddion_text(HEIGHT, *SQUARE).splitlines(keepends=True)
    assert decode_file(b"".join(lines[:16]), "a").scan.warnings == ()
    assert "it may be cut off" in decode_file(b"".join(lines[:12]), "a").scan.warnings[0]


def test_heights_of_wsxm_that_differ_from_their_header_are_told() -> None:
    content = more_files.wsxm(HEIGHT, *SQUARE)
    reach = f"{np.ptp(HEIGHT):.5f}".encode()
    content = content.replace(b"Z Amplitude: " + reach, b"Z Amplitude: " + b"9" * len(reach))
    assert "its heights range over" in decode_file(content, "a").scan.warnings[0]


def test_integers_of_wsxm_span_their_amplitude() -> None:
    scan = decode_file(more_files.wsxm(HEIGHT, *SQUARE, "short"), "a").scan
    np.testing.assert_allclose(scan.height_nm - scan.height_nm.min(), HEIGHT - HEIGHT.min(), atol=2e-3)


def test_marks_of_spip_are_pixels_without_a_value() -> None:
    marks = np.zeros(HEIGHT.shape, int)
    marks[-1] = 1
    content = more_files.spip(HEIGHT, *SQUARE) + b" ".join(b"%d" % one for one in marks.ravel()) + b"\n"
    np.testing.assert_allclose(decode_file(content, "a").scan.height_nm, HEIGHT[:-1], atol=1e-5)
