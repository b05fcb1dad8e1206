"""Named warnings: what is wrong with heights is told by its name, and nothing is told of clean ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdscope.doubt import Doubt, joined, named, names_of
from tmdscope.scan.plausible import doubts
from tmdscope.scan.simulate import plan_samples, simulate_sample

CLEAN = simulate_sample(plan_samples({"MoS2": 1.0}, 1, 1, 5)[0], 48, 1000.0, 5)[0].scan.height_nm


def spoiled(*lines: int, value: float | None = None) -> np.ndarray:
    """Give some lines a value, or those of the line before."""
    heights = CLEAN.copy()
    for line in lines:
        heights[line] = heights[line - 1] if value is None else value
    return heights


def clipped(quantile: float) -> np.ndarray:
    return np.minimum(CLEAN, np.quantile(CLEAN, quantile))


@pytest.mark.parametrize(
    ("heights", "doubt", "part"),
    [
        (clipped(0.98), Doubt.SATURATED, "% of the pixels have exactly the highest height"),
        (-clipped(0.98), Doubt.SATURATED, "lowest"),
        (spoiled(20, 21), Doubt.DEAD_LINES, "2 of 48 lines repeat the line before"),
        (spoiled(20, 30, 31, value=0.0), Doubt.DEAD_LINES, "3 of 48 lines hold one value each"),
        (spoiled(*range(40, 48), value=0.0), Doubt.UNFINISHED, "8 lines at the edge"),
        (CLEAN * 1e-9, Doubt.UNIT, "another unit"),
        (CLEAN * 1e4, Doubt.RANGE, "range over"),
        (np.random.default_rng(1).permuted(CLEAN, axis=1), Doubt.NOISE, "nothing in common"),
    ],
    ids=["high", "low", "repeated", "one value", "edge", "metres", "steep", "noise"],
)
@pytest.mark.parametrize("side_nm", [1000.0, float("nan")])
def test_each_fault_is_told_by_its_name_alone(
    heights: np.ndarray, doubt: Doubt, part: str, side_nm: float
) -> None:
    (told,) = doubts(heights, side_nm)
    assert part in told
    assert names_of(told) == {doubt}


def test_clean_simulated_scans_have_none() -> None:
    """60 scans of five materials."""
    plans = plan_samples(dict.fromkeys(("MoS2", "WS2", "WSe2", "MoSe2", "Mo-WSe2"), 1.0), 60, 60, 3)
    scans = [scan.scan for plan in plans for scan in simulate_sample(plan, 32, 1000.0, 3)]
    assert [told for scan in scans for told in doubts(scan.height_nm, 1000.0)] == []


def test_a_coarse_digitiser_cuts_nothing_off() -> None:
    assert doubts(np.round(CLEAN, 1), 1000.0) == ()


@given(st.lists(st.sampled_from(list(Doubt)), max_size=4), st.text("abc ;[]:,", max_size=12))
def test_names_are_found_again_whatever_the_sentence(chosen: list[Doubt], sentence: str) -> None:
    told = joined([named(doubt, f"x{sentence}x") for doubt in chosen])
    assert names_of(told or "") >= set(chosen)
    assert (told is None) == (not chosen)
