"""A progress bar for work that a person watches."""

import os
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar("Item")


def progress(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """Pass items on and draw a bar on standard error when it is a terminal.

    Parameters
    ----------
    items : iterable
        The work.
    total : int
        How many items there are.
    what : str
        A word for the work, shown before the bar.

    Yields
    ------
    object
        The items, unchanged.
    """
    if is_interactive():
        items = track(items, what, total, console=Console(stderr=True))
    yield from items


def is_interactive() -> bool:
    """Say whether a person watches: progress bars are drawn only then.

    Returns
    -------
    bool
        True when standard error is a terminal.
    """
    return os.isatty(2)
