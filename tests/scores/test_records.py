"""Scores on disk: keys as they always were, beside a version; others are refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.report.numbers import MEAN, POOLED, RELIABILITY
from tmdscope.errors import UserError
from tmdscope.record import JsonRecord, write_record
from tmdscope.scores.records import ExperimentScores, FamilySearch, StudyScores

PART = {"loss": MEAN, "accuracy": MEAN, "recall": {"MoS2": MEAN}}
EXPERIMENT = {
    **dict.fromkeys(("train", "val", "test"), PART),
    "best_fold": 1,
    "selection": {"macro_f1": 0.6, "optimism": 0.1},
    "out_of_fold": POOLED,
    "ensemble_test": {**POOLED, "accuracy_ci95": None},
    "reliability": RELIABILITY,
    "test_confusion": [[1.5, 0.0], [0.25, 2.0]],
}
STUDY = {
    "svc": {"train_accuracy": MEAN, "test_macro_f1": MEAN, "pooled": POOLED, "confusion": [[1, 0], [2, 3]]}
}
CHOICE = {
    "family": "knn",
    "settings": {"l2": True, "power": 1.0},
    "inner_macro_f1": 0.8,
    "inner_folds": [0.8],
    "images": 5,
    "accuracy": 0.75,
    "macro_f1": 0.7,
    "trial": 7,
    "trials": {"complete": 4, "pruned": 0, "failed": 0},
}
SEARCH = {"method": "In words.", "folds": [CHOICE], "pooled": POOLED}
CASES: list[tuple[type[JsonRecord], dict[str, Any]]] = [
    (ExperimentScores, EXPERIMENT),
    (StudyScores, STUDY),
    (FamilySearch, SEARCH),
]


@pytest.mark.parametrize(("kind", "content"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_keys_are_those_of_before_and_a_version(
    kind: type[JsonRecord], content: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "scores.json"
    kind.parse(content).write(path, {})
    assert kind.read(path) == kind.parse(content)
    written = json.loads(path.read_text())
    written.pop("record")
    assert written == {"version": 1, **content}


@pytest.mark.parametrize(("kind", "content"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_others_are_refused_by_name(kind: type[JsonRecord], content: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    write_record(path, {**content, "version": 2}, {})
    with pytest.raises(
        UserError, match=r"scores\.json is of version 2, this tmdscope reads version 1; .*dvc"
    ):
        kind.read(path)
    write_record(path, {**content, next(iter(content)): 3}, {})
    with pytest.raises(UserError, match=rf"scores\.json is not what tmdscope .*{next(iter(content))}"):
        kind.read(path)


def test_scores_of_a_part_and_of_a_class_are_told_apart() -> None:
    scores = ExperimentScores.parse(EXPERIMENT)
    assert scores.mean("val", "accuracy").mean == MEAN["mean"]
    assert scores.of_class("test", "recall", "WS2") is None
    with pytest.raises(KeyError, match="of each class"):
        scores.mean("val", "recall")
