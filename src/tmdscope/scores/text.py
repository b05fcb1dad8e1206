"""How the numbers of a metric are written: shares of images in %, others in their unit."""

import math
from collections.abc import Sequence

from tmdscope.scores.intervals import Estimate, tell_interval
from tmdscope.scores.task import Metric


def estimated(metric: Metric, found: Estimate) -> str:
    """Write a metric with its interval, without its unit."""
    return ranged(metric, found.values[metric.name], found.bounds[metric.name])


def ranged(metric: Metric, value: float, interval: Sequence[float] | None, sign: bool = False) -> str:
    """Write a metric's value with its interval, without its unit."""
    form, scale = _form(metric)
    return tell_interval(value, interval, f"{'+' if sign else ''}{form}", scale)


def valued(metric: Metric, value: float | None, sign: bool = False) -> str:
    """Write a metric's value, without its unit; nothing where there is none."""
    form, scale = _form(metric)
    return "" if value is None else f"{value * scale:{'+' if sign else ''}{form}}"


def scale_of(metric: Metric) -> float:
    """Give what values are multiplied with when they are written."""
    return _form(metric)[1]


def unit_of(metric: Metric) -> str:
    """Name the unit of what is written of a metric; empty where there is none."""
    return "%" if metric.percent else metric.unit


def points_of(metric: Metric) -> str:
    """Name the unit of differences."""
    return "points" if metric.percent else metric.unit or metric.title


def heading(metric: Metric, title: str = "") -> str:
    """Head a column of a metric: ``TITLE (UNIT)``."""
    return f"{title or metric.title} ({unit_of(metric)})" if unit_of(metric) else title or metric.title


def named(metrics: Sequence[Metric]) -> str:
    """Name metrics and their units: ``TITLE in UNIT and TITLE``."""
    told = [f"{one.title} in {unit_of(one)}" if unit_of(one) else one.title for one in metrics]
    return " and ".join(filter(None, [", ".join(told[:-1]), told[-1]]))


def plural(noun: str) -> str:
    """Say of several what `Task` or `Cohort` calls one: ``rows, classes``."""
    return noun + ("es" if noun.endswith("s") else "s")


def capital(words: str) -> str:
    """Let words begin a sentence."""
    return words[:1].upper() + words[1:]


def in_text(metric: Metric, told: str) -> str:
    """Complete a number for a sentence: ``81.3 %``, ``TITLE 0.13 eV``."""
    lead = "" if metric.percent else f"{metric.title} "
    return f"{lead}{told} {unit_of(metric)}".rstrip()


def rounded(metric: Metric, value: float, interval: Sequence[float] | None, sign: bool = False) -> str:
    """Write a metric's value to what its interval bears, ``71 (50 to 86)``, without its unit."""
    return borne(value, interval, sign, scale_of(metric)) if interval else valued(metric, value, sign)


def borne(value: float, interval: Sequence[float], sign: bool = False, scale: float = 1.0) -> str:
    """Write a value and its interval, multiplied by `scale`, to the digits that the interval bears.

    The last is worth at most two thirds of its half width: ``71 (50 to 86)``, ``0.12 (0.04 to 0.21)``.
    """
    low, high = (bound * scale for bound in interval)
    half = (high - low) / 2
    digits = max(0, -math.floor(math.log10(half / 1.5))) if half > 0 else 0 if scale > 1 else 2
    own, *bounds = (
        f"{round(one, digits) + 0.0:{'+' if sign else ''}.{digits}f}" for one in (value * scale, low, high)
    )
    return f"{own} ({bounds[0]} to {bounds[1]})"


def _form(metric: Metric) -> tuple[str, float]:
    return (".1f", 100.0) if metric.percent else (metric.form, 1.0)
