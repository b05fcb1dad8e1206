"""What a report says first: one plain sentence, and one picture beside what needs no model."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tmdscope.report.figures.images import grey_png
from tmdscope.report.page import Claim, Figure, Gauge, Reading, Tile, Tiles
from tmdscope.scores.intervals import Bounds, Estimate
from tmdscope.scores.task import Metric, Task
from tmdscope.scores.text import borne, capital, points_of, rounded, scale_of, unit_of, valued


def answer(
    task: Task, found: Estimate, beside: Mapping[str, float], subject: str, what: str, rows: str
) -> Claim:
    """Say what a `subject` does on `rows` that it never saw, of a thing, `what`, that it tells.

    `beside` are values of the metric that the task tells, of what sees no image, by what a reader calls it.
    """
    metric = task.told
    value, bounds = found.values[metric.name], found.bounds[metric.name]
    told = rounded(metric, value, bounds)
    own, _, between = told.partition(" (")
    words = metric.words or f"has {metric.title} {{value}} on unseen {{rows}}"
    unit = "" if metric.percent else metric.unit
    said = words.format(value=f"{own} {unit}".rstrip(), what=what, rows=rows)
    spread = f", between {between.rstrip(')').replace(' to ', ' and ')}" if between else ""
    others = {label: _plainly(metric, one) for label, one in beside.items()}
    rest = ", ".join(
        f"{label}{'' if number else ' gives'} {text}" for number, (label, text) in enumerate(others.items())
    )
    readings = [
        Reading(subject, value, told, bounds),
        *(Reading(label, one, others[label]) for label, one in beside.items()),
    ]
    lowest, highest = _ends(metric, readings)
    ends = [f"{_plainly(metric, end)} {unit_of(metric)}".rstrip() for end in (lowest, highest)]
    gauge = Gauge(lowest, highest, [_capital(one) for one in readings], ends=ends)
    return Claim(f"{capital(subject)} {said}{spread}.{f' {capital(rest)}.' if rest else ''}", gauge)


def scored(metric: Metric, label: str, found: Estimate) -> Gauge:
    """Draw a metric with its interval."""
    value, bounds = found.values[metric.name], found.bounds[metric.name]
    told = f"{rounded(metric, value, bounds)} {unit_of(metric)}".rstrip()
    reading = Reading(label, value, told, bounds)
    return Gauge(*_ends(metric, [reading]), [reading])


def difference(label: str, value: float, bounds: Bounds, metric: Metric) -> Gauge:
    """Draw a difference of a metric with its interval, around zero."""
    told = f"{rounded(metric, value, bounds, sign=True)} {points_of(metric)}"
    return around_zero(Reading(label, value, told, bounds))


def correlation(label: str, value: float, bounds: tuple[float, float]) -> Gauge:
    """Draw a correlation with its interval, from -1 to 1."""
    return Gauge(-1.0, 1.0, [Reading(label, value, borne(value, bounds), bounds)], 0.0)


def around_zero(reading: Reading) -> Gauge:
    """Draw a difference with zero in the middle."""
    end = _beyond(max(map(abs, (reading.value, *(reading.bounds or ())))))
    return Gauge(-end, end, [reading], 0.0)


def held_out_tiles(
    images: Mapping[str, NDArray[np.uint8]], said: Mapping[str, tuple[str, float]], caption: str
) -> Tiles:
    """Show an image, uint8 S x S, of each class beside what is `said` of it, with its probability."""
    tiles = []
    for name, image in images.items():
        named, share = said[name]
        text = f"says {named}, {share * 100:.0f}\u00a0%"
        tiles.append(
            Tile(
                Figure(name, f"Grey image of {name}; the model {text}", grey_png(image)), text, named == name
            )
        )
    return Tiles(caption, tiles)


def without_looking(task: Task, targets: ArrayLike, held_out: ArrayLike) -> float:
    """Score, by what the task tells, the one prediction that is best without looking, on what is held out."""
    true, known = np.asarray(held_out), np.asarray(targets)
    return task.scores(true, np.full(len(true), task.naive(known)))[task.told.name]


def _plainly(metric: Metric, value: float) -> str:
    return f"{value * scale_of(metric):.0f}" if metric.percent else valued(metric, value)


def _capital(one: Reading) -> Reading:
    return Reading(capital(one.label), one.value, one.text, one.bounds)


def _ends(metric: Metric, readings: Sequence[Reading]) -> tuple[float, float]:
    """Give the ends of a scale: the metric's own where it has them."""
    values = [value for one in readings for value in (one.value, *(one.bounds or ()))]
    lowest = metric.lowest if np.isfinite(metric.lowest) else -_beyond(max(0.0, -min(values)))
    highest = metric.highest if np.isfinite(metric.highest) else _beyond(max(0.0, *values))
    return lowest, highest if highest > lowest else lowest + 1.0


def _beyond(largest: float) -> float:
    """Give the next number of one digit, for the end of a scale."""
    if largest <= 0:
        return 1.0
    step = 10.0 ** math.floor(math.log10(largest))
    return math.ceil(largest / step) * step
