from pathlib import Path

import pytest

from tmdscope.tracking.store import Study, open_study, tracking_root, tracking_uri


def test_the_store_lies_at_an_absolute_path_in_the_project(store: Study) -> None:
    assert store.uri.startswith("sqlite:////")
    experiment = store.client.get_experiment(store.experiment_id)
    assert experiment.artifact_location.startswith("file:///")
    assert experiment.artifact_location.endswith("mlruns/artifacts/tests")


def test_a_study_is_opened_again_by_name(store: Study) -> None:
    assert open_study("tests").experiment_id == store.experiment_id


def test_a_deleted_study_comes_back(store: Study) -> None:
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
