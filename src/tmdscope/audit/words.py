"""How the numbers of an audit are told: shares in % and points, others in their unit, after their name."""

from collections.abc import Sequence
from dataclasses import dataclass

from tmdscope.scores.intervals import Estimate, tell_interval
from tmdscope.scores.task import Metric


@dataclass(frozen=True)
class Words:
    """How values of a metric and their differences are told."""

    metric: Metric

    @property
    def share(self) -> bool:
        """Whether values are shares of one."""
        return (self.metric.lowest, self.metric.highest, self.metric.unit) == (0, 1, "")

    @property
    def scale(self) -> int:
        """What values are multiplied with."""
        return 100 if self.share else 1

    @property
    def unit(self) -> str:
        """Of values; empty where they have none."""
        return "%" if self.share else self.metric.unit

    @property
    def points(self) -> str:
        """Unit of differences."""
        return "points" if self.share else self.metric.unit or self.metric.title

    @property
    def more(self) -> str:
        """Which way better values lie."""
        return "more" if self.metric.higher_is_better else "less"

    @property
    def title(self) -> str:
        """The metric's name, as a sentence begins with it."""
        return self.metric.title[0].upper() + self.metric.title[1:]

    @property
    def named(self) -> str:
        """The metric's name and unit in a sentence: ``TITLE in UNIT``."""
        return self.metric.title + (f" in {self.unit}" if self.unit else "")

    def header(self, title: str) -> str:
        """Write the header of a column of values: ``test (%)``."""
        return title + (f" ({self.unit})" if self.unit else "")

    def number(self, value: float | None) -> str:
        """Write a value without its unit; nothing where there is none."""
        return "" if value is None else f"{value * self.scale:{self._form}}"

    def cell(self, value: float, bounds: Sequence[float] | None, sign: bool = False) -> str:
        """Write a value with its interval, without unit: ``81.3 [78.4, 84.1]``."""
        return tell_interval(value, bounds, f"{'+' if sign else ''}{self._form}", self.scale)

    def score(self, scores: Estimate) -> str:
        """Write the metric of some scores, or of a difference, see `cell`."""
        return self.cell(scores.values[self.metric.name], scores.bounds[self.metric.name])

    def value(self, told: str) -> str:
        """Write a value in a sentence, from its number: ``81.3 %``, ``TITLE 0.13 eV``."""
        lead = "" if self.share else f"{self.metric.title} "
        return f"{lead}{told}" + (f" {self.unit}" if self.unit else "")

    def difference(self, scores: Estimate) -> str:
        """Write a difference in a sentence, first less second: ``+2.1 [+0.4, +3.9] points``."""
        return self.gain(scores.values[self.metric.name], scores.bounds[self.metric.name])

    def gain(self, value: float, bounds: Sequence[float] | None) -> str:
        """Write by how much something is better, see `difference`."""
        return f"{self.cell(value, bounds, sign=True)} {self.points}"

    @property
    def _form(self) -> str:
        return ".1f" if self.share else self.metric.form
