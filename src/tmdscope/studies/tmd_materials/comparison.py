"""The TMD paper's tables beside what was measured, row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tmdscope.materials import MATERIALS
from tmdscope.params.experiments import ExperimentParams
from tmdscope.report.figures.scores import confusion_matrices
from tmdscope.report.page import Figure, Note, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.sections.experiments import Decoded
from tmdscope.report.text import digits_of, printed
from tmdscope.scores.folds import MeanStd
from tmdscope.scores.task import Metric, Task
from tmdscope.scores.text import named, scale_of
from tmdscope.studies.tmd_materials.paper import (
    PaperPart,
    Published,
    PublishedRow,
    PublishedTable,
    settings_that_differ,
)

_SHOWN: tuple[PaperPart, ...] = ("train", "val", "test")
_LEAD = (
    "Published: Moses & Reinhart (doi:10.1088/2632-2153/ada2da), Tables 2 to 4 as printed; data and "
    "code: doi:10.5281/zenodo.13961220. Measured: this study's experiments of the same strategy, "
    "target, architecture and weights, decoded as in the paper (multilabel by exact match). Every "
    "difference in images and settings is named; a row under other conditions is no reproduction."
)
_WARNING = (
    "The published validation numbers are not clean: the authors' released code carries the backbone "
    "from one fold to the next (not in row ImageNet*), so that every fold but the first starts from "
    "weights that were trained on its own validation images. No fold trains on the test images: the "
    "test column is the honest target. Here every fold starts afresh, and batch normalisation stays "
    "in training mode, which the released code leaves after the first epoch of the first fold."
)


@dataclass(frozen=True)
class Comparison(Part):
    """Published tables, experiments decoded as in the paper, and how their images differ from the paper's."""

    task: Task
    published: Published
    experiments: Mapping[str, ExperimentParams]
    decoded: Mapping[str, Decoded]
    other_data: Sequence[str]

    def section(self) -> Section:
        """Set the paper's Tables 2 to 4 beside the study: every published row, measured or "not run"."""
        tables = [self._table(table) for table in self.published.tables]
        return Section("Paper beside measured", [Paragraph(_LEAD), Note(_WARNING), *tables])

    @property
    def _columns(self) -> list[tuple[Metric, PaperPart]]:
        return [(metric, part) for metric in self.task.metrics for part in _SHOWN]

    def _table(self, table: PublishedTable) -> Table:
        test = any("test" in parts for row in table.rows for parts in row.scores.values())
        advice = "compare the test column" if test else "it gives no test scores in this table"
        return Table(
            f"{table.name} ({table.about}): {named(self.task.metrics)}, mean ± population standard "
            "deviation over folds. The paper's fine-tuned validation scores carry over between folds; "
            f"{advice}",
            ["Row", *(f"{part} {metric.title}" for metric, part in self._columns), "How it was run"],
            [cells for row in table.rows for cells in self._rows(row)],
            words_last=True,
        )

    def _rows(self, row: PublishedRow) -> list[list[str]]:
        found = row.experiments(self.experiments)
        paper = [printed(row.score(metric.name, part), digits_of(metric)) for metric, part in self._columns]
        how = "published; measured below" if found else "published; not run here"
        return [[row.label, *paper, how], *(self._measured(name, row) for name in found)]

    def _measured(self, name: str, row: PublishedRow) -> list[str]:
        scores = self.decoded[name]
        differences = [
            *self.other_data,
            *settings_that_differ(self.published, row, self.experiments[name]),
        ]
        return [
            f"measured: {name}",
            *(_as_printed(metric, scores[part][metric.name]) for metric, part in self._columns),
            "run under other conditions: " + "; ".join(differences)
            if differences
            else "run on the paper's images under its settings, but for fresh folds (see the note)",
        ]


def published_confusion(
    published: Published,
    experiments: Mapping[str, ExperimentParams],
    decoded: Mapping[str, NDArray[np.float64]],
    classes: Sequence[str],
) -> Figure:
    """Draw the paper's matrices, and those `decoded` of the same rows where the classes are the same."""
    matrices: dict[str, NDArray[np.float64]] = {}
    for matrix in published.confusion:
        matrices[f"published: {matrix.label}"] = np.array(matrix.counts)
        if list(classes) == list(MATERIALS):
            names = published.row("Table 4", matrix.label).experiments(experiments)
            matrices |= {f"measured: {name}": decoded[name] for name in names}
    return Figure(
        "Mean counts over the folds' models on the held-out test and their share of the row, rows true (the "
        "paper's Figure 3: 104 images; 1.6 per multilabel model match no material and are in no column).",
        "Confusion matrices: " + ", ".join(matrices) + ".",
        confusion_matrices(matrices, MATERIALS),
    )


def _as_printed(metric: Metric, score: MeanStd) -> str:
    scale = scale_of(metric)
    return printed([score.mean * scale, score.std * scale], digits_of(metric))
