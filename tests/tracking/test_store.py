import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import requests
from mlflow.exceptions import MlflowException
from sqlalchemy.engine import make_url

from tests.support.postgres import Server
from tests.support.silence import closed, listening, refusing
from tmdscope.errors import UserError
from tmdscope.tracking import store as store_module
from tmdscope.tracking.decisions import open_decisions
from tmdscope.tracking.store import (
    Store,
    connect,
    experiments_of,
    explain_error,
    open_study,
    search_storage_url,
    tracking_root,
    tracking_uri,
)


def test_the_store_lies_at_an_absolute_path_in_the_project(store: Store) -> None:
    assert store.uri.startswith("sqlite:////")
    experiment = store.client.get_experiment(store.experiment_id)
    assert experiment.artifact_location.startswith("file:///")
    assert experiment.artifact_location.endswith("mlruns/artifacts/tests")


def test_a_study_is_opened_again_by_name(store: Store) -> None:
    assert open_study("tests").experiment_id == store.experiment_id


def test_each_kind_of_a_study_has_an_experiment_of_model_training(store: Store) -> None:
    own, searches = open_study("kinds"), open_study("kinds", "search")
    others = open_study("kinds-of-another")
    assert {own.name, searches.name} == {"kinds"}
    found = store.client.get_experiment(searches.experiment_id)
    assert found.name == "kinds/search"
    assert found.tags["mlflow.experimentKind"] == "custom_model_development"
    assert found.artifact_location.endswith("mlruns/artifacts/kinds")
    assert set(experiments_of(store.client, "kinds")) == {own.experiment_id, searches.experiment_id}
    assert experiments_of(store.client, others.name) == [others.experiment_id]


def test_an_experiment_of_an_earlier_tmdscope_becomes_one_of_model_training(store: Store) -> None:
    made = store.client.create_experiment("of before")
    assert open_study("of before").experiment_id == made
    assert "mlflow.experimentKind" in store.client.get_experiment(made).tags


def test_a_deleted_study_comes_back(store: Store) -> None:
    gone = open_study("gone")
    store.client.delete_experiment(gone.experiment_id)
    assert open_study("gone").experiment_id == gone.experiment_id
    assert store.client.get_experiment(gone.experiment_id).lifecycle_stage == "active"


def test_a_queued_experiment_tracks_into_the_project_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "project"))
    monkeypatch.chdir(tmp_path)
    assert tracking_root() == tmp_path / "project" / "mlruns"
    assert tracking_uri() == f"sqlite:///{tmp_path / 'project' / 'mlruns' / 'mlflow.db'}"


def test_a_server_named_in_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert tracking_uri() == "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("server", "scheme", "remedy"),
    [
        (closed, "http", "refused; start it"),
        (listening, "http", r"timed out.*; start it"),
        (refusing, "http", "401.*MLFLOW_TRACKING_PASSWORD"),
        (closed, "postgresql+psycopg", "start it"),
    ],
)
def test_a_store_that_does_not_answer_is_told_at_once(
    server: Callable[[], AbstractContextManager[int]],
    scheme: str,
    remedy: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(store_module._PATIENCE, "MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    before = dict(os.environ)
    with server() as port:
        place = f"127.0.0.1:{port}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{scheme}://me:secret@{place}/runs")
        for opening in (connect, lambda: open_study("x")):
            with pytest.raises(UserError, match=rf"{place}.*{remedy}") as said:
                opening()
            assert "secret" not in str(said.value)
    assert {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"} == {
        name: value for name, value in before.items() if name != "MLFLOW_TRACKING_URI"
    }


@pytest.mark.postgres
def test_a_database_that_refuses_is_told(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    postgres.require_password("keeper", "right")
    url = make_url(postgres.create("runs_refused")).set(username="keeper", password="wrong")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url.render_as_string(hide_password=False))
    with pytest.raises(UserError, match=r"password authentication failed.*refuses these credentials") as said:
        connect()
    assert "wrong" not in str(said.value)


def test_reading_makes_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    for reading in (connect, open_decisions):
        with pytest.raises(UserError, match=r"no runs yet: .*mlruns/mlflow\.db does not exist.*dvc repro"):
            reading()
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_a_pipe_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "TMDSCOPE_SEARCH_STORAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlruns").mkdir()
    for name, opening in (("mlflow.db", connect), ("optuna.db", search_storage_url)):
        os.mkfifo(tmp_path / "mlruns" / name)
        with pytest.raises(UserError, match=f"{name} is no file"):
            opening()


def test_errors_in_the_middle_of_work_are_told_with_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@host:1")
    for error in (
        MlflowException("gone\nat length"),
        requests.ConnectionError("http://me:secret@host:1 gone"),
    ):
        said = explain_error(error)
        assert "MLflow's store http://host:1: " in str(said)
        assert "gone" in str(said)
        assert "secret" not in str(said)
        assert "at length" not in str(said)
    wordy = "(raised as a result of autoflush)\n(sqlite3.OperationalError) database or disk is full\n"
    assert "disk is full; free some space" in str(explain_error(MlflowException(wordy)))
    assert explain_error(KeyError("ours")) is None
