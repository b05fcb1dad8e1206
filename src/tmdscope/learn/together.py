"""Trainings side by side on one device, in one thread, where one alone does not fill it.

A training takes turns: it is a generator that yields where it would wait for the device. Until its next turn
the others have theirs, and a GPU works on what all of them have launched.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor

from tmdscope.errors import UserError

Result = TypeVar("Result")
Turns = Generator[None, None, Result]
"""Work that yields where it would wait; when it returns, it has waited for all that it launched."""

VARIABLE = "TMDSCOPE_FOLDS_AT_ONCE"
"""How many folds of a cross-validation train side by side: 1 where not set."""

MOST = 32
"""Streams that PyTorch has for each device; one more would be one of them again."""


def folds_at_once() -> int:
    """Read `VARIABLE`; `UserError` where it is no number of folds."""
    given = os.environ.get(VARIABLE, "") or "1"
    if not given.isdecimal() or not 1 <= int(given) <= MOST:
        raise UserError(f"{VARIABLE} is {given!r}: set it to a whole number from 1 to {MOST}, or unset it")
    return int(given)


def alone(work: Turns[Result]) -> Result:
    """Do a work from its beginning to its end."""
    return side_by_side([work], 1, torch.device("cpu"))[0]


def side_by_side(works: Sequence[Turns[Result]], at_once: int, device: torch.device) -> list[Result]:
    """Do works in turn, so many at once on a device, begun in their order; gives their results in it.

    More than one have random numbers of their own, so that each gives what it gives alone, and on a GPU a
    stream of its own. An error ends all that are under way: it is raised inside them too.
    """
    results: dict[int, Result] = {}
    count = min(at_once, len(works))
    with ExitStack() as stack:
        lanes = [stack.enter_context(open_lane(device)) for _ in range(count)] if count > 1 else [nullcontext]
        for work in works:
            stack.enter_context(_ended_by_errors(work))
        waiting = iter(enumerate(works))
        turns = deque(zip(lanes, waiting, strict=False))
        while turns:
            lane, (number, work) = turns.popleft()
            following: tuple[int, Turns[Result]] | None = number, work
            with lane():
                try:
                    next(work)
                except StopIteration as end:
                    results[number], following = end.value, next(waiting, None)
            if following is not None:
                turns.append((lane, following))
    return [results[number] for number in range(len(works))]


@contextmanager
def _ended_by_errors(work: Turns[Any]) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        work.throw(error)


@contextmanager
def open_lane(device: torch.device) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Open a place for works one after another; gives what opens a turn there.

    On a GPU it is a stream: in what a turn records, only this stream's memory and libraries' workspaces are.
    """
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None
    if stream is not None:
        stream.wait_stream(torch.cuda.current_stream(device))  # which made what works read
    random = _random_state(device)

    @contextmanager
    def turn() -> Iterator[None]:
        nonlocal random
        outside = _random_state(device)
        _set_random_state(device, random)
        try:
            with nullcontext() if stream is None else torch.cuda.stream(stream):
                yield
        finally:
            random = _random_state(device)
            _set_random_state(device, outside)

    try:
        yield turn
    finally:
        if stream is not None:
            stream.synchronize()  # after an error: until then its work reads what others may let go of


def _random_state(device: torch.device) -> tuple[Tensor, Tensor | None]:
    on_gpu = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return torch.get_rng_state(), on_gpu


def _set_random_state(device: torch.device, state: tuple[Tensor, Tensor | None]) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1], device)
