"""Decisions in processes of their own: all judged before the first is carried out, or killed at a write."""

import multiprocessing
import os
from dataclasses import replace
from multiprocessing.context import ForkServerContext
from multiprocessing.synchronize import Barrier
from typing import Any

from tests.lifecycle.gates import OPEN, when_loading
from tmdscope.errors import UserError
from tmdscope.lifecycle.promotion import promote, rollback
from tmdscope.tracking.decisions import open_decisions
from tmdscope.tracking.registry import Client

WAIT_S = 360
KILLED = 9
_WRITES = ("create_", "delete_", "log_", "rename_", "set_")


class Dying:
    """A client whose process is gone at a write: nothing is cleared up."""

    def __init__(self, client: Client, at: int) -> None:
        self._client = client
        self._left = at

    def __getattr__(self, name: str) -> Any:
        if name.startswith(_WRITES):
            self._left -= 1
            if self._left < 0:
                os._exit(KILLED)
        return getattr(self._client, name)


def die_at_write(name: str, number: int | None, uri: str, at: int) -> bool:
    """Promote a version, or roll back without a number, and die at a write; says whether it came to it."""
    process = _context().Process(target=_die, args=(name, number, uri, at))
    process.start()
    process.join(timeout=WAIT_S)
    assert process.exitcode in (0, KILLED)
    return process.exitcode == KILLED


def _die(name: str, number: int | None, uri: str, at: int) -> None:
    os.environ["MLFLOW_TRACKING_URI"] = uri
    study = open_decisions()
    dying: Any = Dying(study.client, at)
    study = replace(study, client=dying)
    if number is None:
        rollback(study, name, OPEN.load, "dying", reason="")
    else:
        promote(study, name, number, OPEN, "dying", force=False, reason="")


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # to import is what takes time
    return context


def promote_at_once(name: str, numbers: list[int], uri: str) -> list[str]:
    """Promote each version in a process, in the store at an address; gives what each was told."""
    context = _context()
    barrier, told = context.Barrier(len(numbers)), context.Queue()
    processes = [
        context.Process(target=_promote, args=(name, number, uri, barrier, told)) for number in numbers
    ]
    for process in processes:
        process.start()
    answers = [told.get(timeout=WAIT_S) for _ in processes]
    for process in processes:
        process.join(timeout=WAIT_S)
    return answers


def _promote(name: str, number: int, uri: str, barrier: Barrier, told: "multiprocessing.Queue[str]") -> None:
    os.environ["MLFLOW_TRACKING_URI"] = uri
    gate = when_loading(lambda: barrier.wait(WAIT_S))
    try:
        outcome = promote(open_decisions(), name, number, gate, f"process {number}", force=False, reason="")
        told.put(f"promoted {outcome.new}")
    except UserError as error:
        told.put(f"refused: {error}")
    except BaseException as error:
        barrier.abort()
        told.put(f"broke: {error!r}")
        raise
