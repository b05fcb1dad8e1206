"""A tracked cross-validation that is killed again and again ends as if it had run once."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlflow.entities import Run

from tests.tracking.killed import EPOCHS
from tests.tracking.programs import IMAGES, make_program
from tmdscope.learn.resume import Resume
from tmdscope.learn.together import VARIABLE
from tmdscope.tracking.models import load_program
from tmdscope.tracking.runs import end_attempt, start_run
from tmdscope.tracking.store import Store, open_study

KILLS = 4


def start(folder: Path, name: str, at_once: int = 1) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.tracking.killed", str(folder), name]
    environment = {**os.environ, VARIABLE: str(at_once)}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "training"
    return process


def finish(folder: Path, name: str) -> tuple[dict[str, Any], float]:
    process = start(folder, name)
    began = time.monotonic()
    assert process.wait() == 0
    record: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return record, time.monotonic() - began


def metrics_of(study: Store, run: Run) -> dict[str, list[tuple[int, float]]]:
    """Every metric's points; histories that hold a step twice show it."""
    return {
        key: [(point.step, point.value) for point in study.client.get_metric_history(run.info.run_id, key)]
        for key in run.data.metrics
    }


@pytest.mark.slow
def test_kills_leave_no_trace_in_the_tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    study = open_study("killed")  # the schema is there before the clock starts
    unbroken, seconds = finish(tmp_path, "unbroken")
    rng = np.random.default_rng(7)
    for kill in range(KILLS):
        process = start(tmp_path, "killed", at_once=2 - kill % 2)
        time.sleep(rng.uniform(0.1, 0.9) * seconds * (kill + 1) / KILLS)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() in (-signal.SIGKILL, 0)
        if (tmp_path / "killed.json").exists():  # it got through between two kills: nothing left to kill
            break
    assert kill > 1
    broken, _ = (
        finish(tmp_path, "killed")
        if kill == KILLS - 1
        else (json.loads((tmp_path / "killed.json").read_text()), 0)
    )
    runs = study.client.search_runs([study.experiment_id])
    assert len(runs) == 2 * 3
    assert {run.info.status for run in runs} == {"FINISHED"}
    pairs = zip(
        [unbroken["run_id"], *unbroken["fold_run_ids"]],
        [broken["run_id"], *broken["fold_run_ids"]],
        strict=True,
    )
    for whole, mended in pairs:
        wanted, got = (metrics_of(study, study.client.get_run(run_id)) for run_id in (whole, mended))
        assert got == wanted
    logged = study.client.search_logged_models([study.experiment_id])
    assert {model.source_run_id for model in logged} == {unbroken["run_id"], broken["run_id"]}
    assert len(logged) == 2
    for run_id in broken["fold_run_ids"]:
        outputs = study.client.get_run(run_id).outputs.model_outputs
        assert [f"models:/{model.model_id}" for model in outputs] == [broken["model_uri"]]
    assert len(metrics_of(study, study.client.get_run(broken["fold_run_ids"][0]))["epoch_val_loss"]) == EPOCHS
    images = torch.from_numpy(IMAGES)
    with torch.inference_mode():
        wanted, got = (load_program(r["model_uri"]).ensemble(images) for r in (unbroken, broken))
    assert torch.equal(got, wanted)


def test_a_reopened_run_takes_no_metric_twice(store: Store) -> None:
    for value in (1.0, 2.0):
        with start_run(store, "again", {}, attempt="attempt-1") as run:
            run.metrics({"loss": value}, step=3)
            run.metrics({"loss": value}, step=3 + int(value))
    points = store.client.get_metric_history(run.run_id, "loss")
    assert sorted((point.step, point.value) for point in points) == [(3, 1.0), (4, 1.0), (5, 2.0)]


def test_runs_of_other_attempts_and_names_are_left_alone(store: Store) -> None:
    ids = []
    for name, attempt in (("one", "attempt-2"), ("two", "attempt-2"), ("one", "attempt-3"), ("one", None)):
        with start_run(store, name, {}, attempt=attempt) as run:
            ids.append(run.run_id)
    assert len(set(ids)) == 4
    with start_run(store, "one", {}, attempt="attempt-3") as run:
        assert run.run_id == ids[2]


def test_folds_are_found_below_their_parent(store: Store) -> None:
    ids = []
    for _ in range(2):
        with (
            start_run(store, "parent", {}, attempt="attempt-4") as parent,
            start_run(store, "fold-0", {}, parent, attempt="attempt-4") as child,
        ):
            ids.append((parent.run_id, child.run_id))
    assert ids[0] == ids[1]


def test_an_abandoned_attempt_is_marked_killed(store: Store, tmp_path: Path) -> None:
    first = Resume.open(tmp_path / "a", {"settings": "1"}, {})
    created = store.client.create_run(store.experiment_id, tags={"attempt": first.attempt}, run_name="left")
    second = Resume.open(tmp_path / "a", {"settings": "2"}, {})
    assert second.abandoned is not None
    end_attempt(store, second.abandoned)
    assert store.client.get_run(created.info.run_id).info.status == "KILLED"


def test_a_run_is_not_over_when_its_model_is_logged(store: Store) -> None:
    """Whoever is killed between the model and the metrics has to find the run unfinished."""

    def status() -> str:
        return str(store.client.get_run(run.run_id).info.status)

    with start_run(store, "models", {}, attempt="attempt-6") as run:
        run.program(make_program(members=1))
        assert status() == "RUNNING"
    assert status() == "FINISHED"


def test_a_half_logged_model_is_replaced(store: Store) -> None:
    with start_run(store, "models", {}, attempt="attempt-5") as run:
        half = store.client.create_logged_model(store.experiment_id, name="model", source_run_id=run.run_id)
    with start_run(store, "models", {}, attempt="attempt-5") as run:
        uri = run.program(make_program(members=1))
    with start_run(store, "models", {}, attempt="attempt-5") as run:
        assert run.program(make_program(members=1)) == uri
    logged = store.client.search_logged_models(
        [store.experiment_id], filter_string=f"source_run_id = '{run.run_id}'"
    )
    assert [model.model_uri for model in logged] == [uri]
    assert half.model_uri != uri
