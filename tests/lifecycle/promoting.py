"""Promotions in processes of their own, all judged before the first is carried out."""

import multiprocessing
import os
from multiprocessing.synchronize import Barrier

from tests.lifecycle.gates import when_loading
from tmdscope.lifecycle.promotion import promote
from tmdscope.stage import UserError
from tmdscope.tracking.decisions import open_decisions

WAIT_S = 120


def promote_at_once(name: str, numbers: list[int], uri: str) -> list[str]:
    """Promote each version in a process, in the store at an address; gives what each was told."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # to import is what takes time
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
