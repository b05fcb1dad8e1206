"""Which classes are taken for which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tmdscope.report.figures.scores import confusion_matrices
from tmdscope.report.page import Block, Figure, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import percent, spelled
from tmdscope.scores.records import ClassifierScores
from tmdscope.scores.task import Task


@dataclass(frozen=True)
class Confusion(Part):
    """Confusion matrices by name, rows true: what they count, and what is said of the best one's.

    `remarks` stand below the matrices, `beside` at the end.
    """

    matrices: Mapping[str, NDArray[np.float64]]
    classes: Sequence[str]
    about: str
    best: str
    about_best: str
    remarks: Sequence[Block] = ()
    beside: Sequence[Block] = ()

    @classmethod
    def pooled(
        cls,
        task: Task,
        scores: Mapping[str, ClassifierScores],
        classes: Sequence[str],
        folds: int,
        called: Mapping[str, str] = {},
        never_best: Sequence[str] = (),
    ) -> Self:
        """Show classifiers pooled over outer folds; some of which are `never_best`."""
        ranked = {name: score.pooled.all for name, score in scores.items() if name not in never_best}
        best = max(ranked, key=lambda name: task.primary.gain(ranked[name].values[task.primary.name], 0))
        images = ranked[best].images
        return cls(
            matrices={called.get(name, name): np.array(of.confusion) for name, of in scores.items()},
            classes=classes,
            about=f"Pooled over {spelled(folds)} outer folds: {images} images, rows true, and their share of "
            "the row.",
            best=called.get(best, best),
            about_best=f"{called.get(best, best)}: {images} images, each predicted by a model that never saw "
            "its sample",
        )

    def section(self) -> Section:
        """Draw all matrices, and write the best one's counts."""
        drawn = Figure(
            self.about,
            "Confusion matrices of " + ", ".join(self.matrices) + ".",
            confusion_matrices(self.matrices, self.classes),
        )
        counts = confusion_table(
            f"{self.about_best}; a row per true class", self.matrices[self.best], self.classes
        )
        return Section("Confusion matrices", [drawn, *self.remarks, counts, *self.beside])


def confusion_table(caption: str, counts: ArrayLike, classes: Sequence[str]) -> Table:
    """Write a confusion matrix, rows true, shape (classes, classes), and the share of each named rightly."""
    rows = []
    for name, row, hits in zip(classes, np.asarray(counts), np.diagonal(counts), strict=True):
        share = percent(hits / row.sum()) if row.sum() else "-"
        rows.append([name, *(f"{count:.4g}" for count in row), share])
    return Table(caption, ["True class", *classes, "named rightly (%)"], rows)
