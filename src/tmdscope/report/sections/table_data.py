"""The rows of a table of features, and the first scores on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tmdscope.dataset.splits import Split
from tmdscope.report.page import Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import spelled
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.records import Pooled
from tmdscope.scores.text import capital, estimated, unit_of


@dataclass(frozen=True)
class TableData(Part):
    """Rows, the held-out of them, and methods pooled over outer folds, by how they are called in short.

    Attributes
    ----------
    kind, seen_as, about : str
        What the rows are called, as what they are seen, and where they and the split are from.
    beside : mapping
        Header of a further column to what it says of each class.
    more : sequence of str
        Further sentences.
    """

    cohort: Cohort
    split: Split
    pooled: Mapping[str, Pooled]
    folds: int
    kind: str
    seen_as: str
    about: str
    each: str
    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    more: Sequence[str] = ()

    def _counts(self) -> dict[str, int]:
        """Held-out rows of each class, or range of numbers."""
        held_out = np.flatnonzero(np.isin(self.cohort.image_ids, self.split.test))
        return self.cohort.count(held_out)

    def metrics(self) -> dict[str, Any]:
        """Say what the data are."""
        cohort = self.cohort
        return {
            "dataset": {
                "images": len(cohort),
                "distinct_images": int(cohort.distinct.sum()),
                "samples": len(set(cohort.sample_ids)),
                "sha256": cohort.digest,
            },
            "split": {"test": self._counts()},
        }

    def sentences(self) -> list[str]:
        """Say what the data are, and how good each method is on samples that it never saw."""
        numbers, plain = self.metrics()["dataset"], self.cohort.task.plain
        told = (f"{name} {estimated(plain, of.all)} {unit_of(plain)}" for name, of in self.pooled.items())
        data = (
            f"Data: {numbers['images']} {self.kind} ({numbers['distinct_images']} distinct) of "
            f"{numbers['samples']} samples{self.seen_as}."
        )
        scores = (
            f"{capital(plain.title)} when the sample was never seen, pooled over {spelled(self.folds)} outer "
            "folds (95 % intervals bootstrapped by sample, as all in brackets here): "
            f"{'; '.join(map(str.rstrip, told))}. The intervals of two classifiers alone do not say which is "
            "better."
        )
        return [data, scores, *self.more]

    def section(self) -> Section:
        """Count the rows of each class, or range of numbers."""
        everything = self.cohort.count(np.arange(len(self.cohort)))
        rows = [
            [name, str(everything[name]), str(count), *(str(of[name]) for of in self.beside.values())]
            for name, count in self._counts().items()
        ]
        table = Table(f"Images per {self.each.lower()}", [self.each, "all", "test", *self.beside], rows)
        return Section("Data and split", [Paragraph(self.about), table])
