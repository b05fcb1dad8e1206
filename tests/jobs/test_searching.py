"""A search of an experiment: who may work on it, and what is said when a worker cannot."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tmdscope.cli import app
from tmdscope.errors import UserError
from tmdscope.jobs.searching import local_workers
from tmdscope.tracking.search import open_searches, study_name

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies of the test's own."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("TMDSCOPE_SEARCH_STORAGE", raising=False)
    monkeypatch.delenv("TMDSCOPE_HEARTBEAT_S", raising=False)


def test_studies_lie_beside_the_runs_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_searches().is_local
    assert (tmp_path / "mlruns" / "optuna.db").is_file()
    monkeypatch.setenv("TMDSCOPE_SEARCH_STORAGE", f"sqlite:///{tmp_path / 'other.db'}")
    monkeypatch.setenv("TMDSCOPE_HEARTBEAT_S", "2")
    assert open_searches().heartbeat_interval == 2
    assert (tmp_path / "other.db").is_file()


def test_sqlite_has_no_second_process() -> None:
    refusal = "name a PostgreSQL database in TMDSCOPE_SEARCH_STORAGE"
    with pytest.raises(UserError, match=refusal), local_workers("features-multiclass", 1, PARAMS):
        pytest.fail("a worker was started")
    with local_workers("features-multiclass", 0, PARAMS):
        pass


def test_a_worker_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TMDSCOPE_SEARCH_STORAGE", "postgresql://nobody@127.0.0.1:9/none")
    with local_workers("features-multiclass", 1, tmp_path / "params.yaml"):
        pass
    told = capfd.readouterr().err
    assert "params.yaml does not exist" in told
    assert "failed, with exit status 1" in told


def test_another_identity_is_another_study() -> None:
    names = {study_name("e", identity) for identity in ({"data": "1"}, {"data": "2"}, {"code": "1"})}
    assert len(names) == 3
    assert study_name("e", {"data": "1"}) in names


@pytest.mark.parametrize("command", ["search", "search-worker"])
def test_an_unknown_experiment_is_named_with_the_known_ones(command: str) -> None:
    refused = CliRunner().invoke(app, [command, "features-multiclas", "--params", str(PARAMS)])
    assert refused.exit_code == 1
    assert "did you mean 'features-multiclass'" in refused.output
