"""Scores pooled over folds: every image predicted by a model that never saw its sample."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tmdscope.report.page import Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import estimated, heading
from tmdscope.scores.records import Pooled
from tmdscope.scores.task import Task


@dataclass(frozen=True)
class PooledPart(Part):
    """Classifiers, by how they are called in the record, and in text, pooled over outer folds."""

    task: Task
    pooled: Mapping[str, Pooled]
    called: Mapping[str, str]

    def section(self) -> Section:
        """Write the scores with their intervals."""
        about = "Every image predicted by a model that never saw its sample"
        rows = {self.called.get(name, name): found for name, found in self.pooled.items()}
        return Section("Pooled over ten outer folds", [pooled_table(self.task, "Classifier", rows, about)])

    def metrics(self) -> dict[str, Any]:
        """Collect all of them."""
        return {"pooled": {name: found.record() for name, found in self.pooled.items()}}


def pooled_table(task: Task, first: str, rows: Mapping[str, Pooled], about: str) -> Table:
    """Lay out the metrics of predictions, of all images and of distinct ones; `first` heads the names."""
    of = next(iter(rows.values()))
    heads = [heading(metric) for metric in task.metrics]
    return Table(
        f"{about}; 95 % intervals bootstrapped by sample. All: {of.all.images} images of {of.all.samples} "
        f"samples; distinct: {of.distinct.images} images",
        [first, *heads, *(f"{head}, distinct" for head in heads)],
        [
            [name, *(estimated(metric, part) for part in (one.all, one.distinct) for metric in task.metrics)]
            for name, one in rows.items()
        ],
    )
