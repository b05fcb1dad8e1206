"""Where runs are is read as it was written; what another version wrote is refused with the stage to run."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.report.numbers import experiment_run, search_run, stage_runs
from tmdscope.errors import UserError
from tmdscope.record import JsonRecord, write_record
from tmdscope.run_record import NO_RUNS, RegisteredVersion, Registration
from tmdscope.scores.records import Pretraining

RECORDS: list[JsonRecord] = [
    stage_runs(svc="1", mlp="2"),
    replace(stage_runs(search="1"), outer_runs=["2", "3"], storage="sqlite"),
    NO_RUNS,
    search_run("finetune"),
    experiment_run("finetune"),
    Registration("m", "finetune", {"finetune": RegisteredVersion(3, "1")}),
    Pretraining("simulated", 48, [{"epoch": 1.0, "val_loss": 0.5}], {"true_coverage": 0.5}),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_is_read_as_it_was_written(tmp_path: Path, record: JsonRecord) -> None:
    path = tmp_path / "run.json"
    record.write(path, {"data": "d"})
    assert type(record).read(path, {"data": "d"}) == record
    if record.VERSION == 1:  # as before versions were written
        without = {key: value for key, value in record.to_dict().items() if key != "version"}
        write_record(path, without, {"data": "d"})
        assert type(record).read(path, {"data": "d"}) == record


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_another_version_or_a_key_that_lacks_is_refused(tmp_path: Path, record: JsonRecord) -> None:
    path, content = tmp_path / "run.json", record.to_dict()
    write_record(path, {**content, "version": record.VERSION + 1}, {})
    with pytest.raises(UserError, match=rf"run\.json is of version {record.VERSION + 1}"):
        type(record).read(path)
    content.popitem() if not isinstance(record, type(NO_RUNS)) else content.pop("made_at")
    write_record(path, content, {})
    with pytest.raises(UserError, match=r"run\.json is not what tmdscope writes there"):
        type(record).read(path)
