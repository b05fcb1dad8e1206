"""Confusion matrices: measured, in numbers, and the paper's beside."""

import numpy as np

from tests.report.study import CLASSES, experiment, predictions, study
from tmdscope.report.page import Figure, Paragraph, Table
from tmdscope.report.sections.classifiers import Confusion, confusion_table


def test_invalid_outputs_are_counted_and_the_papers_matrices_are_drawn() -> None:
    atoms = experiment(target="multilabel", architecture="resnet152", weights="imagenet-v2")
    settings = {"classes": experiment(), "atoms": atoms}
    tables = {"classes": predictions(), "atoms": predictions(wrong=[2], invalid=[1, 5])}
    measured, words, best, published = study(settings, tables).part(Confusion).section().blocks
    assert isinstance(measured, Figure)
    assert "classes, atoms, atoms, exact match" in measured.alt
    assert isinstance(words, Paragraph)
    assert "atoms: 1.0 of 8 per fold" in words.text
    assert isinstance(best, Table)
    assert best.caption.startswith("classes: mean counts")
    assert isinstance(published, Figure)
    assert "published: MtL (multilabel)" in published.alt
    assert "measured" not in published.alt  # two classes of five


def test_counts_and_the_share_named_rightly_are_in_numbers() -> None:
    table = confusion_table("Counts", np.array([[3.5, 0.5], [0.0, 0.0]]), CLASSES)
    assert table.rows == [["MoS2", "3.5", "0.5", "87.5"], ["WS2", "0", "0", "-"]]
