"""Levelling on analytic shapes; the area resize against its definition."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tmdscope.scan.level import (
    align_rows,
    clip_percentiles,
    crop_square,
    level,
    remove_plane,
    resize_area,
    to_uint8,
)

HEIGHTS = arrays(
    np.float64,
    st.tuples(st.integers(1, 3), st.integers(2, 9), st.integers(2, 9)),
    elements=st.floats(-50, 50),
)
SQUARES = st.integers(1, 12).flatmap(lambda n: arrays(np.float64, (n, n), elements=st.floats(-50, 50)))


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-100, 100))
def test_a_plane_is_removed_whole(slope_y: float, slope_x: float, offset: float) -> None:
    y, x = np.mgrid[:7, :11]
    assert np.abs(remove_plane(slope_y * y + slope_x * x + offset)).max() < 1e-4


@given(HEIGHTS)
def test_plane_removal_is_the_least_squares_fit(heights: NDArray[Any]) -> None:
    y, x = (axis.ravel() for axis in np.mgrid[: heights.shape[1], : heights.shape[2]])
    design = np.column_stack([np.ones(x.size), y, x])
    for height, levelled in zip(heights, remove_plane(heights), strict=True):
        fit = design @ np.linalg.lstsq(design, height.ravel(), rcond=None)[0]
        np.testing.assert_allclose(levelled.ravel(), height.ravel() - fit, atol=1e-4)


def test_a_step_survives_plane_removal() -> None:
    step = np.zeros((8, 8))
    step[:, 4:] = 0.65
    assert np.ptp(remove_plane(step + np.arange(8)[:, None])) > 0.3


@given(HEIGHTS)
def test_aligned_rows_have_median_zero(heights: NDArray[Any]) -> None:
    np.testing.assert_allclose(np.median(align_rows(heights), axis=-1), 0, atol=1e-12)


def test_rows_that_jump_come_to_one_level() -> None:
    surface = np.tile(np.array([0.0, 1.0, 2.0, 1.0]), (5, 1))
    jumps = np.arange(5.0)[:, None] ** 2
    np.testing.assert_allclose(align_rows(surface + jumps), align_rows(surface))


def test_a_spike_is_clipped_to_the_percentile() -> None:
    heights = np.linspace(0, 1, 10_000).reshape(100, 100)
    heights[50, 50] = 1000
    clipped = clip_percentiles(heights, 0.5, 99.5)
    assert 0.99 < clipped.max() < 1
    assert 0 < clipped.min() < 0.01


@pytest.mark.parametrize("flat", [0.0, -7.5], ids=["zero", "offset"])
def test_a_flat_map_becomes_black(flat: float) -> None:
    assert not to_uint8(np.full((4, 4), flat)).any()


@given(HEIGHTS)
def test_grey_range_is_full_and_keeps_the_order(heights: NDArray[Any]) -> None:
    grey = to_uint8(heights)
    assert grey.dtype == np.uint8
    for height, image in zip(heights, grey, strict=True):
        assert image.min() == 0
        assert image.max() == (255 if np.ptp(height) > 0 else 0)
        assert (np.diff(image.ravel()[np.argsort(height, axis=None)].astype(int)) >= 0).all()


@given(HEIGHTS)
def test_a_stack_is_levelled_map_by_map(heights: NDArray[Any]) -> None:
    alone = np.stack([level(height, [0.5, 99.5]) for height in heights])
    stacked = level(heights, [0.5, 99.5]).astype(int)
    assert np.abs(stacked - alone).max() <= 1, "sums in another order may tip the rounding of a grey value"


@given(arrays(np.float64, (3, 5, 1), elements=st.floats(-50, 50)), st.floats(-3, 3))
def test_rounding_is_not_contrast(rows: NDArray[Any], slope_x: float) -> None:
    tilted_rows_that_jump = (rows + slope_x * np.arange(7)).astype(np.float32)
    assert not level(tilted_rows_that_jump, [0.5, 99.5]).any()


def test_a_shallow_pit_far_from_zero_keeps_its_contrast() -> None:
    heights = np.full((8, 8), 1000.0)
    heights[3:5, 3:5] -= 0.05
    assert level(heights, [0, 100])[3, 3] == 0
    assert level(heights, [0, 100]).max() == 255


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((2, 5), [[1, 2], [6, 7]]), ((5, 2), [[2, 3], [4, 5]])],
    ids=["wide", "tall"],
)
def test_the_centred_square_is_cut_out(shape: tuple[int, int], expected: list[list[int]]) -> None:
    np.testing.assert_array_equal(crop_square(np.arange(10).reshape(shape)), expected)


@given(SQUARES, st.integers(1, 15))
def test_resizing_preserves_the_mean_and_the_range(image: NDArray[Any], size_px: int) -> None:
    resized = resize_area(image, size_px)
    assert resized.shape == (size_px, size_px)
    assert resized.mean() == pytest.approx(image.mean(), abs=1e-9)
    assert image.min() - 1e-9 <= resized.min() <= resized.max() <= image.max() + 1e-9


@given(st.integers(0, 255), st.integers(1, 20), st.integers(1, 20))
def test_resizing_preserves_a_constant(value: int, old: int, new: int) -> None:
    np.testing.assert_array_equal(resize_area(np.full((old, old), value, np.uint8), new), value)


@given(SQUARES, st.integers(1, 4))
def test_integer_ratios_are_block_means_and_repeats(image: NDArray[Any], ratio: int) -> None:
    bigger = resize_area(image, len(image) * ratio)
    np.testing.assert_allclose(bigger, image.repeat(ratio, 0).repeat(ratio, 1), atol=1e-9)
    blocks = (bigger * np.arange(bigger.size).reshape(bigger.shape)).reshape(len(image), ratio, -1, ratio)
    np.testing.assert_allclose(
        resize_area(blocks.reshape(bigger.shape), len(image)), blocks.mean(axis=(1, 3)), atol=1e-6
    )


def test_a_broken_ratio_weighs_by_area() -> None:
    image = np.array([[0.0, 3.0, 9.0]] * 3)
    np.testing.assert_allclose(resize_area(image, 2), [[1.0, 7.0]] * 2)


def test_a_stack_of_wide_pictures_is_cropped_and_resized() -> None:
    stack = np.arange(2 * 4 * 6, dtype=np.uint8).reshape(2, 4, 6)
    expected = stack[:, :, 1:5].reshape(2, 2, 2, 2, 2).mean(axis=(2, 4))
    np.testing.assert_array_equal(resize_area(stack, 2), np.rint(expected))
    assert resize_area(stack, 4).dtype == np.uint8
