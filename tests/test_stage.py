"""Foreseen errors become one line; ours keep their traceback."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tmdscope import stage
from tmdscope.stage import UserError, name_of_entry, run_stage, to_user_error, translates


def test_a_foreseen_error_is_a_message_and_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise UserError("a.csv: mend it")

    with pytest.raises(SystemExit) as stop:
        run_stage(fail)
    assert stop.value.code == 1
    assert capsys.readouterr().err == "error: a.csv: mend it\n"


def test_our_own_error_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        run_stage(lambda: print(1 // 0))


def test_a_stage_that_works_returns(capsys: pytest.CaptureFixture[str]) -> None:
    run_stage(lambda: print("done"))
    assert capsys.readouterr().out == "done\n"


@pytest.mark.parametrize("of", ["crossval@resnet18-lr", "pipelines/a@b/dvc.yaml:crossval@resnet18-lr"])
def test_a_stage_takes_its_name_from_dvc(monkeypatch: pytest.MonkeyPatch, of: str) -> None:
    monkeypatch.setenv("DVC_STAGE", of)
    assert name_of_entry([], "experiments") == "resnet18-lr"
    assert name_of_entry(["given"], "experiments") == "given"


@pytest.mark.parametrize("name", ["x;touch${IFS}PWNED;", "my run", "../up", ""])
def test_a_stage_refuses_a_name_before_it_looks_it_up(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("DVC_STAGE", f"crossval@{name}")
    with pytest.raises(UserError, match="experiments"):
        name_of_entry([], "experiments")


def test_a_stage_has_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_STAGE", raising=False)
    for given in ([], ["a", "b"]):
        with pytest.raises(UserError, match="one key of section 'experiments'"):
            name_of_entry(given, "experiments")


def test_a_librarys_error_is_said_by_who_knows_the_library(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "_translators", [])
    translates(lambda error: UserError("no answer") if isinstance(error, ConnectionError) else None)

    def fail() -> None:
        raise ConnectionResetError("far down")

    with pytest.raises(SystemExit):
        run_stage(fail)
    assert capsys.readouterr().err == "error: no answer\n"
    assert to_user_error(KeyError("ours")) is None


def test_a_stage_ends_with_the_dvc_that_started_it(tmp_path: Path) -> None:
    """A stage that went on alone would write what the next `dvc repro` removes."""
    stage = "import os, time; from tmdscope.stage import run_stage\n"
    stage += "print(os.getpid(), flush=True); run_stage(lambda: time.sleep(600))"
    starter = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    dvc = subprocess.Popen(
        [sys.executable, "-c", starter, stage],
        env={**os.environ, "DVC_STAGE": "prepare", "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert dvc.stdout is not None
    assert int(dvc.stdout.readline())
    time.sleep(1)
    dvc.kill()
    dvc.wait()
    assert dvc.stdout.read() == ""  # closed once the stage has ended
