"""Work in a process of its own: what one side of a comparison sets there, the other must not have."""

import atexit
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch

LOADERS = (0, 2)
"""Numbers of DataLoader processes that a baseline may have."""

_STOP_S = 30.0
_started: dict[tuple[object, ...], "Worker"] = {}


class Worker:
    """A process that prepares once and then does the same work whenever it is told to.

    Parameters
    ----------
    prepare : callable
        Makes the work; runs in the new process, so it must be importable there.
    *arguments : object
        Given to `prepare`.
    """

    def __init__(self, prepare: Callable[..., Callable[[], Any]], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, prepare, arguments))
        self._process.start()
        theirs.close()
        atexit.register(self.close)

    def work(self) -> Any:
        """Do the work once; a GPU has then done its part too.

        Returns
        -------
        object
            What it gave.

        Raises
        ------
        RuntimeError
            The process has died.
        """
        try:
            self._ours.send(None)
            return self._ours.recv()
        except (EOFError, ConnectionError) as error:
            raise RuntimeError("the benchmark's process died; its message is above") from error

    def close(self) -> None:
        """Let the process end, and with it whatever it holds."""
        self._ours.close()
        self._process.join(_STOP_S)
        atexit.unregister(self.close)


def worker(prepare: Callable[..., Callable[[], Any]], *arguments: Any) -> Worker:
    """Give the process that does some work, the same one every time until `stop_workers`.

    Parameters
    ----------
    prepare : callable
        See `Worker`.
    *arguments : object
        Given to `prepare`.

    Returns
    -------
    Worker
        Ready to work.
    """
    key = (prepare, *arguments)
    if key not in _started:
        _started[key] = Worker(prepare, *arguments)
    return _started[key]


def stop_workers() -> None:
    """Close the processes that `worker` gave, so that the next benchmark has the machine's memory."""
    while _started:
        _started.popitem()[1].close()


def fastest_loaders(
    prepare: Callable[..., Callable[[], Any]],
    *arguments: Any,
    clock: Callable[[], float] = time.perf_counter,
) -> int:
    """Find the number of DataLoader processes that suits the machine, after one untimed call of each.

    Parameters
    ----------
    prepare : callable
        See `Worker`; its last argument is that number.
    *arguments : object
        Given to `prepare` before it.
    clock : callable, optional
        Gives the time in s.

    Returns
    -------
    int
        Of `LOADERS`, and as many as there are cores on a GPU's machine.
    """
    candidates = {*LOADERS, multiprocessing.cpu_count()} if torch.cuda.is_available() else LOADERS
    seconds = {}
    for loaders in candidates:
        trial = Worker(prepare, *arguments, loaders)
        trial.work()
        start = clock()
        trial.work()
        seconds[loaders] = clock() - start
        trial.close()
    return min(seconds, key=lambda loaders: seconds[loaders])


def _serve(connection: Connection, prepare: Callable[..., Callable[[], Any]], arguments: Any) -> None:
    work = prepare(*arguments)
    while True:
        try:
            connection.recv()
        except EOFError:
            return
        result = work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        connection.send(result)
