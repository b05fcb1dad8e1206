"""Killed right before any of its writes and repeated, a command ends as if it had run once."""

import itertools
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from mlflow.entities import LoggedModelStatus

import tmdscope.tracking.runs as runs_module
from tests.lifecycle.gates import OPEN, fill
from tests.support import kills
from tests.tracking.searching import FOLDS, make_task
from tests.tracking.sequences import fork, run_in
from tests.tracking.test_sequential import histories, runs_of, versions_of
from tmdscope.lifecycle.promotion import promote, rollback
from tmdscope.search.storage import open_storage
from tmdscope.stage import run_stage
from tmdscope.temporary import SUFFIX
from tmdscope.tracking.decisions import open_decisions
from tmdscope.tracking.lock import PREFIX, is_left_behind
from tmdscope.tracking.models import FILES_SHA256, log_program
from tmdscope.tracking.registry import read_standing
from tmdscope.tracking.search import lead_search
from tmdscope.tracking.store import connect, open_study

pytestmark = [pytest.mark.own_process, pytest.mark.slow]

KILLS = int(os.environ.get("TMDSCOPE_KILLS", "4"))
"""Troubles of each command; 60 take half an hour."""
TROUBLES: tuple[kills.Trouble, ...] = ("killed", "full", "killed", "read-only")
TRIALS = 4

Command = Callable[[Path, str], None]


def search(folder: Path, name: str) -> None:
    storage = open_storage(f"sqlite:///{folder / name}.db", heartbeat_s=1)
    task = make_task(TRIALS, pause_s=0, name=name)
    learning = task.params.model_copy(update={"startup": 1})  # what is drawn depends on what has ended
    lead_search(open_study(name), storage, replace(task, params=learning))


def sequential(folder: Path, name: str) -> None:
    run_in(folder, name, 2)


def promotion(folder: Path, name: str) -> None:
    promote(open_decisions(), name, 3, OPEN, "Ann", force=False, reason="")


def going_back(folder: Path, name: str) -> None:
    rollback(open_decisions(), name, OPEN.load, "Ann", reason="")


def prepare(folder: Path, name: str) -> None:
    """Versions to decide on."""
    client = connect(create=True)
    fill(client, name, 3)
    for number in (2, 1):
        promote(open_decisions(), name, number, OPEN, "the first", force=False, reason="")


def search_result(folder: Path, name: str) -> Any:
    storage = f"sqlite:///{folder / name}.db"
    trials = optuna.load_study(study_name=name, storage=storage).get_trials()
    study = open_study(name)
    runs = study.client.search_runs([study.experiment_id], "attributes.status = 'FINISHED'")
    complete = [run for run in runs if run.data.tags.get("optuna.state") == "COMPLETE"]
    folds = Counter(run.data.tags["mlflow.parentRunId"] for run in runs if "fold" in run.data.tags)
    assert [folds[run.info.run_id] for run in complete] == [FOLDS] * TRIALS
    assert {trial.state.name for trial in trials} <= {"COMPLETE", "FAIL"}
    (whole,) = [run for run in runs if run.info.run_name == f"search-{name}"]
    ended = sorted((t.user_attrs["place"], t.params, t.value) for t in trials if t.state.name == "COMPLETE")
    return ended, whole.data.metrics["best_val_macro_f1"]


def sequential_result(folder: Path, name: str) -> Any:
    study = open_study(name)
    runs = runs_of(study)
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    models = study.client.search_logged_models([study.experiment_id])
    assert all(model.status == LoggedModelStatus.READY and FILES_SHA256 in model.tags for model in models)
    own = (FILES_SHA256, "parent_version")  # they name the run, and the model before
    kept = {
        end: [{k: v for k, v in version.tags.items() if k not in own} for version in found]
        for end, found in zip("abc", versions_of(study, name).values(), strict=True)
    }
    told = ("stage", "materials", "volume", "epochs", "selection_macro_f1", "val_macro_f1")
    facts = {path: [run.data.tags.get(key) for key in told] for path, run in runs.items()}
    files = [
        (path, file.path)
        for path, run in sorted(runs.items())
        for file in study.client.list_artifacts(run.info.run_id)
    ]
    return histories(study, runs), kept, facts, len(models), files


