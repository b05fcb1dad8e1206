"""A project moves with its runs, and a copy that was not moved writes nothing into the original."""

import hashlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from tests.tracking.programs import IMAGES, make_program
from tmdscope.cli import app
from tmdscope.errors import UserError
from tmdscope.tracking.models import load_program
from tmdscope.tracking.registry import register
from tmdscope.tracking.relocate import DATABASE, check_location, foreign_folders, move_store
from tmdscope.tracking.runs import start_run
from tmdscope.tracking.store import open_study


@pytest.fixture(autouse=True)
def keep_address() -> Iterator[None]:
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    yield
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])


def stand_in(project: Path, patch: pytest.MonkeyPatch) -> None:
    """Work in a project, as a command does that is run in its folder."""
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    patch.delenv("DVC_ROOT", raising=False)
    patch.chdir(project)


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_copied_project_is_refused_until_it_is_moved_and_leaves_the_original_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, copy = tmp_path / "a project", tmp_path / "its copy, 100 %"
    project.mkdir()
    stand_in(project, monkeypatch)
    study, program = open_study("tests"), make_program(members=1)
    with start_run(study, "model", {}) as run:
        uri = run.program(program)
    version = register(study.client, "classifier", uri, run.run_id, {})
    with torch.inference_mode():
        expected = program.ensemble(torch.from_numpy(IMAGES)).numpy()
    shutil.copytree(project, copy)
    before = hashes(project)

    stand_in(copy, monkeypatch)
    for command in (["models"], ["models", "--json"]):
        told = CliRunner().invoke(app, command)
        assert told.exit_code == 1, command
        for part in (str(project / "mlruns"), str(copy / "mlruns"), "tmdscope store move"):
            assert part in told.stderr
    with pytest.raises(UserError, match="tmdscope store move"):
        open_study("tests")
    with pytest.raises(UserError, match="tmdscope store move"):
        open_study("another study")  # it would land here, but its neighbours are elsewhere

    moved = CliRunner().invoke(app, ["store", "move"])
    assert moved.exit_code == 0, moved.output
    assert "nothing to move" in CliRunner().invoke(app, ["store", "move"]).output
    assert (copy / "mlruns" / "mlflow.db.before-move-1").exists()

    hidden = project.rename(tmp_path / "hidden")  # whatever still named it would fail
    found = open_study("tests")
    assert found.experiment_id == study.experiment_id
    with torch.inference_mode():
        given = load_program(uri).ensemble(torch.from_numpy(IMAGES)).numpy()
    np.testing.assert_array_equal(given, expected)
    files = Path(mlflow.artifacts.download_artifacts(artifact_uri=version.uri))
    assert files.is_relative_to(copy)
    with start_run(found, "after", {}) as later:
        (tmp_path / "note.txt").write_text("new")
        later.artifact(tmp_path / "note.txt")
    notes = [path.relative_to(copy) for path in copy.rglob("note.txt")]
    assert [path.parts[:3] for path in notes] == [("mlruns", "artifacts", "tests")]
    assert hashes(hidden) == before


def store_of(root: Path, old: Path) -> Path:
    """A store as MLflow writes it, of one run and one model, that names another folder."""
    root.mkdir(parents=True)
    with sqlite3.connect(root / "mlflow.db") as store:
        store.executescript(
            "CREATE TABLE experiments (experiment_id INTEGER, artifact_location VARCHAR(256));"
            "CREATE TABLE runs (artifact_uri VARCHAR(200), lifecycle_stage VARCHAR(20), duration INTEGER);"
            "CREATE TABLE logged_models (artifact_location VARCHAR(1000), lifecycle_stage VARCHAR(32));"
            "CREATE TABLE anything (note TEXT);"
        )
        place = (old / "artifacts" / "s").as_uri()
        store.execute("INSERT INTO experiments VALUES (1, ?)", (place,))
        store.execute("INSERT INTO runs VALUES (?, 'active', 7)", (f"{place}/r/artifacts",))
        store.execute("INSERT INTO logged_models VALUES (?, 'active')", (f"{place}/models/m",))
        for note in (str(old), f"{old}/x", f"{old}-other/x", f"see {old}"):
            store.execute("INSERT INTO anything VALUES (?)", (note,))
    return root


