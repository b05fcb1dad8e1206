"""Parts of a stage in processes of their own: results in order, errors raised, nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.parts import double, note, refuse, sleep_but_first, where
from tmdscope.processes import run_parts, stream_parts


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Make the machine one of so many cores."""

    def set_cores(count: int) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(count)))

    return set_cores


def test_results_come_in_the_order_of_the_parts(cores: Callable[[int], None]) -> None:
    cores(2)
    assert run_parts(double, [0.1, 4.0, 0.5, 2.0]) == [0.2, 8.0, 1.0, 4.0]


def test_parts_run_beside_this_process(cores: Callable[[int], None]) -> None:
    cores(2)
    assert os.getpid() not in run_parts(where, [1, 2])


def test_an_error_of_a_part_is_raised(cores: Callable[[int], None]) -> None:
    cores(2)
    with pytest.raises(ValueError, match="part 1 is odd"):
        run_parts(refuse, [0, 1, 2])


def test_on_one_core_parts_run_here(cores: Callable[[int], None]) -> None:
    cores(1)
    assert run_parts(where, [1, 2]) == [os.getpid()] * 2
    assert run_parts(lambda part: part + 1, [1, 2]) == [2, 3]  # what no other process could look up
    with pytest.raises(ValueError, match="part 3 is odd"):
        run_parts(refuse, [2, 3])


@pytest.mark.parametrize("parts", [[], [1]])
def test_one_part_and_none_need_no_other_process(cores: Callable[[int], None], parts: list[int]) -> None:
    cores(8)
    assert run_parts(where, parts) == [os.getpid()] * len(parts)


def test_few_parts_are_ahead_of_what_is_asked_for(cores: Callable[[int], None], tmp_path: Path) -> None:
    cores(2)
    results = stream_parts(note, [(str(tmp_path), number) for number in range(100)])
    assert [next(results), next(results)] == [0, 1]
    wait_until(lambda: (tmp_path / "8").exists(), "what is handed over is done")
    assert len(list(tmp_path.iterdir())) <= 9
    assert list(results) == list(range(2, 100))


def test_parts_that_nobody_waits_for_are_ended(cores: Callable[[int], None], tmp_path: Path) -> None:
    cores(2)
    results = stream_parts(sleep_but_first, [(str(tmp_path), number) for number in range(8)])
    assert next(results) == 0
    wait_until(lambda: len(list(tmp_path.iterdir())) == 2, "both processes are at the next parts")
    results.close()
    assert not any(runs(int(path.name)) for path in tmp_path.iterdir())


def runs(process: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it ended before the file was opened, or read
        return False


def wait_until(happened: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 180
    while not happened():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGTERM], ids=["kill -9", "terminated"])
def test_a_killed_parent_takes_its_parts_with_it(tmp_path: Path, signal_: signal.Signals) -> None:
    parent = subprocess.Popen([sys.executable, "-m", "tests.support.parts", str(tmp_path)])
    parts: list[int] = []
    try:
        wait_until(lambda: len(list(tmp_path.iterdir())) == 2, "both parts have begun")
        parts = [int(path.name) for path in tmp_path.iterdir()]
        assert all(map(runs, parts))
        os.kill(parent.pid, signal_)
        assert parent.wait() == -signal_
        wait_until(lambda: not any(map(runs, parts)), "no part outlives its parent")
    finally:
        parent.kill()
        for part in filter(runs, parts):
            os.kill(part, signal.SIGKILL)
