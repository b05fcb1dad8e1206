"""The report of any study on a table, of classes or of numbers, from what its stages left."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.audit.studies import PARAMS, SCORING, make_numbers, make_table
from tests.report.numbers import assert_stands_alone, run_record, stage_runs, words
from tmdscope.audit.study import audit
from tmdscope.dataset.splits import make_split
from tmdscope.jobs.report import run
from tmdscope.jobs.study import Study
from tmdscope.jobs.table_report import table_report
from tmdscope.layout import Layout
from tmdscope.report.part import Report
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.records import FamilySearch, StudyScores


def left(cohort: Cohort) -> Study:
    """Write what the stages leave of two methods, one of which is right, in the current folder."""
    study = Study(
        "own_table", {}, Layout("own_table"), Path("own.csv"), lambda _: cohort, cohort.task.record()
    )
    layout, task, rows = study.layout, cohort.task, np.arange(len(cohort))
    ids = cohort.image_ids.tolist()
    split = make_split(cohort.stratum, cohort.groups.tolist(), ids, 4, 2)
    split.write(layout.split, cohort.digest)
    of, naive = study.of(cohort.digest), np.full(len(cohort), task.naive(cohort.targets))
    scores: dict[str, Any] = {}
    for name, predicted in {"right": cohort.targets, "naive": naive}.items():
        own = {
            key: {"mean": value, "std": 0.0} for key, value in task.scores(cohort.targets, predicted).items()
        }
        means = {f"{part}_{key}": value for part in ("train", "val", "test") for key, value in own.items()}
        scores[name] = {**means, "pooled": cohort.pooled(rows, predicted, SCORING)}
        if cohort.classes:
            scores[name]["confusion"] = np.eye(len(cohort.classes), dtype=int).tolist()
    StudyScores.parse(scores).write(layout.scores, of)
    stage_runs(right=32 * "a", naive=32 * "b").write(layout.run, of)
    choice = {
        **task.scores(cohort.targets, naive),
        f"inner_{task.primary.name}": 0.5,
        "family": "knn",
        "settings": {"power": 1.0, "l2": False, "standardise": True, "neighbours": 3},
        "inner_folds": [0.5, 0.5],
        "images": 5,
        "trial": 0,
        "trials": {"complete": 1, "pruned": 0, "failed": 0},
    }
    found = {"method": "Nested.", "folds": [choice] * 3, "pooled": scores["right"]["pooled"]}
    FamilySearch.parse(found).write(layout.search, {"data": cohort.digest})
    stage_runs(search=32 * "c").write(layout.search_run, {"data": cohort.digest})
    replace(audit(cohort, {}, PARAMS, SCORING, {}), **run_record()).write(layout.audit, of)
    return study


TITLES = [
    *("In short", "Data and split", "What the score is worth", "Classifiers, two folds"),
    *("Pooled over three outer folds", "A search over families of classifiers", "Confusion matrices"),
    *("Environment and provenance", "How to reproduce"),
]


@pytest.fixture(scope="module", params=["classes", "numbers"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Study]:
    cohort = make_table(3, samples=36, by_class=2.0) if request.param == "classes" else make_numbers(3, 1.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("study"))
        study = left(cohort)
        run(study)
        assert study.layout.page.is_file()
        report = table_report(study)
        assert json.loads(study.layout.metrics.read_text())["pooled"]["right"]
        return report, study


def test_every_part_is_there_and_confusion_only_of_classes(made: tuple[Report, Study]) -> None:
    report, study = made
    classes = study.task["name"] == "classes"
    shown = [section.title for section in report.page().sections]
    titles = [title for title in TITLES if classes or title != "Confusion matrices"]
    if not classes:
        titles = [
            title.replace("Classifiers", "Methods").replace("classifiers", "methods") for title in titles
        ]
    assert shown == titles


def test_numbers_and_sentences_are_of_the_study(made: tuple[Report, Study], tmp_path: Path) -> None:
    report, study = made
    cohort = study.cohort(study)
    numbers, page = report.metrics(), report.page()
    assert set(numbers) == {"dataset", "split", "audit", "classifiers", "confusion", "pooled", "search"}
    assert numbers["dataset"]["sha256"] == cohort.digest
    assert set(numbers["split"]["test"]) == set(cohort.strata)
    plain = cohort.task.plain
    assert set(numbers["classifiers"]["right"]) >= {f"test_{metric.name}" for metric in cohort.task.metrics}
    assert f"{plain.title[0].upper()}{plain.title[1:]} when the sample was never seen" in words(page)
    assert page.title == "Own table"
    assert "dvc repro pipelines/own_table/dvc.yaml" in words(page)
    assert_stands_alone(page, tmp_path / "index.html")
