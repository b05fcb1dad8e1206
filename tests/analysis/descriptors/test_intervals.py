"""Intervals hold the truth of other scans, and say nothing where nothing was simulated."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdscope.analysis.descriptors.catalogue import BOUNDS, PHYSICAL, bounds_of, without_bounds
from tmdscope.analysis.descriptors.intervals import (
    FRAMES_NM,
    LEVEL,
    Geometry,
    Scans,
    find_bounds,
    keep_to,
    measure_simulated,
    simulate_errors,
)
from tmdscope.materials import MATERIALS
from tmdscope.scan.growth import draw_growth
from tmdscope.scan.instrument import draw_instrument

NAMES = [item.name for item in PHYSICAL]
SMALL, WIDE = Geometry(32, 500.0), Geometry(32, 1000.0)


def scans(count: int, geometry: Geometry, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure simulated scans of all materials; the truth has the descriptors' names."""
    pairs = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        growth = draw_growth(MATERIALS[number % len(MATERIALS)], rng)
        pairs.append(measure_simulated(growth, draw_instrument(rng), geometry, rng))
    measured = pd.DataFrame([measured for measured, _ in pairs])
    return measured, pd.DataFrame([{item.name: true[item.truth] for item in PHYSICAL} for _, true in pairs])


def bounds_of_scans(measured: pd.DataFrame, geometries: list[Geometry | None]) -> pd.DataFrame:
    """Find bounds on forty scans, in this process."""
    return find_bounds(measured, geometries, 40, lambda work, parts: list(map(work, parts)))


def held(bounds: pd.DataFrame, truth: pd.DataFrame) -> dict[str, float]:
    """Share of intervals that hold the truth, by descriptor."""
    found = {}
    for name in NAMES:
        low, high = (bounds[bound] for bound in bounds_of(name))
        inside = (low <= truth[name] + 1e-9) & (truth[name] <= high + 1e-9)
        found[name] = float(inside[low.notna()].mean())
    return found


@pytest.mark.slow
@pytest.mark.parametrize("geometry", [Geometry(64, 1000.0), Geometry(48, 2000.0)], ids=str)
def test_nine_in_ten_intervals_hold_the_truth_of_other_scans(geometry: Geometry) -> None:
    measured, truth = scans(400, geometry, 7)
    found = held(find_bounds(measured, [geometry] * len(measured), 400), truth)
    assert len(found) == len(PHYSICAL)
    for name, share in found.items():  # 400 scans on either side: a spread of 0.02
        assert share > LEVEL - 0.05, name
    assert abs(np.mean(list(found.values())) - LEVEL) < 0.03


def test_intervals_are_of_the_geometry_and_move_with_what_is_measured() -> None:
    measured, truth = scans(20, SMALL, 3)
    mixed = bounds_of_scans(measured, [SMALL, WIDE] * 10)
    assert tuple(mixed.columns) == BOUNDS
    own = bounds_of_scans(measured, [SMALL] * 20)
    assert held(own, truth)["coverage"] > 0.6
    pd.testing.assert_frame_equal(mixed[::2], own[::2])
    assert not np.allclose(own[1::2]["roughness_sq_nm_high"], mixed[1::2]["roughness_sq_nm_high"])
    measured["roughness_sq_nm"] += 100.0
    higher = bounds_of_scans(measured, [SMALL] * 20)
    rise = higher["roughness_sq_nm_high"] - own["roughness_sq_nm_high"]
    assert rise.to_numpy() == pytest.approx(np.full(20, 100.0))
    pd.testing.assert_frame_equal(higher[["coverage_low"]], own[["coverage_low"]])


def test_bounds_keep_to_what_a_quantity_can_be() -> None:
    measured, _ = scans(15, SMALL, 4)
    bounds = bounds_of_scans(measured, [SMALL] * 15)
    for item in PHYSICAL:
        low, high = (bounds[bound].dropna() for bound in bounds_of(item.name))
        assert (low <= high).all()
        assert (low >= 0).all()
        if item.unit == "1":
            assert (high <= 1).all()


def test_nothing_is_said_where_nothing_was_simulated() -> None:
    measured, _ = scans(4, SMALL, 5)
    measured.loc[0, "coverage"] = np.nan
    beyond = [Geometry(32, FRAMES_NM[0] / 2), Geometry(32, FRAMES_NM[1] * 2)]
    bounds = bounds_of_scans(measured, [SMALL, None, *beyond])
    assert bounds.loc[1:].isna().all(axis=None)
    assert np.isnan(bounds.loc[0, "coverage_low"])
    assert bounds.loc[0, "roughness_sq_nm_low"] < bounds.loc[0, "roughness_sq_nm_high"]


def test_parts_of_the_scans_are_the_scans() -> None:
    whole = simulate_errors(Scans(SMALL, 0, 4))
    parts = [simulate_errors(Scans(SMALL, first, first + 2)) for first in (0, 2)]
    assert np.array_equal(whole, np.concatenate(parts), equal_nan=True)


def test_a_geometry_counts_area_and_two_digits() -> None:
    assert Geometry.of((100, 400), (10.0, 2.5)) == Geometry(200, 1000.0)
    assert Geometry.of((256, 256), (1003.0 / 256,) * 2) == Geometry(256, 1000.0)


@given(st.integers(1, 300), st.integers(0, 99))
def test_errors_left_out_are_as_many_on_either_side(count: int, seed: int) -> None:
    errors = np.random.default_rng(seed).standard_cauchy((count, 1))
    low, high = keep_to(errors)[:, 0]
    if count < 19:
        assert np.isnan([low, high]).all()
        return
    below, above = int((errors < low).sum()), int((errors > high).sum())
    assert below == above
    # one more of the same has as much chance to lie in each of the count + 1 gaps
    assert (count - 1 - below - above) / (count + 1) >= LEVEL - 1e-9


def test_bounds_are_left_out_by_name() -> None:
    table = pd.DataFrame({"coverage": [1.0], **{name: [0.0] for name in BOUNDS}})
    assert list(without_bounds(table).columns) == ["coverage"]
    assert list(without_bounds(table[["coverage"]]).columns) == ["coverage"]
