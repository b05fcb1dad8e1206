"""Steps that keep layers equal what they are named after, done plainly, and keep the height of a flake."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tmdscope.params.images import LevellingParams
from tmdscope.scan.areal import fit_differences, fit_quadratic, powers, quadratic
from tmdscope.scan.level import LAYERED, SIMPLE, STEPS, flatten
from tmdscope.scan.robust import (
    CORNERS,
    align_masked_rows,
    align_row_differences,
    align_row_jumps,
    level_facets,
    level_three_points,
    most_frequent,
    remove_masked_surface,
)

MAPS = arrays(
    np.float32,
    st.tuples(st.integers(1, 3), st.integers(3, 9), st.integers(4, 9)),
    elements=st.floats(-50, 50, width=32),
)
SIZE = 96
Y, X = np.mgrid[:SIZE, :SIZE] / (SIZE - 1)
FLAKE = (np.abs(Y - 0.5) < 0.28) & (np.abs(X - 0.5) < 0.28)
TILT = 2 * X + 5 * Y + 0.8 * (X - 0.5) ** 2 - X * Y


def _scan(seed: int, jump_nm: float = 0.05) -> NDArray[np.float32]:
    """Make a flake of .65 nm over more than half of its rows, on a bowed plane with line and pixel noise."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 0.05, FLAKE.shape) + rng.normal(0, jump_nm, (SIZE, 1))
    return np.asarray(0.65 * FLAKE + TILT + noise, np.float32)


def _step(height: NDArray[Any]) -> float:
    return float(np.median(height[FLAKE]) - np.median(height[~FLAKE]))


@given(MAPS)
def test_median_differences_are_summed_row_by_row(heights: NDArray[Any]) -> None:
    for height, levelled in zip(heights, align_row_differences(heights), strict=True):
        offsets = [0.0]
        for above, below in pairwise(height):
            offsets.append(offsets[-1] + float(np.median(below - above)))
        expected = height - (np.array(offsets) - np.mean(offsets))[:, None]
        np.testing.assert_allclose(levelled, expected, atol=1e-3)


def test_jumps_are_median_differences_where_none_is_unusual() -> None:
    rows = np.random.default_rng(1).normal(0, 1, (40, 1)) + np.zeros((40, 30))
    rough = (rows + np.random.default_rng(2).normal(0, 0.5, (40, 30))).astype(np.float32)
    np.testing.assert_array_equal(align_row_jumps(rough), align_row_differences(rough))


@pytest.mark.parametrize("seed", range(3))
def test_the_surface_is_the_least_squares_fit_to_the_level_it_finds(seed: int) -> None:
    scan = _scan(seed)
    levelled = remove_masked_surface(scan)
    level = most_frequent(levelled).holds(levelled)
    assert (level & ~FLAKE).sum() > 0.95 * (~FLAKE).sum()
    assert (level & FLAKE).sum() < 0.05 * FLAKE.sum()
    y, x = Y[level], X[level]
    design = np.column_stack([np.ones_like(x), x, y, x * x, x * y, y * y])
    fit = np.linalg.lstsq(design, scan[level].astype(np.float64), rcond=None)[0]
    np.testing.assert_allclose(levelled[level], scan[level] - design @ fit, atol=0.01)


@given(st.integers(0, 99), st.sampled_from([0.0, 0.02]))
def test_starts_that_meet_settle_as_if_each_went_alone(seed: int, noise_nm: float) -> None:
    rng = np.random.default_rng(seed)
    scan = (0.65 * FLAKE + rng.uniform(-1, 1) * TILT + rng.normal(0, 0.05, FLAKE.shape))[::3, ::3]
    scan = np.asarray(scan + rng.normal(0, noise_nm, (len(scan), 1)), np.float32)
    y, x = map(powers, scan.shape)
    few, found = scan.astype(np.float64), []
    lags = [[round(share * len(scan))] * 2 for share in (0.1, 0.16)]
    starts = [np.zeros(6), fit_quadratic(few, y, x), *(fit_differences(few, y, x, lag) for lag in lags)]
    for weights in starts:
        mask = None
        for _ in range(20):
            left = few - quadratic(weights, y, x)
            before, peak = mask, most_frequent(left)
            mask = peak.holds(left)
            weights = fit_quadratic(few, y, x, mask)
            if before is not None and (mask == before).all():
                break
        found.append((weights, peak.half_nm))
    width = min(half for _, half in found)
    together = [
        (np.unique_counts(np.rint((few - quadratic(weights, y, x)) / width)).counts ** 2).sum()
        for weights, _ in found
    ]
    best = found[int(np.argmax(together))][0]
    np.testing.assert_allclose(remove_masked_surface(scan), few - quadratic(best, y, x), atol=1e-5)


