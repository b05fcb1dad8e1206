"""How scores stand in the record of an audit, and which way they point."""

import math
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from tmdscope.scores.intervals import Bounds, Estimate
from tmdscope.scores.task import Metric


def known(value: Any) -> Any:
    """Give None in place of NaN, which JSON has no word for."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _write(scores: Estimate) -> dict[str, Any]:
    return {key: known(value) for key, value in scores.record().items()}


def _read(content: Any) -> Any:
    if isinstance(content, Estimate):
        return content
    try:
        found = Estimate.read(content)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError(f"no scores with intervals: {error!r}") from error
    values = {name: math.nan if value is None else value for name, value in found.values.items()}
    return {**vars(found), "values": values}


Scores = Annotated[Estimate, BeforeValidator(_read), PlainSerializer(_write)]
"""An `Estimate` in a record, flat; None stands for a metric that is not defined."""


def gained(metric: Metric, difference: Estimate) -> tuple[float, Bounds]:
    """By how much the first of two is better than the second, with bounds: below 0 where it is worse."""
    value, bounds = difference.values[metric.name], difference.bounds[metric.name]
    if bounds is None:
        return metric.gain(value, 0), None
    low, high = sorted(metric.gain(bound, 0) for bound in bounds)
    return metric.gain(value, 0), (low, high)
