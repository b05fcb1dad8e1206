"""A search in MLflow: a run per study, trial and fold; it goes on where it stopped, nothing stays open."""

from collections import Counter
from pathlib import Path

import optuna
import pytest
from mlflow.entities import Run
from sqlalchemy import event

from tests.tracking.searching import EPOCHS, FOLDS, SPACE, make_task
from tmdscope.errors import UserError
from tmdscope.search.storage import PatientStorage, StorageError, open_storage
from tmdscope.tracking.runs import TrackedRun
from tmdscope.tracking.search import SearchTask, TrackedSearch, join_search, lead_search
from tmdscope.tracking.store import Store

TRIALS = 5


@pytest.fixture
def storage(tmp_path: Path) -> PatientStorage:
    return open_storage(f"sqlite:///{tmp_path / 'optuna.db'}")


@pytest.fixture
def task(request: pytest.FixtureRequest) -> SearchTask:
    """A search of a name of its own, as all tests share a store."""
    return make_task(TRIALS, pause_s=0.0, name=request.node.name)


def runs_of(store: Store, task: SearchTask) -> list[Run]:
    query = f"tags.`optuna.study` = '{task.name}'"
    return list(store.client.search_runs([store.experiment_id], query, max_results=1000))


def test_study_trial_and_fold_are_runs_below_one_another(
    store: Store, storage: PatientStorage, task: SearchTask
) -> None:
    found, run_id = lead_search(store, storage, task)
    runs = {run.info.run_id: run for run in runs_of(store, task)}
    assert len(runs) == 1 + TRIALS * (1 + FOLDS)
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    trials = [run for run in runs.values() if run.info.run_name.startswith("trial-")]
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {run_id}
    assert {run.data.tags["optuna.state"] for run in trials} == {"COMPLETE"}
    best = next(run for run in trials if run.data.tags["optuna.trial"] == str(found.trial))
    assert best.data.metrics["val_macro_f1"] == pytest.approx(found.value)
    assert {name: float(value) for name, value in best.data.params.items()} == pytest.approx(found.settings)
    folds = [run for run in runs.values() if run.info.run_name.startswith("fold-")]
    below = Counter(run.data.tags["mlflow.parentRunId"] for run in folds)
    assert below == {run.info.run_id: FOLDS for run in trials}
    history = store.client.get_metric_history(folds[0].info.run_id, "epoch_val_macro_f1")
    assert [point.step for point in history] == list(range(1, EPOCHS + 1))


def test_the_studys_run_says_what_was_found_and_how(
    store: Store, storage: PatientStorage, task: SearchTask
) -> None:
    found, run_id = lead_search(store, storage, task)
    run = store.client.get_run(run_id)
    assert run.data.metrics["best_val_macro_f1"] == pytest.approx(found.value)
    assert run.data.metrics["trials.complete"] == TRIALS
    assert run.data.tags["best.trial"] == str(found.trial)
    assert (run.data.tags["sampler"], run.data.tags["seed"]) == ("tpe", "1")
    assert run.data.params["space.rate.kind"] == "log-uniform"
    shares = {name: run.data.metrics[f"importance.{name}"] for name in SPACE}
    assert shares == pytest.approx(found.importance)
    assert max(shares, key=lambda name: shares[name]) == "share"  # the score hangs on nothing else
    plots = {Path(entry.path).name for entry in store.client.list_artifacts(run_id, "plots")}
    assert plots == {"history.png", "parallel_coordinates.png", "slice.png", "importance.png"}


def test_a_pruned_trial_is_finished_and_says_that_it_was_pruned(
    store: Store, storage: PatientStorage
) -> None:
    task = make_task(9, pause_s=0.0, name="pruned", prune_folds=0.3)
    found, _ = lead_search(store, storage, task)
    assert found.progress.pruned > 0
    trials = [run for run in runs_of(store, task) if run.info.run_name.startswith("trial-")]
    assert {run.info.status for run in trials} == {"FINISHED"}
    states = Counter(run.data.tags["optuna.state"] for run in trials)
    assert states == {"COMPLETE": found.progress.complete, "PRUNED": found.progress.pruned}


