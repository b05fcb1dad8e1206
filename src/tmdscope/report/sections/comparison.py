"""The TMD paper's tables beside what a study measured, row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.store import Dataset
from tmdscope.learn.summary import decoded_confusion
from tmdscope.materials import MATERIALS
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.images import DataParams, SplitParams
from tmdscope.report.figures.scores import confusion_matrices
from tmdscope.report.page import Figure, Note, Paragraph, Section, Table
from tmdscope.report.paper import (
    PaperPart,
    Published,
    PublishedRow,
    PublishedTable,
    data_that_differ,
    digits_of,
    experiments_of,
    printed,
    read_published,
    settings_that_differ,
)
from tmdscope.report.part import Part
from tmdscope.report.sections.experiments import Decoded
from tmdscope.report.text import named
from tmdscope.scores.folds import MeanStd
from tmdscope.scores.task import Metric, Task

_SHOWN: tuple[PaperPart, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Comparison(Part):
    """Experiments of a study, decoded as in the paper, and the images that they are of."""

    task: Task
    experiments: Mapping[str, ExperimentParams]
    decoded: Mapping[str, Decoded]
    data: DataParams
    split: SplitParams
    dataset: Dataset

    def section(self) -> Section:
        """Set the paper's Tables 2 to 4 beside the study: every published row, measured or "not run"."""
        published = read_published()
        lead = (
            "Published: Moses & Reinhart (doi:10.1088/2632-2153/ada2da), Tables 2 to 4 as printed; data and "
            "code: doi:10.5281/zenodo.13961220. Measured: this study's experiments of the same strategy, "
            "target, architecture and weights, decoded as in the paper (multilabel by exact match). Every "
            "difference in images and settings is named; a row under other conditions is no reproduction."
        )
        warning = (
            "The published validation numbers are not clean: the authors' released code carries the backbone "
            "from one fold to the next (not in row ImageNet*), so that every fold but the first starts from "
            "weights that were trained on its own validation images. No fold trains on the test images: the "
            "test column is the honest target. Here every fold starts afresh, and batch normalisation stays "
            "in training mode, which the released code leaves after the first epoch of the first fold."
        )
        tables = [self._table(table, published) for table in published.tables]
        return Section("Paper beside measured", [Paragraph(lead), Note(warning), *tables])

    @property
    def _columns(self) -> list[tuple[Metric, PaperPart]]:
        return [(metric, part) for metric in self.task.metrics for part in _SHOWN]

    def _table(self, table: PublishedTable, published: Published) -> Table:
        rows = [cells for row in table.rows for cells in self._rows(row, published)]
        test = any("test" in parts for row in table.rows for parts in row.scores.values())
        advice = "compare the test column" if test else "it gives no test scores in this table"
        return Table(
            f"{table.name} ({table.about}): {named(self.task.metrics)}, mean ± population standard "
            "deviation over folds. The paper's fine-tuned validation scores carry over between folds; "
            f"{advice}",
            ["Row", *(f"{part} {metric.title}" for metric, part in self._columns), "How it was run"],
            rows,
            words_last=True,
        )

    def _rows(self, row: PublishedRow, published: Published) -> list[list[str]]:
        found = experiments_of(row, self.experiments)
        paper = [
            row.label,
            *(printed(row.score(metric.name, part), digits_of(metric)) for metric, part in self._columns),
            "published; measured below" if found else "published; not run here",
        ]
        return [paper, *(self._measured(name, row, published) for name in found)]

    def _measured(self, name: str, row: PublishedRow, published: Published) -> list[str]:
        scores = self.decoded[name]
        return [
            f"measured: {name}",
            *(_as_printed(metric, scores[part][metric.name]) for metric, part in self._columns),
            self._conditions(self.experiments[name], row, published),
        ]

    def _conditions(self, params: ExperimentParams, row: PublishedRow, published: Published) -> str:
        differences = [
            *data_that_differ(published.data, self.data, self.split, self.dataset),
            *settings_that_differ(published, row, params),
        ]
        if not differences:
            return "run on the paper's images under its settings, but for fresh folds (see the note)"
        return "run under other conditions: " + "; ".join(differences)


def published_confusion(
    experiments: Mapping[str, ExperimentParams],
    predictions: Mapping[str, pd.DataFrame],
    labels: NDArray[np.int64],
    classes: Sequence[str],
) -> Figure:
    """Draw the paper's matrices, and those measured of the same rows where the classes are the same."""
    published = read_published()
    matrices: dict[str, NDArray[np.float64]] = {}
    rows = {row.label: row for table in published.tables for row in table.rows}
    for matrix in published.confusion:
        matrices[f"published: {matrix.label}"] = np.array(matrix.counts)
        for name in (
            experiments_of(rows[matrix.label], experiments) if list(classes) == list(MATERIALS) else ()
        ):
            matrices[f"measured: {name}"] = decoded_confusion(predictions[name], labels, classes)[0]
    return Figure(
        "Mean counts over the folds' models on the held-out test and their share of the row, rows true (the "
        "paper's Figure 3: 104 images; 1.6 per multilabel model match no material and are in no column).",
        "Confusion matrices: " + ", ".join(matrices) + ".",
        confusion_matrices(matrices, MATERIALS),
    )


def _as_printed(metric: Metric, score: MeanStd) -> str:
    scale = 100 if metric.percent else 1
    return printed([score.mean * scale, score.std * scale], digits_of(metric))
