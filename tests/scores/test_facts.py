"""Facts come back as they were written; a task is made anew from its record."""

import json
from pathlib import Path

import pytest

from tests.tracking.programs import make_facts
from tmdscope.errors import UserError
from tmdscope.record import write_record
from tmdscope.scores.facts import Facts
from tmdscope.scores.task import CLASSES, DETECTIONS, ORDERED_CLASSES, Task, quantity, read_task

OF = {"data": "ab" * 32}


@pytest.mark.parametrize(
    "task", [CLASSES, ORDERED_CLASSES, DETECTIONS, quantity("eV"), quantity("K", [1, 2.5], ".1f")]
)
def test_a_task_survives_its_record(task: Task) -> None:
    found = read_task(json.loads(json.dumps(task.record())))
    assert found.record() == task.record()
    told = [(metric.title, metric.direction, metric.tell(1.23)) for metric in task.metrics]
    assert [(metric.title, metric.direction, metric.tell(1.23)) for metric in found.metrics] == told


@pytest.mark.parametrize("record", [{}, [], {"name": "x"}, {"name": "quantity", "colour": 1}, {"name": []}])
def test_what_is_no_task_is_refused(record: object) -> None:
    with pytest.raises(ValueError, match="is no task that this version knows: classes, "):
        read_task(record)  # type: ignore[arg-type]


def test_facts_are_read_as_written_and_another_version_names_file_and_stage(tmp_path: Path) -> None:
    path, facts = tmp_path / "data" / "experiments" / "a" / "facts.json", make_facts(quantity("eV", [1.0]))
    facts.write(path, OF)
    assert json.dumps(Facts.read(path, OF).to_dict()) == json.dumps(facts.to_dict())
    for change, told in (
        ({"version": 7}, "is of version 7"),
        ({"split": 3}, r"\(split: "),
        ({"more": 1}, "more"),
    ):
        write_record(path, {**facts.to_dict(), **change}, OF)
        with pytest.raises(UserError, match=rf"facts\.json .*{told}.*crossval@a"):
            Facts.read(path, OF)
