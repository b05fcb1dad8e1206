"""One rule for the channel in every format: the sensor before the piezo, the way there before that back."""

import numpy as np
import pytest

from tests.scan.read import files
from tmdscope.scan.read.channels import Channel, ScanError, StoredChannel, choose, distinct, nm_per, per_unit
from tmdscope.scan.read.read import decode_file

HEIGHT = np.random.default_rng(4).uniform(-40, 40, (12, 20)).cumsum(axis=0)


def listed(*names: str) -> list[StoredChannel]:
    return [StoredChannel(Channel(name, "m", (4, 4), (1.0, 1.0)), lambda: np.zeros((4, 4))) for name in names]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("Height", "Height Sensor"), "Height Sensor"),
        (("HeightTrace", "HeightRetrace", "ZSensorRetrace", "ZSensorTrace"), "ZSensorTrace"),
        (("HeightRetrace", "ZSensorRetrace"), "ZSensorRetrace"),
        (("height_trace", "measuredHeight_retrace", "measuredHeight_trace"), "measuredHeight_trace"),
        (("Forward Z-Axis", "Backward Z-AxisSensor", "Forward Z-AxisSensor"), "Forward Z-AxisSensor"),
        (("Forward Z-Axis", "Forward Z-Axis Sensor"), "Forward Z-Axis Sensor"),
        (("Backward Z-Axis", "Forward Z-Axis"), "Forward Z-Axis"),
        (("Topography", "Height (measured)"), "Height (measured)"),
        (
            ("Deflection", "AmplitudeTrace", "Topography [Backward]", "Topography [Forward]"),
            "Topography [Forward]",
        ),
        (("image_original", "image"), "image_original"),
        (("Deflection", "Mine"), "Mine"),
    ],
)
def test_the_rule(names: tuple[str, ...], chosen: str) -> None:
    assert names[choose(listed(*names), None)] == chosen


def test_a_name_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(
        ScanError, match=r"no channel 'Hight'; .*\(channels: Height Sensor, Amplitude Error\)"
    ):
        decode_file(files.nanoscope(HEIGHT), "a.spm", "Hight")


def test_channels_of_one_name_can_be_told_apart() -> None:
    assert [one.channel.name for one in distinct(listed("a", "b", "a", "a"))] == ["a", "b", "a 2", "a 3"]


def test_gwyddion_fields_are_taken_by_their_numbers() -> None:
    content = files.gwy(HEIGHT, 500, 600, titles={10: "Height", 2: "Height"})
    found = decode_file(content, "a.gwy")
    assert [one.name for one in found.channels] == ["Height", "Height 2"]
    np.testing.assert_allclose(found.scan.height_nm, HEIGHT + 1, atol=1e-4)  # that of /2/data
    np.testing.assert_allclose(decode_file(content, "a.gwy", "Height 2").scan.height_nm, HEIGHT, atol=1e-4)


def test_labels_of_asylum_end_at_their_zero() -> None:
    content = files.ibw(HEIGHT, 500, 600, names=(b"HeightTrace\x00e", b"AmplitudeTrace\x00race"))
    assert [one.name for one in decode_file(content, "a.ibw").channels] == ["HeightTrace", "AmplitudeTrace"]


def test_the_sensor_of_nanosurf_has_no_blank() -> None:
    assert (
        decode_file(files.nid(HEIGHT / 10, 500, 600, "Z-AxisSensor"), "a.nid").scan.channel
        == "Forward Z-AxisSensor"
    )


@pytest.mark.parametrize(
    ("unit", "nm"),
    [
        ("m", 1e9),
        ("mm", 1e6),
        ("um", 1e3),
        ("µm", 1e3),
        ("μm", 1e3),
        ("~m", 1e3),
        ("Âµm", 1e3),
        ("nm", 1.0),
        ("NM", 1.0),
        ("pm", 1e-3),
        ("Å", 0.1),
        ("V", None),
        ("nA", None),
        ("deg", None),
        ("", None),
    ],
)
def test_units_of_length(unit: str, nm: float | None) -> None:
    assert nm_per(unit) == (None if nm is None else pytest.approx(nm))


@pytest.mark.parametrize(
    ("unit", "volts"), [("V", 1.0), ("mV", 1e-3), ("µV", 1e-6), ("kV", 1e3), ("LSB", None)]
)
def test_units_with_prefixes(unit: str, volts: float | None) -> None:
    assert per_unit(unit, "V") == volts


@pytest.mark.parametrize(
    "scale",
    [
        "V [Sens. Zsens] (0.006 V/LSB) 400.0 V",
        "V [Sens. Zsens] (6 mV/LSB) 400000.0 mV",
        "V [Sens. Zsens] (0.006 V/LSB) 0.4 kV",
        "V [Sens. Zsens] (0.006 V/LSB) 400.0",
        "V (0.12 nm/LSB) 8000 nm",
        "V (0.12 nm/LSB) 8 ~m",
    ],
)
def test_the_range_of_a_bruker_channel_has_its_own_unit(scale: str) -> None:
    scan = decode_file(files.nanoscope(HEIGHT, **{"@2:Z_scale": scale}), "a.spm").scan
    np.testing.assert_allclose(scan.height_nm, HEIGHT, atol=0.07)


@pytest.mark.parametrize("scale", ["V [Sens. Zsens] (0.006 V/LSB) 400.0 LSB", "V (0.006 V/LSB) 400.0 V"])
def test_a_range_without_a_sensitivity_of_its_unit_is_no_height(scale: str) -> None:
    with pytest.raises(ScanError, match="no channel of heights"):
        decode_file(files.nanoscope(HEIGHT, **{"@2:Z_scale": scale}), "a.spm")
