import json
import time
from pathlib import Path

import pytest

from tmdscope.tracking.owner import owned
from tmdscope.tracking.runs import OWNER, DataUse, TrackedRun, end_orphans, flatten, start_run
from tmdscope.tracking.store import Store, open_study


def test_children_hang_below_their_parent(store: Store) -> None:
    with start_run(store, "parent", {"a": "1"}) as parent, start_run(store, "child", {}, parent) as child:
        pass
    found = store.client.get_run(child.run_id)
    assert found.data.tags["mlflow.parentRunId"] == parent.run_id
    assert found.info.status == "FINISHED"
    assert store.client.get_run(parent.run_id).data.tags["a"] == "1"


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_run_ends_as_what_it_was(store: Store, error: type[BaseException], status: str) -> None:
    with pytest.raises(error), start_run(store, "ends", {}) as run:
        raise error
    assert store.client.get_run(run.run_id).info.status == status


def test_the_next_run_ends_those_of_killed_processes_and_no_others(store: Store) -> None:
    own = start_run(store, "own", {})
    with owned() as owner:
        gone = [start_run(store, name, {OWNER: owner}, own) for name in ("killed", "its child")]
        other = start_run(open_study(store.name, "search"), "of another kind", {OWNER: owner}, own)
    elsewhere = start_run(store, "elsewhere", {OWNER: json.dumps({**json.loads(owner), "place": "another"})})
    with start_run(store, "next", {}):
        pass

    def status(run: TrackedRun) -> str:
        return str(store.client.get_run(run.run_id).info.status)

    assert [status(run) for run in gone] == ["KILLED", "KILLED"]
    assert status(other) == "KILLED"
    assert "cut off" in store.client.get_run(gone[0].run_id).data.tags["problem"]
    assert [status(run) for run in (own, elsewhere)] == ["RUNNING", "RUNNING"]
    end_orphans(store, 600, clock=lambda: time.time() - 3600)  # a clock that was put back ends nothing
    assert [status(run) for run in (own, elsewhere)] == ["RUNNING", "RUNNING"]
    end_orphans(store, 600, clock=lambda: time.time() + 601)
    assert [status(run) for run in (own, elsewhere)] == ["KILLED", "KILLED"]


def test_a_failed_child_fails_its_parent(store: Store) -> None:
    opened = []

    def study() -> None:
        with start_run(store, "parent", {}) as parent:
            opened.append(parent)
            for name in ("good", "bad"):
                with start_run(store, name, {}, parent) as child:
                    opened.append(child)
                    if name == "bad":
                        raise ValueError("of the child")

    with pytest.raises(ValueError, match="of the child"):
        study()
    statuses = [store.client.get_run(run.run_id).info.status for run in opened]
    assert statuses == ["FAILED", "FINISHED", "FAILED"]


def test_an_epoch_is_written_in_one_call(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    write = store.client.log_batch

    def count(run_id: str, **entries: object) -> None:
        calls.append(entries)
        write(run_id, **entries)

    monkeypatch.setattr(store.client, "log_batch", count)
    with start_run(store, "batched", {}) as run:
        run.metrics({f"metric_{k}": float(k) for k in range(20)}, step=3)
    assert len(calls) == 1
    assert len(store.client.get_run(run.run_id).data.metrics) == 20
    (point,) = store.client.get_metric_history(run.run_id, "metric_7")
    assert (point.step, point.value) == (3, 7.0)


def test_params_metrics_data_and_files_are_logged(store: Store, tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("x")
    data = DataUse("scans", "ab" * 32, "data/prepared", 12, "crossval")
    with start_run(store, "full", {}, data=data) as run:
        run.params({"lr": 0.1, "mlp": {"hidden": [2, 1]}})
        for epoch in (1, 2):
            run.metrics({"loss": 1.0 / epoch, "f1": 0.5}, step=epoch)
        run.tags({"late": "yes"})
        run.artifact(note)
    found = store.client.get_run(run.run_id)
    assert found.data.params == {"lr": "0.1", "mlp.hidden": "[2, 1]"}
    assert [(m.step, m.value) for m in store.client.get_metric_history(run.run_id, "loss")] == [
        (1, 1.0),
        (2, 0.5),
    ]
    assert found.data.tags["late"] == "yes"
    (logged,) = found.inputs.dataset_inputs
    assert (logged.dataset.name, logged.dataset.digest) == ("scans", ("ab" * 32)[:32])
    assert [item.path for item in store.client.list_artifacts(run.run_id)] == ["note.txt"]


def test_flatten_joins_names_with_dots() -> None:
    assert flatten({"a": 1, "b": {"c": 2, "d": {"e": 3}}}) == {"a": 1, "b.c": 2, "b.d.e": 3}


def test_a_class_of_any_name_has_metrics_of_its_own(store: Store) -> None:
    names = ["Fe(II) 100%", "Fe[II] 100%", "a-MoO3; thick/rough", "Größe μ", "MoS2"]
    with start_run(store, "names", {}) as run:
        run.metrics({f"test_recall.{name}": number for number, name in enumerate(names)})
        run.params({name: name for name in names})
    data = store.client.get_run(run.run_id).data
    assert sorted(data.metrics.values()) == [0, 1, 2, 3, 4]
    assert "test_recall.MoS2" in data.metrics
    assert sorted(data.params.values()) == sorted(names)
