"""The size of pixels comes from their own record, also in a frame that was stopped; disagreement is told."""

import numpy as np
import pytest

from tests.scan.read import files
from tmdscope.scan.read.read import decode_file

FEW = np.random.default_rng(3).uniform(-40, 40, (16, 64)).cumsum(axis=0)
"""16 lines of a frame of 64 x 64 pixels, 20 um wide: 20 x 5 um."""
PIXEL = 20_000 / 64


@pytest.mark.parametrize("step_nm", [20_000 / 63, 20_000 / 64], ids=["between pixels", "of pixels"])
def test_an_asylum_frame_that_was_stopped(step_nm: float) -> None:
    scan = decode_file(files.ibw(FEW, 20_000, 20_000, (step_nm, step_nm)), "a.ibw").scan
    assert scan.pixel_size_nm == pytest.approx((PIXEL, PIXEL))
    assert [told.partition(",")[0] for told in scan.warnings] == ["it is 16 of 64 pixels high"]


def test_an_asylum_wave_without_a_scale_is_shared_out_by_its_note() -> None:
    whole = files.ibw(FEW, 20_000, 20_000)
    scan = decode_file(whole, "a.ibw").scan
    assert scan.pixel_size_nm == pytest.approx((PIXEL, 4 * PIXEL))
    assert scan.warnings[0].startswith(
        "its pixels are 312.5 x 1250 nm, as the file says: if the scan was stopped"
    )
    listed = whole.replace(b"ScanSize: 2e-05\rF", b"ScanLines: 64  \rF", 1)  # of the same length
    assert decode_file(listed, "a.ibw").scan.pixel_size_nm == pytest.approx((PIXEL, PIXEL))


def test_a_whole_asylum_frame_is_as_wide_as_its_note_says() -> None:
    scan = decode_file(files.ibw(FEW, 20_000, 5_000, (20_000 / 63, 5_000 / 15)), "a.ibw").scan
    assert scan.pixel_size_nm == pytest.approx((PIXEL, PIXEL))
    assert scan.warnings == ()


def test_a_wave_and_its_note_that_disagree_are_told() -> None:
    scan = decode_file(files.ibw(FEW, 20_000, 20_000, (123.4, 123.4)), "a.ibw").scan
    assert scan.pixel_size_nm == pytest.approx((123.4, 123.4))
    assert len(scan.warnings) == 2
    assert "its pixels are 123.4 nm wide, which is no part of the frame of 20000 nm" in scan.warnings[0]


@pytest.mark.parametrize(
    ("changed", "warns"),
    [
        ({"Number_of_lines": "64", "Valid_data_len_X": "64", "Valid_data_len_Y": "16"}, "which was stopped"),
        ({"Slow_Axis_Size": "5000 nm"}, "its slow axis is 5000 nm, but its scan size 20000 nm"),
        ({"Slow_Axis_Size": "5 ~m", "Aspect_Ratio": "4:1"}, "its slow axis is 5000 nm"),
        ({"Aspect_Ratio": "0.25"}, "its aspect ratio is 0.25, its scan size square"),
    ],
    ids=["valid lines", "slow axis", "slow axis and aspect", "aspect"],
)
def test_a_bruker_frame_that_was_stopped(changed: dict[str, str], warns: str) -> None:
    scan = decode_file(files.nanoscope(FEW, width_nm=20_000.0, **changed), "a.spm").scan
    assert scan.height_nm.shape == FEW.shape
    assert scan.pixel_size_nm == pytest.approx((PIXEL, PIXEL))
    assert warns in " ".join(scan.warnings)


def test_lines_of_a_bruker_frame_that_are_stored_and_not_valid_are_left_out() -> None:
    whole = np.vstack([np.zeros((48, 64)), FEW])
    content = files.nanoscope(whole, width_nm=20_000.0, Valid_data_len_X="64", Valid_data_len_Y="16")
    scan = decode_file(content, "a.spm").scan
    np.testing.assert_allclose(scan.height_nm, FEW, atol=0.07)
    assert scan.pixel_size_nm == pytest.approx((PIXEL, PIXEL))


def test_a_bruker_frame_with_fewer_lines_than_the_scan_was_set_to() -> None:
    content = files.nanoscope(FEW, width_nm=20_000.0)
    listed = content.replace(b"\\*Scanner list", b"\\*Ciao scan list\r\n\\Lines: 64\r\n\\*Scanner list", 1)
    removed = listed.replace(b"\x00" * (len(listed) - len(content)), b"", 1)
    scan = decode_file(removed, "a.spm").scan
    assert scan.pixel_size_nm == pytest.approx((PIXEL, PIXEL))
    assert "16 of the 64 x 64 pixels" in scan.warnings[0]


@pytest.mark.parametrize(("range_nm", "warns"), [(20_000, True), (5_000, False)])
def test_a_nanosurf_frame_that_was_stopped(range_nm: float, warns: bool) -> None:
    scan = decode_file(files.nid(FEW / 100, 20_000, range_nm, lines=64), "a.nid").scan
    assert scan.pixel_size_nm == pytest.approx((PIXEL, PIXEL))
    assert bool(scan.warnings) is warns
