"""The centred square of a scan, by physical size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdscope.errors import UserError
from tmdscope.scan.level import resize_area
from tmdscope.scan.scan import centred_square

PIXEL = st.floats(0.1, 100)


@given(st.integers(2, 60), st.integers(2, 60), PIXEL, PIXEL, st.floats(0.05, 1))
def test_a_square_in_nm_in_the_middle(rows: int, columns: int, x: float, y: float, share: float) -> None:
    side = share * min(rows * y, columns * x)
    square = centred_square((rows, columns), (x, y), side)
    for (first, last), pixels, size in ((square.rows, rows, y), (square.columns, columns, x)):
        assert (last - first) * size == pytest.approx(side, rel=1e-3)
        assert first + last == pytest.approx(pixels, abs=1e-3)
        assert 0 <= first < last <= pixels
    cut = square.cover(np.zeros((rows, columns)))
    for (first, last), pixels in zip(square.within, cut.shape, strict=True):
        assert 0 <= first < 1
        assert pixels - 1 < last + 1e-9 <= pixels + 1e-9


@pytest.mark.parametrize(
    ("shape", "pixel", "side", "rows", "columns"),
    [
        ((512, 512), (5000 / 512, 5000 / 512), 1000.0, (204.8, 307.2), (204.8, 307.2)),
        ((256, 512), (10.0, 20.0), None, (0, 256), (0, 512)),
        ((256, 512), (10.0, 10.0), None, (0, 256), (128, 384)),
        ((100, 100), (10.0, 10.0), 1000.0000001, (0, 100), (0, 100)),
    ],
    ids=["1 um of 5", "high pixels", "a wide frame", "rounded"],
)
def test_known_squares(shape, pixel, side, rows, columns) -> None:
    square = centred_square(shape, pixel, side)
    assert square.rows == pytest.approx(rows)
    assert square.columns == pytest.approx(columns)


def test_a_scan_that_is_too_small_is_refused() -> None:
    with pytest.raises(UserError, match=r"500 x 800 nm, smaller than prepare\.levelling\.crop_nm \(1000\)"):
        centred_square((80, 50), (10.0, 10.0), 1000.0)


def test_a_disk_stays_round_whatever_the_pixels() -> None:
    y, x = np.mgrid[:120, :240]
    disk = ((x + 0.5) / 240 - 0.5) ** 2 + ((y + 0.5) / 120 - 0.5) ** 2 < 0.3**2
    square = centred_square(disk.shape, (5.0, 10.0), 900.0)
    image = resize_area(square.cover(disk.astype(float)), 60, square.within)
    np.testing.assert_allclose(image, image.T, atol=0.35)
    assert image.mean() * 900**2 == pytest.approx(np.pi * 360**2, rel=0.01)


@given(st.floats(0, 3), st.floats(4, 9), st.integers(1, 12))
def test_resizing_a_window_keeps_its_mean(start: float, stop: float, size: int) -> None:
    values = np.arange(10.0)[:, None] + np.zeros((10, 4))
    resized = resize_area(values, size, ((start, stop), (0.0, 4.0)))
    exact = np.interp([start, stop], np.arange(11), np.r_[0, np.cumsum(np.arange(10.0))])
    assert resized.mean() == pytest.approx((exact[1] - exact[0]) / (stop - start), rel=1e-9, abs=1e-9)