def test_more_trials_go_on_with_the_same_study_and_run(store: Store, storage: PatientStorage) -> None:
    few, run_id = lead_search(store, storage, make_task(3, pause_s=0.0, name="more"))
    more, again = lead_search(store, storage, make_task(5, pause_s=0.0, name="more"))
    assert again == run_id
    assert (few.progress.over, more.progress.over) == (3, 5)
    runs = runs_of(store, make_task(5, name="more"))
    assert len(runs) == 1 + 5 * (1 + FOLDS)
    assert store.client.get_run(run_id).data.metrics["trials.complete"] == 5
    lead_search(store, storage, make_task(5, pause_s=0.0, name="more"))
    assert len(runs_of(store, make_task(5, name="more"))) == len(runs)


def test_an_interrupted_search_leaves_no_run_open_and_goes_on(
    store: Store, storage: PatientStorage, task: SearchTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective = task.objective
    folds = iter(range(100))
    run_fold = objective.run_fold

    def stop(*arguments: object) -> object:
        if next(folds) == FOLDS * 2 + 1:
            raise KeyboardInterrupt
        return run_fold(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(objective, "run_fold", stop)
        with pytest.raises(KeyboardInterrupt):
            lead_search(store, storage, task)
    states = Counter(run.info.status for run in runs_of(store, task))
    assert states["RUNNING"] == 0
    assert states["KILLED"] == 2  # the study's run and the trial's
    found, _ = lead_search(store, storage, task)
    assert found.progress.complete == TRIALS
    states = Counter(run.info.status for run in runs_of(store, task))
    assert states == {"FINISHED": 1 + TRIALS * (1 + FOLDS) + 1, "KILLED": 1}  # one fold of the killed trial


def test_only_runs_of_trials_that_are_over_are_ended(
    store: Store, storage: PatientStorage, task: SearchTask
) -> None:
    _, run_id = lead_search(store, storage, task)
    recorder = TrackedSearch(TrackedRun(store, run_id), task)
    for number in (100, 101, 102, 103):
        recorder.trial(number, {"rate": 0.1}, None)
    recorder.settle({100: "RUNNING", 101: "FAIL", 102: "COMPLETE", 103: "PRUNED"})
    status = {
        run.data.tags["optuna.trial"]: run.info.status
        for run in runs_of(store, task)
        if run.data.tags.get("optuna.trial", "").startswith("10")
    }
    assert status == {"100": "RUNNING", "101": "KILLED", "102": "FINISHED", "103": "FINISHED"}


def test_a_worker_needs_the_leaders_study_and_its_run(
    store: Store, storage: PatientStorage, task: SearchTask
) -> None:
    with pytest.raises(UserError, match="has no study"):
        join_search(store, storage, task)
    lead_search(store, storage, task)
    assert join_search(store, storage, task) == 0  # nothing is left to do
    study = optuna.load_study(study_name=task.name, storage=storage)
    study.set_user_attr("mlflow_run", "0" * 32)
    with pytest.raises(UserError, match="set MLFLOW_TRACKING_URI to the server"):
        join_search(store, storage, task)


def test_a_full_disk_stops_the_search_and_loses_no_finished_trial(
    store: Store, storage: PatientStorage, task: SearchTask
) -> None:
    lead_search(store, storage, make_task(2, pause_s=0.0, name=task.name))

    def fill(connection: object, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # type: ignore[attr-defined]

    storage.engine.dispose()
    event.listen(storage.engine, "connect", fill)
    with pytest.raises(StorageError, match="disk is full; finished trials are safe"):
        lead_search(store, storage, make_task(200, pause_s=0.0, name=task.name))
    event.remove(storage.engine, "connect", fill)
    storage.engine.dispose()
    kept = optuna.load_study(study_name=task.name, storage=storage).trials
    assert sum(trial.state.name == "COMPLETE" for trial in kept) >= 2
    assert "RUNNING" not in {run.info.status for run in runs_of(store, task)}
    found, _ = lead_search(store, storage, task)
    assert found.progress.complete == TRIALS
