"""What a killed process leaves is removed by the next, and what a living one uses is not."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tmdscope import temporary
from tmdscope.files import atomic_path, write_text
from tmdscope.stage import run_stage
from tmdscope.temporary import all_in_one, lock_folder, workspace

WRITER = """
import sys, tempfile
from pathlib import Path
from tmdscope.files import atomic_path
from tmdscope.stage import run_stage

def main():
    tempfile.mkdtemp()
    with atomic_path(Path(sys.argv[1])) as temporary:
        temporary.mkdir()
        (temporary / "half").touch()
        print("writing", flush=True)
        sys.stdin.read()

run_stage(main)
"""


def start_writer(target: Path) -> subprocess.Popen[str]:
    target.parent.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(target)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(target.parents[1])},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_next_write_clears_up_after_the_killed_and_spares_the_living(tmp_path: Path) -> None:
    data = tmp_path / "data"
    killed, living = (start_writer(data / "prepared") for _ in range(2))
    killed.kill()
    killed.wait()
    assert len(names(data)) == 2
    assert len(names(tmp_path)) == 3
    write_text(data / "other.txt", "another file clears up too")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path))
        run_stage(lambda: None)
    assert len(names(data)) == 2
    assert len(names(tmp_path)) == 2
    living.communicate("")
    assert living.returncode == 0
    assert names(data) == ["other.txt", "prepared"]
    assert names(data / "prepared") == ["half"]
    assert names(tmp_path) == ["data"]


def test_a_writer_that_is_told_to_end_leaves_nothing_once_another_has_written(tmp_path: Path) -> None:
    data = tmp_path / "data"
    process = start_writer(data / "prepared")
    process.send_signal(signal.SIGTERM)
    process.wait()
    write_text(data / "a.txt", "a")
    assert names(data) == ["a.txt"]


def test_a_users_own_folders_and_files_are_left_alone(tmp_path: Path) -> None:
    for name in (".a-12345678", "a.tmdscope", "notes-of-may.tmdscope"):
        (tmp_path / name).mkdir()
    (tmp_path / ".a-12345678.tmdscope").touch()  # a file, not a folder
    before = names(tmp_path)
    write_text(tmp_path / "a", "a")
    assert names(tmp_path) == sorted([*before, "a"])


def test_where_folders_cannot_be_locked_nothing_of_others_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("EBADF, as NFS says")

    monkeypatch.setattr(temporary.fcntl, "flock", refuse)
    (tmp_path / ".left-12345678.tmdscope").mkdir()
    with workspace(tmp_path, "own") as own:
        assert own.is_dir()
    assert names(tmp_path) == [".left-12345678.tmdscope"]


def test_a_folder_that_another_clears_away_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quicker = iter([True, False])

    def lock(folder: Path) -> int | None:
        if next(quicker):
            folder.rmdir()
        return lock_folder(folder)

    monkeypatch.setattr(temporary, "lock_folder", lock)
    with workspace(tmp_path, "own") as own:
        assert own.is_dir()


def test_libraries_own_temporary_files_are_in_one_folder_that_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with all_in_one():
        made = Path(tempfile.mkdtemp())
        assert made.parent.parent == tmp_path
        assert os.environ["TMPDIR"] == str(made.parent)
    assert names(tmp_path) == []
    assert os.environ["TMPDIR"] == tempfile.gettempdir() == str(tmp_path)


def test_a_workspace_in_use_is_safe_from_its_own_process(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "one") as first, atomic_path(tmp_path / "two") as second:
        first.write_text("1")
        second.write_text("2")
    assert names(tmp_path) == ["one", "two"]
