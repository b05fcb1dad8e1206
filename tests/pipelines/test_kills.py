"""A study whose `dvc repro` is killed again and again ends as one that was not."""

import json
import os
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import optuna
import pytest

from tests.pipelines.conftest import ROOT, Clone, make_clone, tiny
from tests.pipelines.test_sequential import MODEL, make_bricks, start
from tests.support import kills
from tmdscope.temporary import SUFFIX

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("TMDSCOPE_KILLS", "4"))
STUDY_S = 100
"""About as long as the study takes: so much time passes between all kills together."""
LONGER_S = 3
"""By which the next kill waits when a stage was killed again: else all would meet the same one."""
WAYS = ("all killed", "dvc killed", "all terminated")


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The tiny study: begun, killed at random moments and begun again, then run to its end."""
    clone = make_clone(tmp_path_factory.mktemp("killed"))
    tiny(clone)
    clone.commit("Tiny settings")
    chance = random.Random(KILLS)
    killed_in, before, again = list[str](), "", 0
    for way in islice(cycle(WAYS), KILLS):
        stage = repro_for(clone, 2 + again * LONGER_S + chance.expovariate(KILLS / STUDY_S), way)
        if stage is None:
            break
        killed_in.append(f"{way} in {stage}")
        before, again = stage, again + 1 if stage == before else 0
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


METALS = "Ta Nb Re Hf Zr Ti V Sn Pt Pd Ni Co Fe Cr Mn Ga In Ge Pb Bi Sb Cd Zn Cu Ag Au Rh Ru Os".split()
FORMULAE = [f"{metal}S2" for metal in METALS]
"""A new class for every attempt; each brings one new atom, and no other difference."""


def add(
    clone: Clone, images: Path, at: int = 0, trouble: kills.Trouble = "killed"
) -> tuple[int, int, dict[Path, str]]:
    """Add a class with trouble at a write; gives exit status, writes, and the user's files as then."""
    counted = images.parent / f"{images.name}-writes.txt"
    counted.write_text("0")
    arguments = ("add-material", "--model", f"models:/{start(clone)}", "--images", str(images))
    path = os.pathsep.join([str(ROOT), clone.environment()["PYTHONPATH"]])
    ended = clone.run(
        *(sys.executable, "-m", "tests.support.kills", str(counted), str(at), trouble, *arguments),
        check=False,
        PYTHONPATH=path,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    files = {path: path.read_text(encoding="latin-1") for path in images.iterdir()}
    return ended.returncode, int(counted.read_text()), files


def what_was_added(clone: Clone, label: str) -> Any:
    """What an addition has left: its numbers, its version, its runs; without what only names it."""
    found = json.loads((clone.root / "data" / "added" / label / "added.json").read_text())
    numbers = [
        (point["arm"], point["materials"], point["test"], list(point["changed"].values()))
        for point in found["points"]
    ]
    versions = clone.client.search_model_versions(f"name = '{MODEL}-6'")
    runs = clone.runs("tmd-materials/add-material", f"tags.material = '{label}'")
    known = {run.info.run_id for run in runs}
    (version,) = [found for found in versions if found.run_id in known]
    assert not [run for run in runs if run.info.status == "RUNNING"]
    done = Counter(run.info.run_name for run in runs if run.info.status == "FINISHED")
    return numbers, sorted(version.tags), done


def is_added(clone: Clone, label: str, wanted: Any) -> bool:
    """Whether all was done, and the attempt closed, before the kill."""
    attempts = clone.root / "data" / "attempts"
    if (attempts / f"add-{label}").exists():
        return False
    try:
        return bool(what_was_added(clone, label) == wanted)
    except (OSError, AssertionError, ValueError):
        return False


def test_add_material_killed_at_a_write_and_repeated_ends_right(killed: Clone, tmp_path: Path) -> None:
    def images(label: str) -> Path:
        return make_bricks(tmp_path / label, label)

    whole, *others, last = FORMULAE
    code, writes, _ = add(killed, images(whole))
    assert code == 0
    wanted = what_was_added(killed, whole)
    places = list(kills.evenly(writes, min(KILLS, len(others))))
    ended: Counter[str] = Counter()
    troubles: tuple[kills.Trouble, ...] = ("killed", "full", "killed", "read-only")
    for label, at, trouble in zip(others, places, cycle(troubles), strict=False):
        folder = images(label)
        before = {path: path.read_text(encoding="latin-1") for path in folder.iterdir()}
        code, _, after = add(killed, folder, at, trouble)
        ended[trouble] += code != 0
        assert after == before
        if code and not is_added(killed, label, wanted):  # else a second one would be another
            again, _, after = add(killed, folder)
            assert (again, after) == (0, before)
        assert what_was_added(killed, label) == wanted, (at, trouble)
    print(f"{writes} writes; ended by trouble: {dict(ended)}")
    assert ended["killed"]
    assert add(killed, images(last))[0] == 0  # clears what a kill at the very end has left
    assert not [path for path in killed.root.rglob("*") if path.name.endswith(SUFFIX)]
