"""Work in a process of its own: what one side of a comparison sets there, the other must not have."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


class Worker:
    """A process that prepares once and then does the same work whenever it is told to.

    Parameters
    ----------
    prepare : callable
        Makes the work; runs in the new process, so it must be importable there.
    arguments : object
        Given to `prepare`.
    """

    def __init__(self, prepare: Callable[..., Callable[[], Any]], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, prepare, arguments), daemon=True)
        self._process.start()
        theirs.close()

    def work(self) -> Any:
        """Do the work once.

        Returns
        -------
        object
            What it gave.

        Raises
        ------
        RuntimeError
            The process has died.
        """
        self._ours.send(None)
        try:
            return self._ours.recv()
        except EOFError as error:
            raise RuntimeError("the benchmark's process died; its message is above") from error


def _serve(connection: Connection, prepare: Callable[..., Callable[[], Any]], arguments: Any) -> None:
    work = prepare(*arguments)
    while True:
        try:
            connection.recv()
        except EOFError:
            return
        connection.send(work())
