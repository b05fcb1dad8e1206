"""Whether a process that owns something is gone."""

import json
import subprocess
import sys

import pytest

from tmdscope.tracking import owner
from tmdscope.tracking.owner import describe, is_left, owned

PROGRAM = "from tmdscope.tracking.owner import owned\nwith owned() as text: print(text, flush=True); input()"


def changed(text: str, **changes: object) -> str:
    return json.dumps({**json.loads(text), **changes})


def test_what_is_owned_is_left_when_the_block_is_over() -> None:
    with owned() as first, owned() as second:
        assert first != second
        assert not is_left(first)
        assert describe(first).startswith("process ")
    assert is_left(first)
    assert is_left(second)


def test_a_killed_process_has_left_it_even_before_it_is_cleared_away() -> None:
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        text = process.stdout.readline()
        assert not is_left(text)
        process.kill()
        process.stdout.read()  # until it has ended; its parent has not asked for it yet
        for _ in range(10_000):
            if is_left(text):
                break
        assert is_left(text)
    assert is_left(text)


def test_another_process_that_got_the_number_is_not_taken_for_it() -> None:
    with owned() as text:
        assert is_left(changed(text, started="long ago"))
        assert is_left(changed(text, pid=2**22 + 1))


@pytest.mark.parametrize("text", ["", "Ann", "{}", "[1]", '{"place": "bench", "pid": "one"}'])
def test_of_what_names_no_process_nothing_is_known(text: str) -> None:
    assert not is_left(text)
    assert describe(text) == ""


def test_of_another_host_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    with owned() as text:
        pass
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    assert not is_left(text)


def test_where_there_is_no_proc_ps_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "_started", owner._started_elsewhere)
    with owned() as text:
        assert json.loads(text)["started"]
        assert not is_left(text)
        assert is_left(changed(text, started="Thu Jan  1 00:00:00 1970"))
