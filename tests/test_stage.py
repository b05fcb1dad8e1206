"""Whatever ends a stage becomes a message and a status; of our own faults a file holds what is known."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tmdscope import stage
from tmdscope.errors import UserError
from tmdscope.stage import FAULT, name_of_entry, run_stage, to_user_error, translates


def test_a_foreseen_error_is_a_message_and_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run_stage(lambda: fail(UserError("a.csv: mend it")))
    assert stop.value.code == 1
    assert capsys.readouterr().err == "error: a.csv: mend it\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fail(error: BaseException) -> None:
    raise error


def ended(program: str, *, expect: int, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program as a stage in a process of its own."""
    heard = (
        "signal.signal(2, signal.default_int_handler); [signal.signal(n, signal.SIG_DFL) for n in (1, 15)]\n"
    )
    start = (
        f"import os, signal, sys\nfrom tmdscope.stage import *\n{heard}"  # whoever runs this may ignore them
    )
    text = f"{start}def main():\n    {program}\nrun_stage(main)\n"
    done = subprocess.run(
        [sys.executable, "-c", text], stderr=subprocess.PIPE, text=True, check=False, **options
    )
    assert done.returncode == expect, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_our_own_error_is_a_file_to_send(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run_stage(lambda: fail(ZeroDivisionError("at postgresql://me:secret@host/runs")))
    assert stop.value.code == FAULT
    said = capsys.readouterr().err
    assert said.count("\n") == 2
    assert "ZeroDivisionError" in said
    [file] = (project / "reports").iterdir()
    assert str(file) in said
    text = file.read_text()
    assert "Traceback" in text
    assert "\ntorch: " in text
    assert "secret" not in text + said


def test_without_a_place_for_the_file_the_report_is_shown(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "reports").touch()
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(project / "none"))
    with pytest.raises(SystemExit):
        run_stage(lambda: fail(KeyError("x")))
    assert "Traceback" in capsys.readouterr().err


def test_who_develops_sees_the_frames(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TMDSCOPE_TRACEBACK", "1")
    with pytest.raises(SystemExit):
        run_stage(lambda: fail(UserError("mend it")))
    assert "in fail" in capsys.readouterr().err


@pytest.mark.parametrize(
    "number",
    "ENOSPC EDQUOT EACCES EPERM EROFS EMFILE ENAMETOOLONG ENOENT ENOTDIR EISDIR ELOOP EIO".split(),
)
def test_an_error_of_the_system_has_the_file_and_a_remedy(
    number: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = getattr(errno, number)
    path = project / "data" / "split.json"

    def work() -> None:
        try:
            raise OSError(code, os.strerror(code), str(path))
        except OSError as error:
            raise RuntimeError("of a library") from error

    with pytest.raises(SystemExit) as stop:
        run_stage(work)
    assert stop.value.code == 1
    problem, remedy = capsys.readouterr().err.split("; ")
    assert problem == f"error: {path}: {os.strerror(code)}"
    assert remedy.strip()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError("Unable to allocate 9 TiB"), "not enough memory .*9 TiB.*; end other programs"),
        (
            UnicodeEncodeError("utf-8", "a\udcff.png", 1, 2, "surrogates not allowed"),
            r"'a\\udcff.png'.*rename",
        ),
        (ValueError("embedded null byte"), "NUL"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            r"disk of .+ \(\d+ MiB are free there\): No space.*; free",
        ),
        (FileNotFoundError(2, "No usable temporary directory found in ['/tmp']"), "set TMPDIR"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "Broken pipe; see that"),
        (FileNotFoundError(2, "No such file or directory", "git"), "^error: git: .*program, install it"),
    ],
)
def test_other_foreseen_kinds(
    error: Exception, said: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        run_stage(lambda: fail(error))
    assert stop.value.code == 1
    assert re.search(said, capsys.readouterr().err)


def test_a_disk_without_room_for_any_temporary_file_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr("tmdscope.problem.tempfile.gettempdir", none)
    error = to_user_error(OSError(errno.ENOSPC, "No space left on device"))
    assert "MiB are free there): No space" in str(error)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_the_work_be_cleaned_up(number: signal.Signals) -> None:
    program = f"""try:
        os.kill(os.getpid(), {int(number)}); signal.pause()
    except KeyboardInterrupt:
        print("cleaned", flush=True); raise"""
    done = ended(program, expect=128 + number, stdout=subprocess.PIPE)
    assert done.stdout == "cleaned\n"
    assert done.stderr == f"stopped by {number.name}; start the same again to go on\n"


def test_a_signal_that_was_to_be_ignored_still_is() -> None:
    text = 'trap \'\' TERM HUP; exec "$0" -c "$1"'
    program = (
        "import os, signal\nfrom tmdscope.stage import run_stage\n"
        "run_stage(lambda: [os.kill(os.getpid(), n) for n in (signal.SIGTERM, signal.SIGHUP)])"
    )
    assert subprocess.run(["/bin/sh", "-c", text, sys.executable, program], check=False).returncode == 0


def test_a_reader_that_has_gone_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    assert ended("print('x' * 100)", expect=141, stdout=write).stderr == ""
    os.close(write)


def test_output_that_cannot_be_written_is_one() -> None:
    with Path("/dev/full").open("w") as full:
        assert "No space left" in ended("print('x')", expect=1, stdout=full).stderr


def test_a_terminal_of_few_characters_gets_the_others_escaped() -> None:
    plain = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = ended("print('\\u00b5m'); raise UserError('\\u00b5')", expect=1, stdout=subprocess.PIPE, env=plain)
    assert (done.stdout, done.stderr) == ("\\xb5m\n", "error: \\xb5\n")


def test_a_folder_that_was_removed_is_told(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    program = "os.rmdir(os.getcwd()); from pathlib import Path; Path().resolve()"
    assert "current folder was removed" in ended(program, expect=1, cwd=tmp_path / "gone").stderr


def test_what_ends_a_thread_is_told(project: Path) -> None:
    program = "import threading; t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()"
    assert "ZeroDivisionError" in ended(program, expect=0, cwd=project).stderr


INTERRUPTED = """
import sys

class Interrupt:
    def find_spec(self, name, *_):
        if name == "tmdscope.jobs.study":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
"""


def test_what_ends_the_imports_of_a_stage_is_told(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTED)
    done = subprocess.run(
        [sys.executable, "-m", "tmdscope.studies", "tmd_materials", "split"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "stopped by SIGINT; start the same again to go on\n")


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

    with pytest.raises(SystemExit):
        run_stage(lambda: fail(ConnectionResetError("far down")))
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
