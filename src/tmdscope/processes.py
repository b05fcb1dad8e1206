"""Independent parts of a stage in processes of their own, none of which outlives the stage."""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context
from typing import Protocol, TypeVar

from tmdscope.address import keep_secrets
from tmdscope.errors import UserError
from tmdscope.stage import end_with

Part = TypeVar("Part")
Result = TypeVar("Result")

_AHEAD = 4
"""Parts under way, or done and not yet asked for, for each process."""


class Mapper(Protocol):
    """Does some work on parts wherever it pleases, as `run_parts` and `tmdscope.cluster.cluster_at`."""

    def __call__(self, work: Callable[[Part], Result], parts: Iterable[Part]) -> Iterable[Result]:
        """Give results in the order of the parts."""


def run_parts(work: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
    """Run parts of some work side by side and wait for all, see `stream_parts`."""
    return [*stream_parts(work, parts)]


def stream_parts(work: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
    """Run parts of some work side by side, as many as there are cores; results in the order of the parts.

    `work` is a function of a module, looked up by name in new processes; parts and results are picklable.
    Few parts are ahead of what is asked for, so that results do not pile up. What the first part that failed
    has raised is raised; those that run are waited for.
    """
    parts = [*parts]
    processes = min(len(parts), len(os.sched_getaffinity(0)))
    if processes < 2:
        yield from map(work, parts)
        return
    waiting: deque[Future[Result]] = deque()
    with ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_begin, initargs=(os.getpid(),)
    ) as pool:
        try:
            for part in parts:
                waiting.append(_submit(pool, work, part))
                if len(waiting) == _AHEAD * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise UserError(
                "a process of this stage was killed, as the system does where memory runs out; end other "
                "programs and start it again"
            ) from error
        except (KeyboardInterrupt, GeneratorExit):  # nobody waits for what is under way
            for process in active_children():
                process.terminate()
            raise
        finally:
            for future in waiting:
                future.cancel()


def _submit(pool: ProcessPoolExecutor, work: Callable[[Part], Result], part: Part) -> "Future[Result]":
    """Hand a part over: processes that this starts do not hear Ctrl-C, this one does, and ends them."""
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(work, part)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)


def _begin(parent: int) -> None:
    keep_secrets()
    end_with(parent)
