"""Numbers and names in words: what every number of a report looks like."""

from collections.abc import Mapping, Sequence

from tmdscope.scores.folds import MeanStd
from tmdscope.scores.intervals import NO_INTERVAL, tell_interval
from tmdscope.scores.task import Metric
from tmdscope.scores.text import valued

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


def averaged(metric: Metric, score: MeanStd) -> str:
    """Write a metric over folds, without its unit."""
    return f"{valued(metric, score.mean)} ± {valued(metric, score.std)}"


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
