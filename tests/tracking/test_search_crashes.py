"""Searches on PostgreSQL: workers are killed, the database goes away, and every trial is there, once."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.context import ForkProcess

import numpy as np
import optuna
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from optuna.trial import TrialState

from tests.support.postgres import Server, find_binaries, serve
from tests.tracking.searching import FOLDS, fork, join, lead
from tmdscope.search.storage import StorageError, open_storage
from tmdscope.tracking.store import open_study

pytestmark = [pytest.mark.own_process, pytest.mark.postgres, pytest.mark.slow]

WORKERS, KILLS, TRIALS = 4, 6, 48
PAUSE_S = 0.1


@pytest.fixture
def workers() -> Iterator[list[ForkProcess]]:
    """Processes that do not outlive the test."""
    started: list[ForkProcess] = []
    yield started
    for process in started:
        process.kill()
        process.join()


@pytest.fixture
def places(postgres: Server, request: pytest.FixtureRequest) -> tuple[str, str]:
    """A database for the study and one for its runs, whose tables are there before workers start.

    This process opens neither: forked workers must not share its connections.
    """
    name = request.node.name.replace("test_", "")[:40]
    study, runs = postgres.create(f"{name}_study"), postgres.create(f"{name}_runs")
    maker = fork(open_study, runs, "hills")
    maker.join()
    assert maker.exitcode == 0
    return study, runs


def runs_of(tracking: str) -> list[Run]:
    client = MlflowClient(tracking_uri=tracking)
    experiment = client.get_experiment_by_name("hills")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], "", ViewType.ALL, max_results=10_000))


def await_trials(storage: str, count: int) -> None:
    """Wait until so many trials run or are over."""
    end = time.monotonic() + 360
    opened = open_storage(storage)
    while time.monotonic() < end:
        try:
            trials = optuna.load_study(study_name="hill", storage=opened).trials
        except KeyError:
            trials = []  # not made yet
        if sum(trial.state != TrialState.WAITING for trial in trials) >= count:
            opened.engine.dispose()
            return
        time.sleep(0.2)
    pytest.fail(f"{storage}: no {count} trials began within six minutes")


def check_complete(storage: str, tracking: str, trials: int) -> None:
    """Every place has one complete trial, every complete trial one run and its folds, and nothing runs."""
    study = optuna.load_study(study_name="hill", storage=storage)
    complete = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    assert sorted(trial.user_attrs["place"] for trial in complete) == list(range(trials))
    assert {trial.state for trial in study.trials} <= {TrialState.COMPLETE, TrialState.FAIL}
    runs = runs_of(tracking)
    assert "RUNNING" not in {run.info.status for run in runs}
    parents = {run.info.run_id: run for run in runs}
    of_trials = [run for run in runs if run.info.run_name.startswith("trial-")]
    finished = {int(run.data.tags["optuna.trial"]): run for run in of_trials if run.info.status == "FINISHED"}
    assert sorted(finished) == sorted(trial.number for trial in complete)
    for number, run in finished.items():
        assert run.data.tags["optuna.state"] == "COMPLETE"
        assert run.data.metrics["val_macro_f1"] == pytest.approx(study.trials[number].value)
        assert parents[run.data.tags["mlflow.parentRunId"]].info.run_name == "search-hill"
    folds = Counter(
        run.data.tags["mlflow.parentRunId"]
        for run in runs
        if run.info.run_name.startswith("fold-") and run.info.status == "FINISHED"
    )
    assert all(folds[run.info.run_id] == FOLDS for run in finished.values())
    assert Counter(run.info.run_name for run in runs)["search-hill"] == 1


def test_kills_lose_no_trial_and_double_none(places: tuple[str, str], workers: list[ForkProcess]) -> None:
    storage, tracking = places
    rng = np.random.default_rng(3)
    roles = [lead, *[join] * (WORKERS - 1)]
    workers += [fork(role, tracking, storage, TRIALS, PAUSE_S) for role in roles]
    await_trials(storage, WORKERS)
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.5, 3.0))
        victim = int(rng.integers(WORKERS))
        assert all(worker.exitcode in (None, 0) for worker in workers)
        os.kill(workers[victim].pid or 0, signal.SIGKILL)
        workers[victim].join()
        workers[victim] = fork(roles[victim], tracking, storage, TRIALS, PAUSE_S)
    for worker in workers:
        worker.join(timeout=180)
    assert [worker.exitcode for worker in workers] == [0] * WORKERS
    check_complete(storage, tracking, TRIALS)
    study = optuna.load_study(study_name="hill", storage=storage)
    states = Counter(trial.state.name for trial in study.trials)
    print(f"\n{TRIALS} trials, {KILLS} kills: {dict(states)}")
    assert states["FAIL"] > 0, "no kill met a running trial"


def test_workers_wait_for_a_database_that_is_gone(
    places: tuple[str, str], workers: list[ForkProcess], capfd: pytest.CaptureFixture[str]
) -> None:
    """The runs are kept elsewhere; the study's own server crashes and comes back."""
    binaries = find_binaries()
    assert binaries is not None
    with serve(binaries) as server:
        storage, tracking = server.create("gone"), places[1]
        workers += [fork(role, tracking, storage, 12, PAUSE_S) for role in (lead, join)]
        await_trials(storage, 4)
        server.stop()
        time.sleep(3)
        server.start()
        for worker in workers:
            worker.join(timeout=180)
        assert [worker.exitcode for worker in workers] == [0, 0]
        check_complete(storage, tracking, 12)
    told = capfd.readouterr().err
    assert "does not answer" in told
    assert "answers again, after" in told


def test_the_password_comes_from_the_environment_and_is_told_to_nobody(
    places: tuple[str, str], workers: list[ForkProcess], capfd: pytest.CaptureFixture[str]
) -> None:
    """A user who needs a password: libpq reads PGPASSWORD, and neither runs, study nor messages hold it."""
    binaries = find_binaries()
    assert binaries is not None
    secret = "tr0ub4dor"
    with serve(binaries) as server:
        server.require_password("keeper", secret)
        storage, tracking = server.create("kept").replace("postgres@", "keeper@"), places[1]
        with pytest.raises(StorageError, match="password"):
            open_storage(storage)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PGPASSWORD", secret)
            workers.append(fork(lead, tracking, storage, 2))
            workers[0].join(timeout=180)
            assert workers[0].exitcode == 0
            study = optuna.load_study(study_name="hill", storage=storage)
            held = [study.user_attrs, *(trial.user_attrs for trial in study.trials)]
        held += [run.to_dictionary() for run in runs_of(tracking)]
    captured = capfd.readouterr()
    assert all(secret not in text for text in (str(held), captured.out, captured.err))
