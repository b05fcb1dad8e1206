"""Independent parts of a stage in processes of their own, none of which outlives the stage."""

import os
import signal
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context
from typing import Protocol, TypeVar

from tmdscope.address import keep_secrets
from tmdscope.errors import UserError
from tmdscope.stage import end_with

Part = TypeVar("Part")
Result = TypeVar("Result")


class Mapper(Protocol):
    """Does some work on parts wherever it pleases, as `run_parts` and `tmdscope.cluster.cluster_at`."""

    def __call__(self, work: Callable[[Part], Result], parts: Iterable[Part]) -> Iterable[Result]:
        """Give results in the order of the parts."""


def run_parts(work: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
    """Run parts of some work side by side, as many as there are cores; results in the order of the parts.

    `work` is a function of a module, looked up by name in new processes; parts and results are picklable.
    What the first part that failed has raised is raised; the others are waited for.
    """
    parts = [*parts]
    processes = min(len(parts), len(os.sched_getaffinity(0)))
    if processes < 2:
        return [work(part) for part in parts]
    with ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_begin, initargs=(os.getpid(),)
    ) as pool:
        try:
            # the processes do not hear Ctrl-C: the one that starts them does, and ends them
            heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                results = pool.map(work, parts)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, heard)
            return list(results)
        except BrokenProcessPool as error:
            raise UserError(
                "a process of this stage was killed, as the system does where memory runs out; end other "
                "programs and start it again"
            ) from error
        except KeyboardInterrupt:
            for process in active_children():
                process.terminate()
            raise


def _begin(parent: int) -> None:
    keep_secrets()
    end_with(parent)
