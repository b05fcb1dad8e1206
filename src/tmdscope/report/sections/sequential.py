"""Materials added one after another, of every study that has sequences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tmdscope.report.page import Section
from tmdscope.report.part import Part
from tmdscope.report.sequential import sequential_section
from tmdscope.report.sequential_metrics import sequential_metrics
from tmdscope.report.text import decided
from tmdscope.scores.intervals import tell_interval
from tmdscope.scores.task import Metric
from tmdscope.sequential.record import SequenceRecord


@dataclass(frozen=True)
class Sequences(Part):
    """What sequences gave, None where they are left out; `note` is said of the images before the numbers."""

    found: SequenceRecord | None
    metric: Metric
    classes: Sequence[str]
    note: str = ""

    def section(self) -> Section | None:
        """Write what was trained, which claims hold, and how scores change."""
        if self.found is None:
            return None
        return sequential_section(self.found, self.metric, self.classes, self.note or None)

    def metrics(self) -> dict[str, Any]:
        """Collect the numbers that the section shows."""
        return {"sequential": sequential_metrics(self.found, self.metric)}

    def sentences(self) -> list[str]:
        """Say whether going on from a model beats training anew for as many epochs; none if nothing ran."""
        if self.found is None:
            return []
        parts = [
            f"{entry.encoding or 'both encodings'} "
            f"{tell_interval(entry.all.difference, entry.all.ci95, self.metric.form)}: "
            + decided(entry.all.ci95, "sequential is better", "training anew is better")
            for entry in self.found.comparisons
            if entry.question == "sequential - direct-equal-budget"
        ]
        lead = (
            "Materials added one after another less a model trained anew for as many epochs, test "
            f"{self.metric.title} over stages and volumes: "
        )
        return [lead + "; ".join(parts) + "."] if parts else []
