"""What both studies' report tests share: scores to write from, and ways to read a page."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.learn.audit.studies import PARAMS, SCORING, make_table
from tmdscope.learn.audit.study import audit
from tmdscope.report.page import Page, Table, write_page

POOL = {
    "images": 8,
    "samples": 4,
    "accuracy": 0.8125,
    "macro_f1": 0.8,
    "accuracy_ci95": [0.7, 0.9],
    "macro_f1_ci95": [0.6, 0.9],
}
POOLED = {**POOL, "distinct": {**POOL, "images": 7}}
RELIABILITY = {
    "images": 8,
    "samples": 4,
    "ece_before": 0.123,
    "ece_after": 0.045,
    "nll_before": 0.71,
    "nll_after": 0.69,
    "coverage": 0.875,
    "coverage_ci95": [0.75, 1.0],
    "set_size": 1.5,
    "flagged": 0.025,
    "flagged_ci95": [0.0, 0.125],
}
MEAN = {"mean": 0.75, "std": 0.05}
RELATIONS = {
    "cumulative_explained_variance_3": 0.987,
    "descriptors": {
        "grain_density": {
            "negative": {"r": -0.25, "component": 3},
            "positive": {"r": 0.48, "component": 2},
            "regression_r": 0.61,
        }
    },
    "regression_cosine": {"grain_density": {}},
}


@cache
def audited(order: bool = True) -> Any:
    """An audit as ``audit.json`` holds it: a study whose score is campaign."""
    table = make_table(2, samples=36, by_campaign=3.0, order=order)
    runners = {"steady": (lambda number: np.array([number]), 2)}
    return json.loads(json.dumps(audit(table, {}, PARAMS, SCORING, runners)))


def words(page: Page) -> str:
    return json.dumps([page.title, page.lead, [section.__dict__ for section in page.sections]], default=repr)


def tables(page: Page) -> list[Table]:
    return [block for section in page.sections for block in section.blocks if isinstance(block, Table)]


def assert_stands_alone(page: Page, path: Path) -> None:
    """The written page fetches nothing, runs no script, and has words for every picture."""
    write_page(path, page)
    html = path.read_text(encoding="utf-8")
    assert re.findall(r"""(?:src|href)=["'](?!data:|#)|url\(|@import|<script""", html) == []
    pictures = re.findall(r"<img [^>]*>", html)
    assert pictures
    assert all(re.search(r'alt="[^"]+"', picture) for picture in pictures)
