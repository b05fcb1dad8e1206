"""Every step of the paper's levelling equals what it is named after, done plainly."""

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage

from tmdscope.params.images import LevellingParams
from tmdscope.scan.level import (
    LAYERED,
    PAPER,
    SIMPLE,
    STEPS,
    align_rows,
    clip_percentiles,
    flatten,
    level,
    median_of_four,
    remove_row_polynomials,
    remove_scars,
    remove_surface,
    to_uint8,
)
from tmdscope.scan.level import remove_plane as plane

MAPS = arrays(
    np.float64,
    st.tuples(st.integers(1, 3), st.integers(3, 9), st.integers(4, 9)),
    elements=st.floats(-50, 50),
)


@given(MAPS)
def test_the_surface_is_the_least_squares_fit_without_mixed_terms(heights: NDArray[Any]) -> None:
    y, x = (axis.ravel() for axis in np.mgrid[: heights.shape[1], : heights.shape[2]].astype(float))
    design = np.column_stack([np.ones(x.size), x, x**2, y])
    for height, levelled in zip(heights, remove_surface(heights), strict=True):
        fit = design @ np.linalg.lstsq(design, height.ravel(), rcond=None)[0]
        np.testing.assert_allclose(levelled.ravel(), height.ravel() - fit, atol=1e-4)


@given(MAPS, st.integers(0, 3))
def test_rows_lose_their_polynomials(heights: NDArray[Any], degree: int) -> None:
    x = np.linspace(-1, 1, heights.shape[-1])
    levelled = remove_row_polynomials(heights, degree)
    for row, flat in zip(heights.reshape(-1, x.size), levelled.reshape(-1, x.size), strict=True):
        np.testing.assert_allclose(flat, row - np.polyval(np.polyfit(x, row, degree), x), atol=1e-3)


@given(MAPS, st.floats(0, 2))
def test_scars_are_replaced_row_by_row(heights: NDArray[Any], threshold: float) -> None:
    expected = heights.copy()
    for k in range(len(heights)):
        for row in range(1, heights.shape[1] - 1):
            above, here, below = heights[k, row - 1], heights[k, row], heights[k, row + 1]
            scar = np.abs(above - below) < threshold * np.abs(here - below)
            expected[k, row, scar] = above[scar]
    np.testing.assert_array_equal(remove_scars(heights, threshold), expected)


def test_a_scar_goes_and_a_step_stays() -> None:
    step = np.where(np.arange(12)[:, None] < 6, 0.0, 0.65) + np.zeros((12, 8))
    scarred = step.copy()
    scarred[3, 2:6] += 1.0
    np.testing.assert_array_equal(remove_scars(scarred), step)


@given(MAPS)
def test_the_median_is_scipys(heights: NDArray[Any]) -> None:
    expected = np.stack([ndimage.median_filter(height, size=2) for height in heights])
    np.testing.assert_array_equal(median_of_four(heights), expected)


def test_too_high_a_degree_is_refused() -> None:
    with pytest.raises(ValueError, match="degree 4 does not fit 4 pixels"):
        remove_row_polynomials(np.zeros((3, 4)), 4)


def test_params_name_every_step_and_no_other() -> None:
    annotation = LevellingParams.model_fields["steps"].annotation
    assert set(get_args(get_args(annotation)[0])) == set(STEPS)
    assert {*PAPER, *SIMPLE, *LAYERED} <= set(STEPS)


@given(MAPS)
def test_a_chain_is_its_steps_in_order(heights: NDArray[Any]) -> None:
    expected = heights
    for step in PAPER:
        expected = STEPS[step](expected)
    np.testing.assert_array_equal(flatten(heights, PAPER), expected)
    assert level(heights, [0.5, 99.5], PAPER).shape == heights.shape


@given(arrays(np.float32, (2, 16, 16), elements=st.floats(-50, 50, width=32)))
def test_without_steps_images_are_bit_for_bit_those_of_before(heights: NDArray[Any]) -> None:
    surface = clip_percentiles(align_rows(plane(heights)), 0.5, 99.5)
    rough = np.ptp(surface, axis=(1, 2), keepdims=True) > 1e-6 * np.abs(heights).max(
        axis=(1, 2), keepdims=True
    )
    before = to_uint8(np.where(rough, surface, np.float32(0)))
    np.testing.assert_array_equal(level(heights, [0.5, 99.5]), before)
    np.testing.assert_array_equal(level(heights, [0.5, 99.5], ["plane", "row_medians"]), before)
