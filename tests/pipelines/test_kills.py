"""A study whose `dvc repro` is killed again and again ends as one that was not."""

import json
import os
import random
import re
import signal
import subprocess
from collections import Counter
from contextlib import suppress
from itertools import cycle, islice
from uuid import uuid4

import optuna
import pytest

from tests.pipelines.conftest import Clone, make_clone, tiny
from tmdscope.temporary import SUFFIX

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("TMDSCOPE_KILLS", "4"))
STUDY_S = 120
"""About as long as the study takes: so much time passes between all kills together."""
WAYS = ("all killed", "dvc killed", "all terminated")


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The tiny study: begun, killed at random moments and begun again, then run to its end."""
    clone = make_clone(tmp_path_factory.mktemp("killed"))
    tiny(clone)
    clone.commit("Tiny settings")
    chance = random.Random(KILLS)
    killed_in = list[str]()
    for way in islice(cycle(WAYS), KILLS):
        stage = repro_for(clone, 2 + chance.expovariate(KILLS / STUDY_S), way)
        if stage is None:
            break
        killed_in.append(f"{way} in {stage}")
    print(*killed_in, sep="\n")
    assert killed_in
    clone.run("dvc", "repro")
    return clone


def repro_for(clone: Clone, seconds: float, way: str) -> str | None:
    """Start `dvc repro`, end it after some time, and say in which stage it was; None where it had ended."""
    log = clone.root.parent / f"repro-{uuid4()}.log"  # its own: of the one before, a stage may still write
    with log.open("w") as stream:
        process = subprocess.Popen(
            ["dvc", "repro"],
            cwd=clone.root,
            env=clone.environment(),
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        with suppress(subprocess.TimeoutExpired):
            assert process.wait(seconds) == 0, log.read_text()  # it may end by itself, but not fail
            return None
        if way == "dvc killed":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL if way == "all killed" else signal.SIGTERM)
        process.wait()
    text = log.read_text()
    lock = clone.root / "dvc.lock"
    if lock.exists() and not lock.read_text():  # killed while DVC wrote it: what docs/versioning.md says
        print("dvc.lock was left empty: deleted")
        lock.unlink()
    assert not re.search(r"^error: |Traceback", text, re.MULTILINE), text
    return (re.findall(r"Running stage '(.*)'", text) or ["no stage"])[-1]


def names_of(clone: Clone) -> Counter[str]:
    """What is finished in a study's store: how many runs of each name, and versions of each model."""
    client = clone.client
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments, max_results=10_000)
    assert {run.info.status for run in runs} <= {"FINISHED", "FAILED", "KILLED"}
    made = [
        re.sub(r"^trial-\d+$", "trial", run.info.run_name)  # a repeated one has another number
        for run in runs
        if run.info.status == "FINISHED" and "mlflow.project.entryPoint" not in run.data.tags
    ]
    whole = Counter(f"run {name}" for name in made)
    versions = client.search_model_versions()
    return whole + Counter(f"version of {version.name}" for version in versions)


def test_its_numbers_are_those_of_a_study_that_was_not_killed(study: Clone, killed: Clone) -> None:
    of = [json.loads((clone.root / "reports" / "metrics.json").read_text()) for clone in (study, killed)]
    assert of[0] == of[1]


def test_nothing_is_doubled_or_lost(study: Clone, killed: Clone) -> None:
    assert names_of(killed) == names_of(study)
    storage = f"sqlite:///{killed.root / 'mlruns' / 'optuna.db'}"
    for name in optuna.get_all_study_names(storage):
        trials = optuna.load_study(study_name=name, storage=storage).trials
        assert not [trial for trial in trials if not trial.state.is_finished()]


def test_nothing_is_left_or_changed(killed: Clone) -> None:
    assert not [path for path in killed.root.rglob("*") if path.name.endswith(SUFFIX)]
    changed = killed.run("git", "status", "--porcelain").stdout.split()
    assert changed[1::2] == ["dvc.lock", "reports/"]
    assert "up to date" in killed.run("dvc", "status", "dvc.yaml").stdout