def decision_result(folder: Path, name: str) -> Any:
    study = open_decisions()
    locked = study.client.search_registered_models(f"name = '{PREFIX}{name}'")
    assert not locked or is_left_behind(study.client, name)  # it could not be given back, which is said
    assert list(study.client.get_registered_model(name).tags) == ["production.reviewed"]
    tags = [sorted(study.client.get_model_version(name, str(k)).tags) for k in (1, 2, 3)]
    return read_standing(study.client, name).numbers, tags


COMMANDS: dict[str, tuple[Command, Callable[[Path, str], Any]]] = {
    "promote": (promotion, decision_result),
    "rollback": (going_back, decision_result),
    "search": (search, search_result),
    "sequential": (sequential, sequential_result),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with a store whose tables are made, which holds its temporary files too."""
    root = tmp_path_factory.mktemp("kills")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(root))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("TMPDIR", str(root))
        patch.setattr("tempfile.tempdir", str(root))
        patch.setattr(runs_module, "log_program", log_program)  # real exports
        assert kills.run(lambda: open_study("warm"))[0] == 0
        yield root


def is_done(folder: Path, name: str, wanted: Any) -> bool:
    """Whether a decision was made whole, whatever came after."""
    try:
        return bool(decision_result(folder, name) == wanted)
    except AssertionError:
        return False


def check_whole(folder: Path, name: str) -> None:
    """Nothing runs, nothing is half, nothing is left."""
    client = connect()
    experiments = [found.experiment_id for found in client.search_experiments()]
    assert not client.search_runs(experiments, "attributes.status = 'RUNNING'")
    assert not list(folder.rglob(f"*{SUFFIX}"))


@pytest.mark.parametrize("command", COMMANDS)
def test_trouble_at_a_write_leaves_what_a_repeat_makes_right(folder: Path, command: str) -> None:
    act, result = COMMANDS[command]

    def attempt(name: str, at: int = 0, trouble: kills.Trouble = "killed") -> tuple[int | None, int]:
        return kills.run(lambda: run_stage(lambda: act(folder, name)), at, trouble)

    def make_ready(*names: str) -> None:
        if command in ("promote", "rollback"):
            assert kills.run(lambda: [prepare(folder, name) for name in names])[0] == 0

    whole = f"{command}-whole"
    make_ready(whole)
    code, writes = attempt(whole)
    assert code == 0
    wanted = result(folder, whole)
    names = {f"{command}-{at}": at for at in kills.evenly(writes, KILLS)}
    make_ready(*names)
    ended: Counter[str] = Counter()
    for (name, at), trouble in zip(names.items(), itertools.cycle(TROUBLES), strict=False):
        code, _ = attempt(name, at, trouble)
        ended[trouble] += code != 0
        undoes = command == "rollback" and (not code or is_done(folder, name, wanted))  # a second one does
        again = kills.run(lambda: run_stage(lambda: None)) if undoes else attempt(name)
        assert again[0] == 0, (at, trouble)
        assert result(folder, name) == wanted, (at, trouble)
        check_whole(folder, name)
    print(f"\n{command}: {writes} writes; ended by trouble: {dict(ended)}")
    assert ended["killed"]


@pytest.mark.parametrize("at", [3, 20, 40])
def test_a_store_whose_maker_was_killed_is_made_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    code, _ = kills.run(lambda: open_study("first"), at)
    assert code == -signal.SIGKILL
    assert kills.run(lambda: open_study("first"))[0] == 0
    assert [path.name for path in (tmp_path / "mlruns").iterdir()] == ["mlflow.db"]


def test_of_stores_that_are_made_at_once_one_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    processes = [fork(open_study, tmp_path, name) for name in ("one", "two")]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    names = {found.name for found in connect().search_experiments()}
    assert names >= {"one", "two"}
