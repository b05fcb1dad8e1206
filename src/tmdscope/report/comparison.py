"""The TMD paper's tables beside what the main study measured, row by row."""

from tmdscope.learn.summary import decoded_scores
from tmdscope.params.experiments import ExperimentParams
from tmdscope.report.page import Block, Note, Paragraph, Section, Table
from tmdscope.report.paper import (
    Part,
    Published,
    PublishedRow,
    PublishedTable,
    data_that_differ,
    experiments_of,
    printed,
    read_published,
    settings_that_differ,
)
from tmdscope.report.study import StudyResults

_SHOWN: tuple[Part, ...] = ("train", "val", "test")


def comparison_section(results: StudyResults) -> Section:
    """Set the paper's Tables 2 to 4 beside the study: every published row, measured or "not run"."""
    published = read_published()
    blocks: list[Block] = [
        Paragraph(
            "Published: Moses & Reinhart (doi:10.1088/2632-2153/ada2da), Tables 2 to 4 as printed; data and "
            "code: doi:10.5281/zenodo.13961220. Measured: this study's experiments of the same strategy, "
            "target, architecture and weights, decoded as in the paper (multilabel by exact match). Every "
            "difference in images and settings is named; a row under other conditions is no reproduction."
        ),
        Note(
            "The published validation numbers are not clean: the authors' released code carries the backbone "
            "from one fold to the next (not in row ImageNet*), so that every fold but the first starts from "
            "weights that were trained on its own validation images. No fold trains on the test images: the "
            "test column is the honest target. Here every fold starts afresh, and batch normalisation stays "
            "in training mode, which the released code leaves after the first epoch of the first fold."
        ),
        *(_table(table, published, results) for table in published.tables),
    ]
    return Section("Paper beside measured", blocks)


def _table(table: PublishedTable, published: Published, results: StudyResults) -> Table:
    rows = [cells for row in table.rows for cells in _row(row, published, results)]
    test = any("test" in row.accuracy for row in table.rows)
    advice = "compare the test column" if test else "it gives no test scores in this table"
    return Table(
        f"{table.name} ({table.about}): accuracy in % and macro F1, mean ± population standard deviation "
        f"over folds. The paper's fine-tuned validation scores carry over between folds; {advice}",
        [
            "Row",
            *(f"{part} accuracy" for part in _SHOWN),
            *(f"{part} F1" for part in _SHOWN),
            "How it was run",
        ],
        rows,
        words_last=True,
    )


def _row(row: PublishedRow, published: Published, results: StudyResults) -> list[list[str]]:
    found = experiments_of(row, results.experiments)
    paper = [
        row.label,
        *(printed(row.accuracy.get(part), 1) for part in _SHOWN),
        *(printed(row.macro_f1.get(part), 2) for part in _SHOWN),
        "published; measured below" if found else "published; not run here",
    ]
    return [paper, *(_measured(name, row, published, results) for name in found)]


def _measured(name: str, row: PublishedRow, published: Published, results: StudyResults) -> list[str]:
    scores = decoded_scores(results.predictions[name], results.labels, results.classes)
    return [
        f"measured: {name}",
        *(_written(scores[part]["accuracy"], 100, 1) for part in _SHOWN),
        *(_written(scores[part]["macro_f1"], 1, 2) for part in _SHOWN),
        _conditions(results.experiments[name], row, published, results),
    ]


def _written(score: dict[str, float], scale: int, digits: int) -> str:
    return printed([score["mean"] * scale, score["std"] * scale], digits)


def _conditions(
    params: ExperimentParams, row: PublishedRow, published: Published, results: StudyResults
) -> str:
    differences = [
        *data_that_differ(published.data, results.data, results.split, results.dataset),
        *settings_that_differ(published, row, params),
    ]
    if not differences:
        return "run on the paper's images under its settings, but for fresh folds (see the note)"
    return "run under other conditions: " + "; ".join(differences)
