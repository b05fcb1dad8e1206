import hashlib
import os
import pickle
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.learn.interrupted import FOLDS, SETTINGS, Result, run
from tmdscope.errors import UserError
from tmdscope.learn.fit import FitSettings
from tmdscope.learn.resume import Checkpoints, Resume

IDENTITY = {"data": "abc", "settings": "def"}
MACHINE = {"threads": "2"}


class Killed(BaseException):
    """Stands in for a kill."""


def assert_equal(one: list[Result], other: list[Result]) -> None:
    for a, b in zip(one, other, strict=True):
        assert a.scores == b.scores
        assert a.history == b.history
        assert a.weights.keys() == b.weights.keys()
        assert all(torch.equal(a.weights[name], b.weights[name]) for name in a.weights)
        np.testing.assert_array_equal(a.probabilities, b.probabilities)


def interrupt_after(epochs: int, folder: Path, settings_: FitSettings, **how: Any) -> None:
    """Run until so many epochs were heard, over all folds."""
    heard = []

    def on_epoch() -> None:
        heard.append(1)
        if len(heard) > epochs:
            raise Killed

    resume = Resume.open(folder, IDENTITY, MACHINE, every_s=0)
    with pytest.raises(Killed):
        run(resume, settings_, on_epoch, **how)


@pytest.mark.parametrize(
    "changes",
    [{}, {"optimiser": "adamw", "schedule": "cosine", "weight_decay": 0.01}, {"sampling": "oversampled"}],
    ids=["plain", "adamw and cosine", "oversampled"],
)
def test_an_interrupted_cross_validation_ends_like_an_unbroken_one(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    wanted_settings = replace(SETTINGS, **changes)  # type: ignore[arg-type]
    for epochs in (0, 2, 4, 5):
        interrupt_after(epochs, tmp_path / "attempt", wanted_settings)
        torch.manual_seed(epochs)
    resume = Resume.open(tmp_path / "attempt", IDENTITY, MACHINE, every_s=0)
    assert_equal(run(resume, wanted_settings), run(None, wanted_settings))


def test_an_ended_stage_that_dvc_has_not_noted_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DVC was killed between the end of the stage and its own note of it: no second set of runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "crossval@one")

    def note(after_s: float) -> None:
        """DVC's lock file, written some time after now."""
        (tmp_path / "dvc.lock").touch()
        os.utime(tmp_path / "dvc.lock", (time.time() + after_s,) * 2)

    note(-10)
    first = Resume.open(Path("attempts/one"), IDENTITY, MACHINE)
    first.finish()
    again = Resume.open(Path("attempts/one"), IDENTITY, MACHINE)
    assert (again.begun, again.attempt) == (True, first.attempt)
    again.finish()
    other = Resume.open(Path("attempts/one"), {**IDENTITY, "data": "other"}, MACHINE)
    assert (other.begun, other.abandoned) == (False, None)
    other.finish()
    note(10)
    assert not Resume.open(Path("attempts/one"), {**IDENTITY, "data": "other"}, MACHINE).begun
    note(-10)
    Resume.open(Path("attempts/two"), IDENTITY, MACHINE).finish()
    assert (tmp_path / "attempts" / "two").exists()
    note(10)
    Resume.open(Path("attempts/three"), IDENTITY, MACHINE).finish()
    assert [path.name for path in Path("attempts").iterdir()] == ["one"]  # under way


