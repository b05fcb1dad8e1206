"""Numbers and names in words: what every number of a report looks like."""

from collections.abc import Mapping, Sequence

from tmdscope.scores.folds import MeanStd
from tmdscope.scores.intervals import NO_INTERVAL, Estimate, tell_interval
from tmdscope.scores.task import Metric

UNDECIDED = "not decided, the interval holds 0"
"""What an interval that holds 0 says."""

_PERCENT = (".1f", 100.0)
_PLAIN = (".3f", 1.0)
_LETTERS = "no one two three four five six seven eight nine ten".split()


def with_interval(value: float, interval: Sequence[float] | None, percent: bool = False) -> str:
    """Write a value and its 95 % interval: ``0.795 [0.764, 0.824]`` or ``0.795 (no interval: 1 sample)``."""
    return tell_interval(value, interval, *(_PERCENT if percent else _PLAIN))


def plus_minus(mean: float, std: float) -> str:
    """Write mean and standard deviation as ``0.832 ± 0.017``."""
    return f"{mean:.3f} ± {std:.3f}"


def estimated(metric: Metric, found: Estimate) -> str:
    """Write a metric with its interval, without its unit."""
    return ranged(metric, found.values[metric.name], found.bounds[metric.name])


def ranged(metric: Metric, value: float, interval: Sequence[float] | None, sign: bool = False) -> str:
    """Write a metric's value with its interval, without its unit."""
    form, scale = _form(metric)
    return tell_interval(value, interval, f"{'+' if sign else ''}{form}", scale)


def averaged(metric: Metric, score: MeanStd) -> str:
    """Write a metric over folds, without its unit."""
    return f"{valued(metric, score.mean)} ± {valued(metric, score.std)}"


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


def capital(words: str) -> str:
    """Let words begin a sentence."""
    return words[:1].upper() + words[1:]


def percent(share: float, digits: int = 1, sign: bool = False) -> str:
    """Write a share in hundredths."""
    return f"{share * 100:{'+' if sign else ''}.{digits}f}"


def spelled(count: int) -> str:
    """Write a small number in letters, a larger one in digits."""
    return dict(enumerate(_LETTERS)).get(count, str(count))


def readable(name: str) -> str:
    """Write a column's or a setting's name as words."""
    return name.replace("_", " ")


def setting(value: object) -> str:
    """Write the value of a setting."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def counted(numbers: Mapping[str, int], names: Sequence[str] = (), between: str = ", ") -> str:
    """Write counts, of all or some names, each before its name: ``8 complete, 6 pruned``."""
    return between.join(f"{numbers[name]} {name}" for name in names or numbers)


def printed(pair: Sequence[float] | None, digits: int) -> str:
    """Write a published mean and standard deviation, with its digits, or ``not given``."""
    return "not given" if pair is None else f"{pair[0]:.{digits}f} ± {pair[1]:.{digits}f}"


def digits_of(metric: Metric) -> int:
    """Say how many digits are published of a metric."""
    return 1 if metric.percent else 2


def decided(interval: Sequence[float] | None, above: str, below: str) -> str:
    """Say what is true of an interval above, or below, zero, else `UNDECIDED` or that there is none."""
    if interval is None:
        return f"not decided, {NO_INTERVAL}"
    low, high = interval
    return above if low > 0 else below if high < 0 else UNDECIDED


def _form(metric: Metric) -> tuple[str, float]:
    return _PERCENT if metric.percent else (metric.form, 1.0)
