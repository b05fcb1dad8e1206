"""Classes that stand for numbers, and the number that their probabilities expect."""

import numpy as np
import pytest

from tmdscope.scores.levels import expect, levels_of, name_level, read_levels, read_quantity


def test_names_of_levels_are_read_back() -> None:
    numbers = (900.0, 950.5, -3e-07)
    assert levels_of([name_level(number, "C") for number in numbers]).numbers == numbers


@pytest.mark.parametrize(
    ("classes", "unit"),
    [
        (("900 C", "950 C"), "C"),
        (("1", "2"), ""),
        (("900 C", "950 K"), None),
        (("MoS2", "WS2"), None),
        ((), None),
    ],
)
def test_only_numbers_of_one_unit_are_levels(classes, unit) -> None:
    found = read_levels(classes)
    assert (None if found is None else found.unit) == unit
    assert (read_quantity(classes) is not None) == bool(unit)


def test_classes_that_are_no_numbers_are_named() -> None:
    with pytest.raises(ValueError, match="MoS2, WS2 are not all numbers"):
        levels_of(["MoS2", "WS2"])


@pytest.mark.parametrize(
    ("among", "low", "high"),
    [([True, True, False], 900, 950), ([True, False, True], 900, 1000), ([False, False, False], 945, 950)],
)
def test_an_interval_holds_the_candidates_and_the_most_probable(among, low, high) -> None:
    levels = levels_of(["900 C", "950 C", "1000 C"])
    found = expect(levels, np.array([0.2, 0.7, 0.1]), np.array(among))
    assert found.value == pytest.approx(945)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.text == f"945 C ({low} to {high})"
