"""Classes that stand for numbers, such as ``900 C``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LEVEL = re.compile(r"(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?: (\S+))?")


@dataclass(frozen=True)
class Levels:
    """The numbers of some classes, in their order, and their unit, which may be empty."""

    numbers: tuple[float, ...]
    unit: str

    @property
    def values(self) -> NDArray[np.float64]:
        """The numbers, shape (K,)."""
        return np.array(self.numbers)


def name_level(number: float, unit: str) -> str:
    """Name the class of a number, as `read_levels` reads it."""
    return f"{number:.15g} {unit}"


def read_levels(classes: Sequence[str]) -> Levels | None:
    """Read classes that are all numbers of one unit, such as ``900 C``; None where one is not."""
    found = [_LEVEL.fullmatch(name) for name in classes]
    known = [match for match in found if match is not None]
    units = {match[2] or "" for match in known}
    if len(known) < max(1, len(classes)) or len(units) > 1:
        return None
    return Levels(tuple(float(match[1]) for match in known), units.pop())


def levels_of(classes: Sequence[str]) -> Levels:
    """Read classes that must be numbers of one unit; `ValueError` where they are not."""
    found = read_levels(classes)
    if found is None:
        raise ValueError(f"classes {', '.join(classes)} are not all numbers of one unit")
    return found


def read_quantity(classes: Sequence[str]) -> Levels | None:
    """Read classes that are numbers of a unit that they name; None where they are not."""
    found = read_levels(classes)
    return found if found is not None and found.unit else None


@dataclass(frozen=True)
class Expected:
    """The expected number, and between which the true one lies as often as it is among the candidates."""

    value: float
    low: float
    high: float
    unit: str

    @property
    def text(self) -> str:
        """Such as ``948 C (900 to 950)``."""
        return f"{self.value:.4g} {self.unit} ({self.low:.4g} to {self.high:.4g})"


def expect(levels: Levels, probabilities: NDArray[np.float64], among: NDArray[np.bool_]) -> Expected:
    """Give the mean number by the probabilities of its classes, (K,), and the ends of those it is `among`.

    The most probable class always counts, and the mean itself, so that there is an interval where no class is
    a candidate.
    """
    values = levels.values
    kept = values[among | (np.arange(len(values)) == probabilities.argmax())]
    mean = float(probabilities @ values / probabilities.sum())
    low, high = min(mean, float(kept.min())), max(mean, float(kept.max()))
    return Expected(mean, low, high, levels.unit)
