"""Lines that were not scanned are left out and told, and so are heights that are hardly true."""

import numpy as np
import pytest

from tests.scan.read import files
from tmdscope.scan.plausible import doubts
from tmdscope.scan.read.read import ScanError, decode_file

SMOOTH = np.random.default_rng(5).normal(size=(40, 30)).cumsum(axis=0)


def lost(*rows: int) -> np.ndarray:
    holes = SMOOTH.copy()
    holes[list(rows)] = np.nan
    return holes


@pytest.mark.parametrize(
    ("holes", "kept"),
    [
        (lost(*range(30, 40)), range(30)),
        (lost(0), range(1, 40)),
        (lost(7), [k for k in range(40) if k != 7]),
        (lost(*range(10, 14)), range(14, 40)),
        (lost(*range(14, 18), 39), range(18, 39)),
    ],
    ids=["stopped", "first", "one inside", "gap", "gap and last"],
)
def test_scanned_lines_are_kept(holes: np.ndarray, kept: list[int]) -> None:
    scan = decode_file(files.gwy(holes, 300, 400), "a.gwy").scan
    np.testing.assert_allclose(scan.height_nm, SMOOTH[list(kept)], atol=1e-5)
    assert scan.pixel_size_nm == pytest.approx((10.0, 10.0))
    assert f"{40 - len(kept)} of 40 lines hold no heights and are left out" in scan.warnings[0]


def test_the_line_under_way_when_a_scan_was_stopped_is_left_out() -> None:
    holes = lost(*range(20, 40))
    holes[19, 12:] = np.nan
    assert decode_file(files.gwy(holes, 300, 400), "a.gwy").scan.height_nm.shape == (19, 30)


@pytest.mark.parametrize("where", [(3, 4), np.s_[:, 4], np.s_[:39]], ids=["pixel", "column", "all but one"])
def test_other_holes_are_refused(where: object) -> None:
    holes = SMOOTH.copy()
    holes[where] = np.nan  # type: ignore[index]
    with pytest.raises(ScanError, match="NaN or infinite"):
        decode_file(files.gwy(holes, 300, 400), "a.gwy")


def test_lines_that_nanosurf_and_bruker_fill_were_not_scanned() -> None:
    filled = SMOOTH.copy()
    filled[25:] = -50.0  # the lowest number of the made file
    assert decode_file(files.nid(filled, 300, 400), "a.nid").scan.height_nm.shape == (25, 30)
    lowest = -files.SENSITIVITY_NM_PER_V * files.FULL_RANGE_V / 2
    filled[25:] = lowest
    assert decode_file(files.nanoscope(filled), "a.spm").scan.height_nm.shape == (25, 30)


@pytest.mark.parametrize(
    ("height_nm", "side_nm", "doubt"),
    [
        (SMOOTH, 1000.0, None),
        (np.ones((40, 30)), 1000.0, None),
        (SMOOTH * 5000, 1e5, "the unit or the sensitivity"),
        (SMOOTH * 400, 1000.0, "the unit or the sensitivity"),
        (np.random.default_rng(1).normal(size=(40, 30)), 1000.0, "as in noise"),
        (np.vstack([SMOOTH, np.zeros((5, 30))]), 1000.0, "5 lines at the edge hold one value each"),
    ],
    ids=["fine", "flat", "range", "steep", "noise", "edge"],
)
def test_doubts(height_nm: np.ndarray, side_nm: float, doubt: str | None) -> None:
    told = doubts(height_nm, side_nm)
    assert (doubt is None and told == ()) or (doubt is not None and doubt in told[0])


def test_a_slope_along_rows_is_no_structure() -> None:
    tilted = np.random.default_rng(1).normal(size=(40, 30)) + np.arange(30) * 10
    assert "as in noise" in doubts(tilted, 1000.0)[0]
