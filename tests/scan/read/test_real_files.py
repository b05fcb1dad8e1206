"""Files of real instruments in TMDSCOPE_SCANS_DIR, against what independent readers give."""

from pathlib import Path

import numpy as np
import pytest

from tmdscope.scan.read.read import ScanError, decode_file, read_file

pytestmark = pytest.mark.realdata


@pytest.mark.parametrize(
    ("name", "channel", "shape", "pixel_nm", "total_nm"),
    [
        ("old_bruker.002", "Height", (256, 256), 15_000 / 256, 24878635.0225),  # pySPM 0.6.3
        ("old_bruker.004", "Height", (256, 256), 15_000 / 256, -37518547.1927),
        ("sample_0.jpk", "height_trace", (256, 256), 1.27702, 219242202.8257),  # AFMReader 0.0.7
        ("sample_0_1.topostats", "image", (64, 64), 1.97601, 112069.5133),
    ],
)
def test_sums_of_independent_readers(
    scans_dir: Path, name: str, channel: str, shape: tuple[int, int], pixel_nm: float, total_nm: float
) -> None:
    scan = read_file(scans_dir / name, channel).scan
    assert scan.channel == channel
    assert scan.height_nm.shape == shape
    assert scan.pixel_size_nm == pytest.approx((pixel_nm, pixel_nm), rel=1e-5)
    assert scan.height_nm.sum(dtype=float) == pytest.approx(total_nm, rel=1e-9)


def test_asylum_roughness(scans_dir: Path) -> None:
    scan = read_file(scans_dir / "R_AR_20211011.ibw", "HeightRetrace").scan
    from_mean = scan.height_nm - scan.height_nm.mean(dtype=float)
    assert scan.pixel_size_nm == pytest.approx((4000 / 128, 4000 / 128))
    assert np.abs(from_mean).mean() == pytest.approx(6.365067, abs=1e-6)
    assert np.sqrt((from_mean**2).mean()) == pytest.approx(7.865308, abs=1e-6)


def test_nanoscope_integers_and_flattened_roughness(scans_dir: Path) -> None:
    """The reference flattens each row by a line, stores first lines last, and scales to nm."""
    found = decode_file((scans_dir / "nanoscope_full_multiple_images.txt").read_bytes(), "scan.txt")
    assert [one.name for one in found.channels] == ["Height", "Amplitude"]
    height = found.scan.height_nm[::-1]
    stored = np.loadtxt(scans_dir / "nanoscope_reference_raw.csv", delimiter=",").reshape(height.shape)
    step = 438.6572 * 12.95302 / 65536
    np.testing.assert_allclose(height, stored * step, rtol=1e-6)
    flat = np.loadtxt(scans_dir / "nanoscope_reference_flat.csv", delimiter=",").reshape(height.shape)
    x = np.arange(height.shape[1])
    slope, offset = np.polyfit(x, stored.T, 1)
    ours = np.rint(stored - np.rint(slope[:, None] * x + offset[:, None]))
    assert np.abs(ours - flat).max() <= 1
    centred = (flat - flat.mean()) * step
    assert np.sqrt((centred**2).mean()) == pytest.approx(4.325, abs=2e-3)
    assert np.abs(centred).mean() == pytest.approx(3.433, abs=2e-3)


@pytest.mark.parametrize("ending", ["000", "002", "003"])
def test_headers_without_data_are_refused(scans_dir: Path, ending: str) -> None:
    with pytest.raises(ScanError, match="is cut off; copy it from the instrument again"):
        read_file(scans_dir / f"bruker_data_header.{ending}")


@pytest.mark.parametrize(
    ("ending", "shape", "size_nm"),
    [
        ("000", (512, 512), (93_000.0, 93_000.0)),
        ("002", (358, 512), (300.0, 209.77)),
        ("003", (256, 256), (2000.0, 2000.0)),
    ],
)
def test_sizes_of_height_sensors(
    scans_dir: Path, ending: str, shape: tuple[int, int], size_nm: tuple[float, float]
) -> None:
    header = (scans_dir / f"bruker_data_header.{ending}").read_bytes()
    scan = decode_file(header.ljust(8 << 20, b"\x00"), "padded").scan
    assert scan.channel == "Height Sensor"
    assert scan.height_nm.shape == shape
    rows, columns = shape
    x, y = scan.pixel_size_nm
    assert (columns * x, rows * y) == pytest.approx(size_nm, rel=1e-4)