def test_rows_lose_the_mean_of_the_level_and_rows_without_it_what_lies_between() -> None:
    rng = np.random.default_rng(3)
    offsets = rng.normal(0, 0.03, (60, 1))
    height = offsets + rng.normal(0, 0.02, (60, 80))
    height[20:25] += 0.65 - offsets[20:25]
    levelled = align_masked_rows(height.astype(np.float32))
    for row in (*range(20), *range(25, 60)):
        assert levelled[row].mean() == pytest.approx(0, abs=5e-3)
    assert levelled[20:25].mean() == pytest.approx(0.65, abs=0.05)


@given(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05))
def test_facets_find_the_plane_of_terraces(slope_y: float, slope_x: float) -> None:
    terraces = 0.65 * (np.arange(SIZE) // 24)[:, None] + np.zeros((SIZE, SIZE))
    pixels = np.arange(SIZE)
    tilted = terraces + slope_y * pixels[:, None] + slope_x * pixels
    np.testing.assert_allclose(level_facets(tilted), terraces - terraces.mean(), atol=2e-3)


def test_facets_are_gwyddions_weighted_means() -> None:
    height = np.random.default_rng(5).normal(0, 1, (6, 7))
    height += np.add.outer(0.3 * np.arange(6.0), -0.2 * np.arange(7.0))
    y_total = x_total = 0.0
    for _ in range(100):
        facets = []
        for row in range(5):
            for column in range(6):
                (a, b), (c, d) = height[row : row + 2, column : column + 2]
                facets.append(((c + d - a - b) / 2 - y_total, (b + d - a - c) / 2 - x_total))
        steep = [y * y + x * x for y, x in facets]
        weights = [np.exp(-20 * one / np.mean(steep)) for one in steep]
        y_total += float(np.average([y for y, _ in facets], weights=weights))
        x_total += float(np.average([x for _, x in facets], weights=weights))
    plane = np.add.outer(y_total * np.arange(6), x_total * np.arange(7))
    expected = height - plane - (height - plane).mean()
    np.testing.assert_allclose(level_facets(height), expected, atol=1e-3)


def test_three_points_become_zero() -> None:
    tilted = np.asarray(0.65 * FLAKE + 2 * X + 5 * Y - 3, np.float32)
    levelled = level_three_points(tilted)
    np.testing.assert_allclose(levelled, 0.65 * FLAKE, atol=1e-4)
    on_flake = level_three_points(tilted, [(0.4, 0.4), (0.6, 0.4), (0.4, 0.6)])
    np.testing.assert_allclose(on_flake, 0.65 * FLAKE - 0.65, atol=1e-4)


def test_points_on_one_line_are_refused() -> None:
    with pytest.raises(ValueError, match="lie on one line: move one of them aside"):
        LevellingParams(crop_nm="whole", steps=["three_points"], points=[[0, 0], [0.5, 0.5], [1, 1]])
    assert LevellingParams(crop_nm="whole", steps=[]).points == [list(point) for point in CORNERS]


@pytest.mark.parametrize("seed", range(3))
def test_a_flake_over_half_of_its_rows_keeps_its_height(seed: int) -> None:
    scan = _scan(seed)
    assert _step(flatten(scan, LAYERED)) == pytest.approx(0.65, rel=0.05)
    assert _step(flatten(scan, SIMPLE)) < 0.2  # what plane and row medians leave of it


def test_rows_that_jump_by_more_than_a_layer_come_to_one_level() -> None:
    rng = np.random.default_rng(7)
    islands = np.hypot((X * 4) % 1 - 0.5, (Y * 4) % 1 - 0.5) < 0.35
    scan = 0.65 * islands + TILT + rng.normal(0, 0.05, FLAKE.shape) + rng.normal(0, 1.0, (SIZE, 1))
    levelled = flatten(scan.astype(np.float32), LAYERED)
    assert np.median(levelled[islands]) - np.median(levelled[~islands]) == pytest.approx(0.65, rel=0.05)
    assert levelled[~islands].std() == pytest.approx(0.05, rel=0.15)


@pytest.mark.parametrize("step", [name for name in STEPS if name not in ("row_medians", "scars", "median")])
@given(MAPS)
@example(np.float32(3.179289e-20) * np.eye(3, 4, dtype=np.float32)[None])
def test_steps_work_map_by_map_and_give_float32(step: str, heights: NDArray[Any]) -> None:
    levelled = STEPS[step](heights)
    assert levelled.dtype == np.float32
    assert np.isfinite(levelled).all()
    for height, alone in zip(heights, levelled, strict=True):
        np.testing.assert_allclose(STEPS[step](height), alone, atol=2e-4)


@pytest.mark.parametrize("step", LAYERED)
@given(st.integers(3, 40), st.integers(4, 40), st.sampled_from([3.0, -0.1, 1234.5]))
@example(16, 12, 3.0)
def test_a_flat_map_stays_flat(step: str, rows: int, columns: int, height_nm: float) -> None:
    assert np.ptp(STEPS[step](np.full((rows, columns), height_nm, np.float32))) < 1e-5 * max(1, height_nm)
