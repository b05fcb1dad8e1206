"""Which classes are taken for which: measured, and where there are any, as the TMD paper printed them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tmdscope.learn.summary import decoded_confusion
from tmdscope.materials import MATERIALS
from tmdscope.report.figures.scores import confusion_matrices
from tmdscope.report.page import Block, Figure, Paragraph, Section, Table
from tmdscope.report.paper import experiments_of, read_published
from tmdscope.report.study import StudyResults


def confusion_section(results: StudyResults) -> Section:
    """Write the confusion matrices: every experiment's on the held-out test, the best one's, the paper's."""
    test = next(iter(results.scores.values()))["ensemble_test"]["images"]
    matrices = {name: np.array(score["test_confusion"]) for name, score in results.scores.items()}
    best = results.registered["best"]
    invalid = []
    for name in results.multilabel:
        counts, missing = decoded_confusion(results.predictions[name], results.labels, results.classes)
        matrices[f"{name}, exact match"] = counts
        invalid.append(f"{name}: {missing:.1f} of {test} per fold")
    blocks: list[Block] = [
        Figure(
            f"Mean counts over folds on the held-out test ({test} images), rows true, and their share of "
            "the row. Columns are the most probable class, or the exact match where the title says so.",
            "Confusion matrices of " + ", ".join(matrices) + ".",
            confusion_matrices(matrices, results.classes),
        )
    ]
    if invalid:
        words = "Multilabel outputs that match no material exactly are in no column and in no share: "
        blocks.append(Paragraph(words + "; ".join(invalid) + "."))
    caption = (
        f"{best}: mean counts over folds on the held-out test ({test} images), the most probable class; a "
        "row per true class"
    )
    blocks += [confusion_table(caption, matrices[best], results.classes), _published(results)]
    return Section("Confusion matrices", blocks)


def confusion_table(caption: str, counts: ArrayLike, classes: Sequence[str]) -> Table:
    """Write a confusion matrix, rows true, shape (classes, classes), and the share of each named rightly."""
    rows = []
    for name, row, hits in zip(classes, np.asarray(counts), np.diagonal(counts), strict=True):
        share = f"{hits / row.sum() * 100:.1f}" if row.sum() else "-"
        rows.append([name, *(f"{count:.4g}" for count in row), share])
    return Table(caption, ["True class", *classes, "named rightly (%)"], rows)


def _published(results: StudyResults) -> Figure:
    """Draw the paper's matrices, and those measured of the same rows where the classes are the same."""
    published = read_published()
    matrices: dict[str, Any] = {}
    rows = {row.label: row for table in published.tables for row in table.rows}
    for matrix in published.confusion:
        matrices[f"published: {matrix.label}"] = np.array(matrix.counts)
        if results.classes == list(MATERIALS):
            for name in experiments_of(rows[matrix.label], results.experiments):
                matrices[f"measured: {name}"] = decoded_confusion(
                    results.predictions[name], results.labels, results.classes
                )[0]
    return Figure(
        "Mean counts over the folds' models on the held-out test and their share of the row, rows true (the "
        "paper's Figure 3: 104 images; 1.6 per multilabel model match no material and are in no column).",
        "Confusion matrices: " + ", ".join(matrices) + ".",
        confusion_matrices(matrices, MATERIALS),
    )
