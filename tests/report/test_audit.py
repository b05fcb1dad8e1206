"""The audit's section says the verdict first and hides no number behind it."""

from pathlib import Path

import numpy as np

from tests.report.numbers import assert_stands_alone, audited, words
from tmdscope.report.page import Figure, Note, Page, Table
from tmdscope.report.sections.audit import AuditPart


def test_the_verdict_comes_first_and_every_table_is_there() -> None:
    found = audited()
    section = AuditPart(found).section()
    first = section.blocks[0]
    assert isinstance(first, Note)
    assert first.text == found.verdict.headline
    captions = [block.caption for block in section.blocks if isinstance(block, Table)]
    parts = (
        "May not be claimed",
        "Checks",
        "The same split",
        "Held-out",
        "6 blocks:",
        "6 blocks within classes:",
    )
    for part in (*parts, "Early or late", "What classes rest on", "The audit's own folds"):
        assert any(caption.startswith(part) for caption in captions), part
    assert sum(isinstance(block, Figure) for block in section.blocks) == 2
    cells = {
        cell for block in section.blocks if isinstance(block, Table) for row in block.rows for cell in row
    }
    verdict = found.verdict
    assert {*verdict.may, *verdict.may_not, *verdict.next} <= cells
    text = words(Page("", "", [section]))
    assert "steady: folds run backwards give the same predictions" in text


def test_without_an_order_the_section_says_so() -> None:
    section = AuditPart(audited(order=False)).section()
    assert any(isinstance(block, Note) and "No order" in block.text for block in section.blocks)
    assert sum(isinstance(block, Figure) for block in section.blocks) == 1


def test_the_page_stands_alone(tmp_path: Path) -> None:
    assert_stands_alone(Page("Audit", "", [AuditPart(audited()).section()]), tmp_path / "page.html")


def test_metrics_are_numbers_of_the_record() -> None:
    found = audited()
    numbers = AuditPart(found).metrics()["audit"]
    blocks = found.campaigns[0]
    assert numbers["campaigns"]["6 blocks"]["drop"] == blocks.drop.values["accuracy"]
    assert numbers["accuracy"]["features"] == found.confounds[0].score.values["accuracy"]
    assert numbers["checks"]["campaigns"] is False
    assert np.isfinite(numbers["twice_the_samples"])
