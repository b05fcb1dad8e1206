"""What sequences leave on disk is read back as it was, or refused with the file and the remedy."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.sequential.small import params, plan_of
from tests.sequential.test_outcome import some, summary
from tmdscope.errors import UserError
from tmdscope.record import read_record, write_record
from tmdscope.scores.task import CLASSES
from tmdscope.sequential.record import (
    PANEL_COLUMNS,
    AddedRecord,
    SequenceRecord,
    SequenceSettings,
    StageVersion,
    write_left_out,
)

METRIC = CLASSES.primary
OF = {"data": "ab" * 32}
BOTH = ["multiclass", "multilabel"]
VERSIONS = [StageVersion("m-3", 1, "multiclass", 3, "full", 1), StageVersion("m", 2, "multiclass", 4, 8, 1)]
SUMMARY = summary(plan_of(encodings=BOTH), lambda training, fold: some(0.7, fold))
SETTINGS = {**params(encodings=BOTH).model_dump(mode="json"), "training": {"epochs": 2}, "epochs": 2}
RECORD = SequenceRecord(
    **vars(SUMMARY),
    versions=VERSIONS,
    settings=SequenceSettings.model_validate(SETTINGS),
    seconds=1.5,
    panels=pd.DataFrame([("multiclass", 2, "i1", "MoS2", 0.5, -0.25)], columns=list(PANEL_COLUMNS)),
)


def write(folder: Path) -> tuple[Path, Path]:
    path, panels = folder / "sequential.json", folder / "latent.csv"
    RECORD.write(path, panels, OF, METRIC)
    return path, panels


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    path, panels = write(tmp_path)
    found = SequenceRecord.read(path, panels, OF, METRIC)
    assert found == RECORD
    assert found.settings.model_dump() == SETTINGS
    pd.testing.assert_frame_equal(found.panels, RECORD.panels)


def test_keys_on_disk_name_the_metric_and_leave_out_what_is_not_there(tmp_path: Path) -> None:
    content = read_record(write(tmp_path)[0])
    assert (content["version"], content["enabled"]) == (1, True)
    assert set(content) == {
        *("version", "enabled", "versions", "settings", "seconds", "stages", "members", "points"),
        *("chains", "comparisons", "leak", "drift"),
    }
    parts = {"train", "val", "test"}
    place = {"arm", "encoding", "materials", "volume"}
    assert set(content["points"][0]) == {*place, *parts, "test_macro_f1_ci95", "recall", "changed"}
    assert content["points"][0]["changed"] == {}
    assert set(content["points"][0]["test"]) == {"accuracy", "macro_f1"}
    assert set(content["chains"][0]) == {
        *("encoding", "recall", "classes", "backward_transfer", "forgetting"),
    }
    score = {"val_macro_f1", "test_macro_f1", "test_macro_f1_ci95"}
    assert set(content["leak"][0]) == {"encoding", "materials", "seen", *score}
    questions = [set(entry) for entry in content["comparisons"]]
    assert questions[0] - questions[-1] == {"encoding"}
    assert set(content["settings"]) == set(SETTINGS)


def test_an_addition_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = AddedRecord(**vars(SUMMARY), model="models:/m/3", versions=VERSIONS)
    record.write(tmp_path / "added.json", METRIC)
    assert AddedRecord.read(tmp_path / "added.json", METRIC) == record


def test_one_sample_has_no_interval_on_disk_either(tmp_path: Path) -> None:
    record = AddedRecord(**vars(SUMMARY), model="m", versions=[])
    record = replace(record, points=[replace(point, ci95=None) for point in record.points])
    record.write(tmp_path / "added.json", METRIC)
    assert json.loads((tmp_path / "added.json").read_text())["points"][0]["test_macro_f1_ci95"] is None
    assert AddedRecord.read(tmp_path / "added.json", METRIC) == record


def test_sequences_that_are_left_out_have_no_record(tmp_path: Path) -> None:
    path, panels = tmp_path / "sequential.json", tmp_path / "latent.csv"
    write_left_out(path, panels, OF)
    assert read_record(path) == {"version": 1, "enabled": False}
    assert SequenceRecord.read(path, panels, OF, METRIC) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "is of version 2, this tmdscope reads version 1"),
        ({"version": "x"}, "is of version 'x'"),
        ({"members": "many"}, "members: Input should be a valid integer"),
        ({"points": 3}, "points"),
        ({"points": [3]}, "points.0"),
        ({"leak": None}, "leak"),
        ({"comparisons": [{}]}, "comparisons.0.question: Field required"),
        ({"settings": {}}, "settings.enabled: Field required"),
    ],
    ids=["later version", "no version", "type", "no list", "no entry", "null", "lacking", "settings"],
)
def test_what_is_no_record_of_this_version_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path, panels = write(tmp_path)
    write_record(path, {**read_record(path), **change}, OF, [panels])
    with pytest.raises(UserError, match=r"sequential\.json .*dvc repro") as refused:
        SequenceRecord.read(path, panels, OF, METRIC)
    assert message in str(refused.value)


def test_panels_of_another_record_are_refused(tmp_path: Path) -> None:
    path, panels = write(tmp_path)
    panels.write_text(panels.read_text().replace("MoS2", "WS2"))
    with pytest.raises(UserError, match=r"latent\.csv is not the file that"):
        SequenceRecord.read(path, panels, OF, METRIC)
