"""Four workers on two hosts share one study and one MLflow server, through the commands that a user types."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient
from optuna.trial import FrozenTrial

from tests.pipelines.conftest import SEARCHED, TINY_SEARCH, Clone
from tests.support import mlflow_server, postgres
from tests.support.hosts import Host, two_hosts

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

TMDSCOPE = str(Path(sys.executable).parent / "tmdscope")
TRIALS = 8


def make_host(study: Clone, folder: Path) -> Clone:
    """A copy of the project with its data and without its runs, that searches long enough to be shared."""
    shutil.copytree(study.root, folder, ignore=shutil.ignore_patterns("mlruns", ".dvc", "searches"))
    copy = Clone(folder, study.reads)
    search = {**TINY_SEARCH, "trials": TRIALS, "together": 1}
    copy.edit({"searches": {SEARCHED: search}, f"experiments.{SEARCHED}.epochs": 40})
    return copy


def start(
    host: Host, project: Clone, server: postgres.Server, tracking: str, *command: str
) -> subprocess.Popen[str]:
    """Start a command of ours on a host."""
    port = tracking.rpartition(":")[2]
    environment = {
        **os.environ,
        "PYTHONPATH": str(project.root / "src"),
        "TMDSCOPE_SEARCH_STORAGE": server.url("searches", host.outside),
        "MLFLOW_TRACKING_URI": f"http://{host.outside}:{port}",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [*host.prefix, TMDSCOPE, *command],
        cwd=project.root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def search(hosts: list[tuple[Host, Clone]], server: postgres.Server, tracking: str) -> list[FrozenTrial]:
    """Lead on the first host and join on the others; gives the study's trials."""
    commands = [("search", SEARCHED), *[("search-worker", SEARCHED, "--wait", "120")] * (len(hosts) - 1)]
    processes = [
        start(host, project, server, tracking, *command)
        for (host, project), command in zip(hosts, commands, strict=True)
    ]
    outputs = [process.communicate(timeout=900)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(hosts), "\n".join(outputs)
    found = (hosts[0][1].root / "data" / "searches" / SEARCHED / "run.json").read_text()
    names = optuna.get_all_study_names(server.url("searches"))
    (name,) = [name for name in names if name in found]
    return optuna.load_study(study_name=name, storage=server.url("searches")).trials


def test_four_workers_on_two_hosts_share_a_study(study: Clone, tmp_path: Path) -> None:
    binaries = postgres.find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL on this machine: install Debian's package postgresql")
    with two_hosts() as hosts, postgres.serve(binaries, addresses="*") as server:
        server.create("searches")
        runs = server.create("runs")
        projects = [make_host(study, tmp_path / f"host{number}") for number in range(2)]
        names = ",".join(f"{host.outside}:*" for host in hosts) + ",127.0.0.1:*,localhost:*"
        (tmp_path / "artifacts").mkdir()
        with mlflow_server.serve(runs, tmp_path / "artifacts", "0.0.0.0", names) as tracking:
            four = search([(hosts[n % 2], projects[n % 2]) for n in range(4)], server, tracking)
            client = MlflowClient(tracking_uri=tracking)
            experiment = client.get_experiment_by_name("tmd-materials/search")
            assert experiment is not None
            tracked = client.search_runs([experiment.experiment_id], max_results=1000)
    assert {trial.state.name for trial in four} == {"COMPLETE"}
    assert sorted(trial.user_attrs["place"] for trial in four) == list(range(TRIALS))
    assert len(tracked) == 1 + TRIALS * (1 + 2)
    assert {run.info.status for run in tracked} == {"FINISHED"}
