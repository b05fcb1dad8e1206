"""Hostile inputs: the driver tells right from wrong, and some of every kind end right."""

import json
import os
import pickle
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from benchmarks.hostile import main
from benchmarks.hostile.cases import MARK, Case, put
from benchmarks.hostile.driver import run_kind

from tmdscope.errors import UserError
from tmdscope.stage import say

FEW = 4


def refuse(_: Path) -> None:
    raise UserError("a.txt is empty")


def fail(_: Path) -> None:
    raise KeyError("a")


def take_memory(_: Path) -> int:
    return len(bytes(bytearray(2 << 30)))


def spin(_: Path) -> None:
    while True:
        pass


def write_mark(folder: Path) -> None:
    (folder / MARK).touch()


def edit(folder: Path) -> None:
    (folder / "a.txt").write_text("other")


class Payload:
    def __reduce__(self) -> Any:
        return str, ("x",)


@pytest.mark.parametrize(
    ("door", "must", "expected"),
    [
        (refuse, "refuse", "right"),
        (refuse, "take", "wrong"),
        (lambda _: 3, "take", "right"),
        (lambda _: 3, "refuse", "wrong"),
        (fail, "either", "traceback"),
        (lambda _: os._exit(3), "either", "traceback"),
        (take_memory, "either", "memory"),
        (write_mark, "either", "executed"),
        (lambda _: os.system("true"), "either", "executed"),
        (lambda _: subprocess.run(["/bin/true"], check=True), "either", "executed"),
        (lambda _: pickle.loads(pickle.dumps(Payload())), "either", "executed"),
        (lambda _: Path("/tmp/written-by-a-case").touch(), "either", "executed"),
        (edit, "either", "wrong"),
        (lambda _: os.write(1, b"\x1b[2J"), "either", "wrong"),
        (lambda _: say("all is well"), "either", "right"),
    ],
)
def test_the_driver_tells_what_happened(door: Callable[[Path], Any], must: str, expected: str) -> None:
    (found,) = run_kind("test", [Case("one", put("a.txt", "mine"), door, must)])
    Path("/tmp/written-by-a-case").unlink(missing_ok=True)
    assert found.outcome == expected, found.told


def test_a_message_must_tell_the_file() -> None:
    cases = [Case("one", put("a.txt", ""), refuse, tells=name) for name in (r"a\.txt", r"b\.txt")]
    assert [found.outcome for found in run_kind("test", cases)] == ["right", "wrong"]


def test_what_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.hostile.driver.WALL_S", 1.0)
    doors = (spin, lambda _: time.sleep(60))
    found = run_kind("test", [Case("one", put("a.txt", ""), door) for door in doors])
    assert [one.outcome for one in found] == ["hung", "hung"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", main.KINDS)
def test_some_of_every_kind_end_right(kind: str) -> None:
    lines: list[str] = []

    def few(cases: Any) -> Any:
        return [*cases[:1], *cases[1 :: max(1, len(cases) // FEW)]]

    assert main.run([kind], lines.append, few), lines
    assert json.loads(lines[-1])["cases"] > FEW


def test_the_corpus_is_large_and_its_names_are_distinct() -> None:
    from importlib import import_module

    counts = {}
    for kind, module in main.KINDS.items():
        names = [case.name for case in import_module(f"benchmarks.hostile.{module}").cases()]
        assert len(set(names)) == len(names), kind
        counts[kind] = len(names)
    assert min(counts.values()) >= 30
    assert sum(counts.values()) >= 500
