"""Which classes are taken for which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tmdscope.report.figures.scores import confusion_matrices
from tmdscope.report.page import Block, Figure, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import percent


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