@settings(max_examples=10)
@given(st.lists(st.integers(0, 3 * SETTINGS.epochs), max_size=3))
def test_no_pattern_of_interruptions_changes_the_result(
    tmp_path_factory: pytest.TempPathFactory, stops: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("attempt") / "a"
    done = 0
    for stop in stops:
        if done + stop >= FOLDS * SETTINGS.epochs:
            break
        interrupt_after(stop, folder, SETTINGS)
        done += stop
    resume = Resume.open(folder, IDENTITY, MACHINE, every_s=0)
    assert_equal(run(resume, SETTINGS), run(None, SETTINGS))


def test_early_stopping_is_remembered(tmp_path: Path) -> None:
    early = replace(SETTINGS, learning_rate=0.5, early_stopping=1, epochs=20)
    interrupt_after(3, tmp_path / "attempt", early)
    resume = Resume.open(tmp_path / "attempt", IDENTITY, MACHINE, every_s=0)
    unbroken = run(None, early)
    assert min(len(result.history) for result in unbroken) < 20
    assert_equal(run(resume, early), unbroken)


def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints = Checkpoints(tmp_path, every_s=0)
    for epoch in (1, 2, 3):
        checkpoints.save(epoch, lambda epoch=epoch: {"epoch": epoch}, final=False)  # type: ignore[misc]
    newest = max(tmp_path.glob("*.ckpt"))
    newest.write_bytes(newest.read_bytes()[:-7])
    assert Checkpoints(tmp_path).load() == {"epoch": 2}
    assert f"{newest} is damaged" in capsys.readouterr().err
    assert [path.name for path in tmp_path.glob("*.ckpt")] == ["000002.ckpt"]


def test_a_whole_file_that_is_no_checkpoint_counts_as_damaged(tmp_path: Path) -> None:
    for number, content in enumerate((b"", b"text", pickle.dumps(print))):
        (tmp_path / f"00000{number}.ckpt").write_bytes(hashlib.sha256(content).digest() + content)
    assert Checkpoints(tmp_path).load() is None


def test_without_a_whole_checkpoint_training_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "000001.ckpt").write_bytes(b"")
    assert Checkpoints(tmp_path).load() is None
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_are_written_by_the_clock_and_at_the_end(tmp_path: Path) -> None:
    now = [0.0]
    checkpoints = Checkpoints(tmp_path, every_s=10, clock=lambda: now[0])
    written = []
    for epoch, at in enumerate([3.0, 10.0, 15.0, 20.0, 31.0], start=1):
        now[0] = at
        checkpoints.save(epoch, dict, final=False)
        written.append([int(path.stem) for path in sorted(tmp_path.glob("*.ckpt"))])
    assert written == [[], [2], [2], [2, 4], [4, 5]]
    checkpoints.save(6, dict, final=True)
    assert [path.stem for path in tmp_path.glob("*.ckpt")] == ["000006"]


def test_an_attempt_goes_on_under_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = Resume.open(tmp_path / "a", IDENTITY, MACHINE)
    second = Resume.open(tmp_path / "a", IDENTITY, {"threads": "4"})
    assert (second.attempt, second.abandoned) == (first.attempt, None)
    assert second.differs == ("threads",)
    assert "began with other threads" in capsys.readouterr().err


def test_changed_settings_abandon_the_attempt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = Resume.open(tmp_path / "a", IDENTITY, MACHINE)
    first.fold(0).save(1, dict, final=True)
    second = Resume.open(tmp_path / "a", IDENTITY | {"settings": "new"}, MACHINE)
    assert second.attempt != first.attempt
    assert second.abandoned == first.attempt
    assert second.fold(0).load() is None
    assert "changed since: settings; starting anew" in capsys.readouterr().err


def test_a_finished_attempt_leaves_nothing(tmp_path: Path) -> None:
    resume = Resume.open(tmp_path / "a", IDENTITY, MACHINE)
    resume.finish()
    assert list(tmp_path.iterdir()) == []


def test_an_attempt_is_held_by_one_process_until_that_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tmdscope.learn.resume.ENDING_S", 0)
    folder = tmp_path / "attempt"
    holding = "from pathlib import Path; import sys; from tmdscope.learn.resume import Resume\n"
    holding += "Resume.open(Path(sys.argv[1]), {}, {}); print('held', flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", holding, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    with pytest.raises(UserError, match=f"{folder}: another process works on it"):
        Resume.open(folder, {}, {})
    monkeypatch.setattr("tmdscope.learn.resume.ENDING_S", 60)
    ending = threading.Timer(0.5, other.kill)  # as a stage does whose `dvc repro` was killed
    ending.start()
    assert Resume.open(folder, {}, {}).begun
    other.wait()
    Resume.open(folder, {}, {}).finish()  # the same process may open it again
    assert list(tmp_path.iterdir()) == []
    assert not Resume.open(folder, {}, {}).begun


def test_an_attempt_that_ends_while_another_waits_for_it_is_begun_anew(tmp_path: Path) -> None:
    folder = tmp_path / "attempt"
    ending = "from pathlib import Path; import sys; from tmdscope.learn.resume import Resume\n"
    ending += "own = Resume.open(Path(sys.argv[1]), {}, {}); print('held', flush=True)\n"
    ending += "sys.stdin.read(); own.finish()"
    other = subprocess.Popen(
        [sys.executable, "-c", ending, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdin is not None
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    threading.Timer(0.5, other.stdin.close).start()
    assert not Resume.open(folder, {}, {}).begun
    other.wait()


def test_what_a_kill_left_of_an_attempt_that_was_being_removed_is_no_attempt(tmp_path: Path) -> None:
    (tmp_path / "fold-0").mkdir()
    (tmp_path / "fold-0" / "000001.ckpt").write_bytes(b"of another")
    resume = Resume.open(tmp_path, {"data": "1"}, {})
    assert not resume.begun
    assert resume.fold(0).load() is None
