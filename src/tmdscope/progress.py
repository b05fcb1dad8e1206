"""What a person who waits sees, on standard error: bars, and a live table of a training."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

from rich.console import Console
from rich.live import Live
from rich.progress import track
from rich.table import Table

Item = TypeVar("Item")

LINE_EVERY_S = 30.0
"""Least time in s between two lines about a fold where no terminal can show a table."""

_DRAW_EVERY_S = 0.1
_SHOWN_FOLDS = 10
_UNKNOWN = "-"


def progress(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """Pass items on and draw a bar on standard error when it is a terminal."""
    if is_interactive() and not is_quiet():
        items = track(items, what, total, console=Console(stderr=True))
    yield from items


def is_interactive() -> bool:
    """Say whether a person watches, on a terminal: progress bars are drawn only then."""
    return os.isatty(2)


def is_quiet() -> bool:
    """Say whether no progress is to be shown: ``TMDSCOPE_QUIET`` is set to anything but ``0`` or nothing."""
    return os.environ.get("TMDSCOPE_QUIET", "") not in ("", "0")


class Score(Protocol):
    """The score that a training is watched by, as `tmdscope.scores.task.Metric`."""

    @property
    def name(self) -> str:
        """Its key."""

    @property
    def title(self) -> str:
        """Its name in text."""

    def tell(self, value: float | None) -> str:
        """Write a value."""


@dataclass
class _Fold:
    """One fold: its last epoch, those that `ran` here in so many seconds, images per s, and scores.

    What happened to it last was at time `since`.
    """

    number: int
    since: float
    ended: bool = False
    epoch: int = 0
    ran: int = 0
    seconds: float = 0.0
    rate: float | None = None
    score: float | None = None
    kept: float | None = None


class TrainingTable:
    """A live table of a cross-validation on a terminal, a row per fold; elsewhere a line now and then.

    Folds may train side by side. One gets a line at its end, and before that there is at most one every
    `LINE_EVERY_S` seconds. `epochs` is the most of a fold, `images` the training images of one epoch.
    """

    def __init__(
        self,
        experiment: str,
        folds: int,
        epochs: int,
        images: int,
        metric: Score,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.experiment = experiment
        self.folds = folds
        self.epochs = epochs
        self.images = images
        self.metric = metric
        self.console = console or Console(stderr=True, quiet=is_quiet())
        self.clock = clock
        self._begun: dict[int, _Fold] = {}
        self._seconds = 0.0  # in which epochs ran
        self._since = self._shown = clock()
        drawn = self.console.is_terminal and not self.console.quiet
        self._live = (
            Live(get_renderable=self._table, console=self.console, auto_refresh=False) if drawn else None
        )

    def __enter__(self) -> Self:
        """Draw the table where it can be drawn."""
        if self._live is not None:
            self._live.start()
        self._since = self._shown = self.clock()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the table as it is."""
        if self._live is not None:
            self._live.stop()

    def fold(self, number: int) -> None:
        """Begin a fold, numbered from 0."""
        self._since = self.clock()
        self._begun[number] = _Fold(number, self._since)
        self._draw(self._begun[number], force=True)

    def resumed(self, fold: int, epoch: int) -> None:
        """Hear that a fold, begun or new, goes on after this epoch of a checkpoint."""
        if fold not in self._begun:
            self.fold(fold)
        state = self._begun[fold]
        state.epoch = epoch
        self._since = state.since = self.clock()
        self._draw(state, force=True)

    def epoch(self, fold: int, number: int, scores: Mapping[str, float], kept: bool) -> None:
        """Hear the score, ``val_NAME``, of a fold's epoch, from 1, and whether it is kept."""
        now, state = self.clock(), self._begun[fold]
        took = now - state.since
        self._seconds += now - self._since
        self._since = state.since = now
        state.epoch, state.score = number, scores[f"val_{self.metric.name}"]
        state.ran += 1
        state.seconds += took
        state.rate = self.images / took if took > 0 else None
        if kept:
            state.kept = state.score
        self._draw(state, force=number == self.epochs)

    def end(self, fold: int) -> None:
        """Hear that a fold has ended well."""
        state = self._begun[fold]
        state.ended = True
        if self._live is None:
            how = f"{_epochs(state.ran)} in {duration(state.seconds)}"
            if not state.ran and state.epoch:
                how = f"{_epochs(state.epoch)} from a checkpoint"
            elif state.ran < state.epoch:
                how += f", {state.epoch - state.ran} before from a checkpoint"
            self._line(state, f" done: {how}")

    def seconds_left(self) -> float | None:
        """Estimate the time that is left, as if folds to come end like those before; None: nothing timed."""
        begun = self._begun.values()
        ran = sum(state.ran for state in begun)
        if not ran:
            return None
        ended = [state.epoch for state in begun if state.ended]
        length = sum(ended) / len(ended) if ended else float(self.epochs)
        epochs = length * (self.folds - len(begun)) + sum(
            min(max(length, state.epoch + 1.0), float(self.epochs)) - state.epoch
            for state in begun
            if not state.ended
        )
        return epochs * self._seconds / ran

    def _draw(self, state: _Fold, force: bool) -> None:
        now = self.clock()
        if self._live is not None:
            if force or now - self._shown >= _DRAW_EVERY_S:
                self._live.refresh()
                self._shown = now
        elif state.ran and now - self._shown >= LINE_EVERY_S:
            left = self.seconds_left()
            self._line(state, f", epoch {state.epoch} of {self.epochs}", f", {duration(left)} left")

    def _line(self, state: _Fold, how: str, left: str = "") -> None:
        self._shown = self.clock()
        rate = "" if state.rate is None else f", {_rate(state.rate)} images/s"
        last, kept = map(self.metric.tell, (state.score, state.kept))
        where = f"{self.experiment}: fold {state.number + 1} of {self.folds}"
        text = f"{where}{how}{rate}, validation {self.metric.title} {last} (kept {kept}){left}"
        self.console.print(text, soft_wrap=True, markup=False, highlight=False)

    def _table(self) -> Table:
        table = Table(title=self.experiment, title_justify="left")
        for name in ("fold", "epoch", "images/s", f"val {self.metric.title}", "kept", "left"):
            table.add_column(name, justify="right")
        shown = list(self._begun.values())[-_SHOWN_FOLDS:]
        for state in shown:
            table.add_row(
                f"{state.number + 1} of {self.folds}",
                f"{state.epoch} of {self.epochs}",
                _rate(state.rate),
                *map(self.metric.tell, (state.score, state.kept)),
                duration(self.seconds_left()) if state is shown[-1] else "",
            )
        return table


def duration(seconds: float | None) -> str:
    """Write a time for a person: ``45 s``, ``3 min 20 s``, ``2 h 05 min``, or ``-`` for None."""
    if seconds is None:
        return _UNKNOWN
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def _epochs(number: int) -> str:
    return f"{number} epoch{'' if number == 1 else 's'}"


def _rate(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"
