"""What a search runs and what hears of it: objectives and recorders, as small protocols."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import optuna

from tmdscope.learn.checkpoint import CheckpointRule, EpochScores
from tmdscope.learn.recorder import Recorder
from tmdscope.learn.selection import LeftOutFold, leave_out_each
from tmdscope.scores.task import Metric

Settings = Mapping[str, Any]
OnEpoch = Callable[[int, float], bool]
"""Given an epoch, from 1, and its score; True where the trial is given up."""


@dataclass(frozen=True)
class FoldOutcome:
    """How one fold of a trial ended.

    It `failed` by the settings' own fault, such as a loss that is no longer finite. `score` is the
    objective's on the validation part, `epochs` are passes over the training part, `history` is there where
    epochs were looked at, and `rule` chose among them.
    """

    ended: Literal["scored", "pruned", "failed"]
    score: float = 0.0
    epochs: int = 0
    error: str = ""
    history: tuple[EpochScores, ...] = ()
    rule: CheckpointRule | None = None


@dataclass
class Job:
    """A trial under way: passes over training parts so far, outcomes of the folds that were scored."""

    trial: optuna.Trial
    settings: Settings
    recorder: "TrialRecorder"
    epochs: int = 0
    outcomes: list[FoldOutcome] = field(default_factory=list)

    @property
    def scores(self) -> list[float]:
        """Of the folds that were scored."""
        return [outcome.score for outcome in self.outcomes]

    def left_out(self, metric: Metric) -> list[LeftOutFold] | None:
        """Leave each fold out of the choice of the epoch in turn; None where no epochs were looked at."""
        rules = {outcome.rule for outcome in self.outcomes}
        rule = rules.pop() if len(rules) == 1 else None
        if rule is None or len(self.outcomes) < 2:
            return None
        return leave_out_each([outcome.history for outcome in self.outcomes], rule, metric)


class Objective(Protocol):
    """What a search improves: the mean over folds of the metric on their validation parts.

    A fold has at most so many `epochs`, and so many trials run `together`.
    """

    metric: Metric
    folds: int
    epochs: int
    together: int

    def settings(self, trial: optuna.Trial) -> Settings:
        """Draw the settings of a trial."""

    def run_fold(self, fold: int, jobs: Sequence[Job], on_epoch: Sequence[OnEpoch]) -> list[FoldOutcome]:
        """Run one fold, from 0, of at most `together` trials.

        `on_epoch` is asked after each epoch whether to give its trial up; trials that train together are not.
        """


class TrialRecorder(Recorder, Protocol):
    """Listener of one trial; its folds are those of `tmdscope.learn.recorder.Recorder`."""

    def finish(self, state: str, scores: Mapping[str, float], error: str) -> None:
        """Hear how the trial ends (``COMPLETE``, ``PRUNED`` or ``FAIL``), before the study does."""

    def close(self, counts: bool) -> None:
        """Hear that no more will come; it does not count where it was given back, or taken for dead."""


class SearchRecorder(Protocol):
    """Listener of a search."""

    def trial(self, number: int, settings: Settings, retry_of: int | None) -> TrialRecorder:
        """Open the listener of a trial, which may repeat a dead worker's; whoever opens it closes it."""

    def settle(self, states: Mapping[int, str]) -> None:
        """End what dead workers left open, by what has become of every trial."""
