"""Commands that reach a database and a server behind a login leave the password nowhere."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.pipelines.conftest import SEARCHED, Clone
from tests.pipelines.test_search_hosts import make_host
from tests.support import mlflow_server, postgres
from tests.support.login import Gate, behind_login
from tests.support.secrets import MARKER, planted, run_watched, traces, traces_in

pytestmark = pytest.mark.slow

ME = f"me:{MARKER}"


@pytest.fixture
def command(study: Clone, tmp_path: Path) -> Callable[..., str]:
    """Run a command in a copy of the project with the marker in every variable, and look for it."""
    copy = make_host(study, tmp_path / "project").root
    shutil.rmtree(copy / "tests")  # they hold the marker

    def run(gate: Gate, *arguments: str, **variables: str) -> str:
        known = {"MLFLOW_TRACKING_USERNAME": "me", "PYTHONPATH": str(copy / "src")} | variables
        marked = planted(f"127.0.0.1:{gate.server_port}") | known
        del marked["MLFLOW_TRACKING_TOKEN"]  # else sent in the password's place
        ended, output, lines = run_watched([sys.executable, "-m", "tmdscope.cli", *arguments], copy, marked)
        assert ended == 0, output
        assert lines
        assert [traces(output), traces(lines), traces_in(copy)] == [[], [], []]
        return output

    return run


@pytest.mark.postgres
def test_a_search_and_its_workers(command: Callable[..., str], tmp_path: Path) -> None:
    binaries = postgres.find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL on this machine: install Debian's package postgresql")
    (tmp_path / "artifacts").mkdir()
    with (
        postgres.serve(binaries) as database,
        mlflow_server.serve(f"sqlite:///{tmp_path / 'runs.db'}", tmp_path / "artifacts") as server,
        behind_login(server, ME) as gate,
    ):
        database.create("trials")
        database.require_password("me", MARKER)
        address = f"postgresql+psycopg://me@127.0.0.1:{database.port}/trials"  # PGPASSWORD has the password
        command(gate, "search", SEARCHED, "--workers", "2", TMDSCOPE_SEARCH_STORAGE=address)
        assert gate.passed
    assert traces_in(tmp_path) == []


def test_predict(study: Clone, command: Callable[..., str], tmp_path: Path) -> None:
    scan = tmp_path / "scan.png"
    Image.new("L", (64, 64)).save(scan)
    with (
        mlflow_server.serve(study.uri, study.root / "mlruns" / "artifacts") as server,
        behind_login(server, ME) as gate,
    ):
        assert "scan.png" in command(gate, "predict", "--model", "best", str(scan))
        assert gate.passed