def test_a_gwyddion_file_without_units_has_no_scale(scans_dir: Path) -> None:
    with pytest.raises(ScanError, match=r"no channel of heights \(channels: 'Test' in no unit\)"):
        read_file(scans_dir / "gwyfile_test.gwy")


@pytest.mark.parametrize(
    "name", ["old_bruker.002", "R_AR_20211011.ibw", "sample_0.jpk", "sample_0_1.topostats"]
)
def test_a_cut_never_changes_heights(scans_dir: Path, name: str) -> None:
    """A library may fill what is lost with zeros, or take other bytes for it."""
    content = (scans_dir / name).read_bytes()
    whole = decode_file(content, name).scan.height_nm
    refused = 0
    for share in (0.1, 0.3, 0.5, 0.7, 0.9, 0.999):
        try:
            np.testing.assert_array_equal(
                decode_file(content[: int(len(content) * share)], name).scan.height_nm, whole
            )
        except ScanError:
            refused += 1
    assert refused >= 4


@pytest.mark.parametrize(
    ("name", "channel", "shape", "frame_nm", "lowest_nm", "highest_nm"),
    [
        ("H_90Cs10MA_0004.ibw", "HeightRetrace", (62, 256), (10_000.0, 2421.875), -1963.64, 1932.63),
        ("Park_20210916_034.tiff", None, (256, 256), (2500.0, 2500.0), -2.713, 9.244),
        ("nid-1.nid", None, (256, 256), (20_000.0, 20_000.0), -4240.05, -2869.91),
        ("nid-1.nid", "Forward Z-Axis", (256, 256), (20_000.0, 20_000.0), -1982.58, -925.39),
        ("test_gsf.gsf", None, (512, 512), (5009.785, 5009.785), -1.892, 4.213),
        ("sample_0.jpk-qi-image", "height_trace", (100, 100), (500.0, 500.0), 3078.76, 3615.59),
    ],
)
def test_frames_and_ranges_of_independent_readers(
    scans_dir: Path,
    name: str,
    channel: str | None,
    shape: tuple[int, int],
    frame_nm: tuple[float, float],
    lowest_nm: float,
    highest_nm: float,
) -> None:
    scan = read_file(scans_dir / name, channel).scan
    assert scan.height_nm.shape == shape
    assert (shape[1] * scan.pixel_size_nm[0], shape[0] * scan.pixel_size_nm[1]) == pytest.approx(frame_nm)
    assert (scan.height_nm.min(), scan.height_nm.max()) == pytest.approx((lowest_nm, highest_nm), abs=6e-3)


@pytest.mark.parametrize(
    ("name", "channel"),
    [
        ("H_90Cs10MA_0004.ibw", "ZSensorRetrace"),
        ("R_AR_20211011.ibw", "ZSensorRetrace"),
        ("Park_20210916_034.tiff", "Topography"),
        ("nid-1.nid", "Forward Z-AxisSensor"),
        ("nanoscope_full_multiple_images.txt", "Height"),
        ("sample_0.jpk", "measuredHeight_trace"),
        ("sample_0.jpk-qi-image", "measuredHeight_trace"),
        ("test_gsf.gsf", "HeightRetrace"),
        ("sample_0_1.topostats", "image"),
    ],
)
def test_the_rule_for_the_channel(scans_dir: Path, name: str, channel: str) -> None:
    scan = read_file(scans_dir / name).scan
    assert scan.channel == channel
    stopped = ["it is 62 of 256 pixels high, a part"] if name.startswith("H_") else []
    levelled = {"ibw": ["FlattenOrder 1"], "txt": ["realtime planefit Line"]}.get(name.rpartition(".")[2], [])
    expected = stopped + [f"the software that wrote it had already levelled it ({one})" for one in levelled]
    assert len(scan.warnings) == len(expected)
    assert all(map(str.startswith, scan.warnings, expected))


def test_damage_by_a_transfer_of_text_is_told(scans_dir: Path) -> None:
    content = (scans_dir / "old_bruker.002").read_bytes()
    for changed in (content.replace(b"\n", b"\r\n"), content.replace(b"\r\n", b"\n")):
        with pytest.raises(ScanError, match="its line ends were changed"):
            decode_file(changed, "a.002")
    header, data = content[:40960], content[40960:].replace(b"\n", b"\r\n")
    assert "as in noise" in " ".join(decode_file(header + data, "a.002").scan.warnings)