def test_every_text_that_begins_with_the_old_folder_is_rewritten_and_no_other(tmp_path: Path) -> None:
    old = tmp_path / "old" / "mlruns"
    root = store_of(tmp_path / "new" / "mlruns", old)
    (root / "artifacts" / "s" / "models" / "m").mkdir(parents=True)
    assert foreign_folders(root) == [old]
    assert move_store(root).addresses == 5
    with sqlite3.connect(root / "mlflow.db") as store:
        notes = [note for (note,) in store.execute("SELECT note FROM anything")]
    assert notes == [str(root), f"{root}/x", f"{old}-other/x", f"see {old}"]
    assert foreign_folders(root) == []
    assert (move_store(root).folders, move_store(root).backup) == ((), None)
    check_location(root)


@pytest.mark.parametrize("left_behind", ["models/m", "r/artifacts"])
def test_artifacts_that_did_not_come_along_are_named_and_nothing_is_changed(
    left_behind: str, tmp_path: Path
) -> None:
    old = tmp_path / "old" / "mlruns"
    root = store_of(tmp_path / "new" / "mlruns", old)
    for place in ("models/m", "r/artifacts"):
        (old / "artifacts" / "s" / place).mkdir(parents=True)
        if place != left_behind:
            (root / "artifacts" / "s" / place).mkdir(parents=True)
    before = hashes(root)
    with pytest.raises(UserError, match=f"{left_behind} is not there.*did not come along; copy"):
        move_store(root)
    assert hashes(root) == before


def test_a_store_in_use_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = store_of(tmp_path / "new" / "mlruns", tmp_path / "old" / "mlruns")
    monkeypatch.setattr("tmdscope.tracking.relocate.WAIT_S", 0.1)
    with sqlite3.connect(root / "mlflow.db") as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UserError, match="nothing was changed"):
            move_store(root)


CUT_OFF = """
import os, sqlite3, sys
store = sqlite3.connect(sys.argv[1], isolation_level=None)
store.execute("PRAGMA cache_size = 1")  # changes reach the file before they are committed
store.execute("BEGIN IMMEDIATE")
store.executemany("INSERT INTO anything VALUES (?)", [("x" * 1000,)] * 1000)
os.kill(os.getpid(), 9)
"""


def test_a_store_whose_writer_was_killed_is_read_and_what_it_began_is_undone(tmp_path: Path) -> None:
    root = store_of(tmp_path / "mlruns", tmp_path / "mlruns")
    database = root / "mlflow.db"
    with sqlite3.connect(database) as store:
        notes = store.execute("SELECT count(*) FROM anything").fetchone()
    subprocess.run([sys.executable, "-c", CUT_OFF, str(database)], check=False)
    assert database.with_name("mlflow.db-journal").stat().st_size
    assert foreign_folders(root) == []
    with sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True) as store:
        assert store.execute("SELECT count(*) FROM anything").fetchone() == notes


def test_a_folder_without_a_store_has_nothing_to_move(tmp_path: Path) -> None:
    check_location(tmp_path / "mlruns")
    with pytest.raises(UserError, match="no runs were tracked here"):
        move_store(tmp_path / "mlruns")
    assert not (tmp_path / "mlruns").exists()


def test_a_link_to_the_project_is_the_project(tmp_path: Path) -> None:
    root = store_of(tmp_path / "real" / "mlruns", tmp_path / "real" / "mlruns")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert foreign_folders(tmp_path / "link" / "mlruns") == foreign_folders(root) == []


def test_a_queued_experiment_in_a_copy_tracks_into_its_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, copy = tmp_path / "project", tmp_path / "project" / ".dvc" / "tmp" / "exps" / "copy"
    copy.mkdir(parents=True)
    stand_in(project, monkeypatch)
    study = open_study("tests")
    stand_in(copy, monkeypatch)
    monkeypatch.setenv("DVC_ROOT", str(project))
    assert open_study("tests").experiment_id == study.experiment_id
    assert not (copy / "mlruns").exists()


@pytest.mark.parametrize("damage", ["garbage", "folder", "empty"])
def test_a_store_that_is_none_is_told(tmp_path: Path, damage: str) -> None:
    database = tmp_path / DATABASE
    if damage == "folder":
        database.mkdir()
    else:
        database.write_bytes(b"garbage " * 1000 if damage == "garbage" else b"")
    if damage == "empty":
        assert foreign_folders(tmp_path) == []
        return
    with pytest.raises(UserError, match=rf"{DATABASE}: .*bring it back"):
        check_location(tmp_path)
