"""An audit reads back as it was written, what is none is refused, numbers are audited as classes are."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.audit.studies import EV, PARAMS, SCORING, make_numbers, make_table
from tests.audit.test_findings import parts_of
from tmdscope.audit.campaigns import MOSTLY, NONE
from tmdscope.audit.record import Audit
from tmdscope.audit.study import audit
from tmdscope.errors import UserError
from tmdscope.files import read_json, write_json
from tmdscope.report.page import Table
from tmdscope.report.sections.audit import AuditPart
from tmdscope.scores.task import CLASSES, Task

MAE = replace(EV, name="made up", metrics=(EV.primary, EV.plain))
"""A task whose plain metric is the better the lower it is."""


def audited(task: Task, **changes: float) -> Audit:
    table = make_numbers(2, task=task, **changes)
    parts = {"test": np.arange(16), "fold0_train": np.arange(16, 90), "fold0_val": np.arange(90, 120)}
    return audit(table, parts, PARAMS, SCORING, {"steady": (lambda number: np.array([number]), 2)})


@pytest.mark.parametrize("task", [EV, MAE], ids=["R2", "MAE"])
def test_numbers_are_audited_as_classes_are(task: Task, tmp_path: Path) -> None:
    surface, campaign = audited(task, by_target=20.0), audited(task, by_campaign=3.0)
    assert surface.verdict.campaign == NONE
    assert campaign.verdict.campaign == MOSTLY
    assert "campaigns" in campaign.failed_checks
    assert surface.learning_curve.gain >= 0
    metric = task.plain
    assert metric.gain(surface.learning_curve.score[-1], surface.learning_curve.score[0]) > 0
    first = campaign.campaigns[0]
    assert metric.gain(first.control.values[metric.name], first.held_out.values[metric.name]) > 0
    assert first.lost_share is not None
    assert first.lost_share[0] > 0.5
    assert len(surface.groups.classes) == 5
    assert all(fold.binomial_ci95 is None for fold in surface.folds.outer)
    campaign.write(tmp_path / "audit.json")
    assert Audit.read(tmp_path / "audit.json", task) == campaign
    assert read_json(tmp_path / "audit.json")["learning_curve"][metric.name]
    section, numbers = AuditPart(campaign).section(), AuditPart(campaign).metrics()["audit"]
    header = next(
        block for block in section.blocks if isinstance(block, Table) and "other eyes" in block.caption
    )
    assert header.header[1] == ("R2" if task is EV else "MAE (eV)")
    assert numbers[metric.name]["features"] == campaign.confounds[0].score.values[metric.name]


def test_the_words_follow_the_metric() -> None:
    found = audited(MAE, by_campaign=3.0)
    assert found.verdict.headline.startswith("MAE 0.")
    assert "eV above a matched control" in found.verdict.headline
    assert "%" not in found.verdict.headline


def test_an_audit_reads_back_as_it_was_written(tmp_path: Path) -> None:
    table = make_table(2, by_class=1.0)
    found = replace(
        audit(table, parts_of(table), PARAMS, SCORING, {}), images_of=500, provenance={"data.sha256": "ab"}
    )
    path = tmp_path / "audit.json"
    found.write(path)
    content = read_json(path)
    assert content["version"] == 1
    assert not {"task", "run_id"} & set(content)
    assert {"accuracy", "accuracy_ci95"} < set(content["learning_curve"])
    assert set(content["confounds"][0]["score"]) >= {"accuracy", "macro_f1_ci95", "images"}
    assert Audit.read(path, CLASSES) == found
    found.write(path, {"data": "12"})
    assert Audit.read(path, CLASSES, {"data": "12"}) == found
    with pytest.raises(UserError, match=r"audit\.json is of other data"):
        Audit.read(path, CLASSES, {"data": "13"})


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda found: found.pop("version"), "no audit of version 1"),
        (lambda found: found.update(version=2), "no audit of version 1"),
        (lambda found: found.pop("folds"), "'folds'"),
        (lambda found: found["folds"].update(outer=7), "no audit of classes"),
        (lambda found: found.pop("groups"), "groups: Field required"),
        (lambda found: found["confounds"][0].update(score=[]), "confounds.0.score"),
        (lambda found: found["confounds"][0]["score"].update(accuracy="high"), "confounds.0.score.values"),
        (lambda found: found.update(verdict={}), "verdict.headline"),
        (lambda found: found.update(failed_checks=None), "failed_checks"),
    ],
)
def test_what_is_no_audit_is_refused(tmp_path: Path, damage: Callable[[Any], Any], told: str) -> None:
    path = tmp_path / "data" / "audit.json"
    audit(make_table(2, order=False), {}, PARAMS, SCORING, {}).write(path)
    content = read_json(path)
    damage(content)
    write_json(path, content)
    with pytest.raises(UserError, match=r"audit\.json .*dvc repro") as error:
        Audit.read(path, CLASSES)
    assert told in str(error.value)
