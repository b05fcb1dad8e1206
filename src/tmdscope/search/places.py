"""The places of a study: every trial has one, and its place ends once, however many workers died on it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

PLACE = "place"
"""Note on a trial: its place, from 0."""

ERROR = "error"
"""Note on a failed trial: its own error. One without has lost its worker, and its place is free again."""

DEATHS = "deaths"
"""Note on a trial: workers that died on its place before."""

MAX_RETRIES = 10
"""Workers that may die on one place before it is given up."""


@dataclass(frozen=True)
class Progress:
    """How far a study is, in places; no worker holds waiting ones."""

    complete: int
    pruned: int
    failed: int
    running: int
    waiting: int

    @property
    def over(self) -> int:
        """Places that are over."""
        return self.complete + self.pruned + self.failed


class Places:
    """What has become of the first `count` places, by the trials of a study at one moment.

    `trials` has the trial that counts of every place that ever had one: of those that did not lose their
    worker the first, else the last.
    """

    def __init__(self, trials: Sequence[FrozenTrial], count: int) -> None:
        self.count = count
        self.trials: dict[int, FrozenTrial] = {}
        for trial in trials:
            place = trial.user_attrs.get(PLACE, count)
            if place < count and (place not in self.trials or outcome(self.trials[place]) == "lost"):
                self.trials[place] = trial

    @property
    def free(self) -> list[int]:
        """Places that somebody can take: those put up already, as whoever did so died, then the others."""
        waiting = {place: t.number for place, t in self.trials.items() if t.state == TrialState.WAITING}
        others = (p for p in range(self.count) if p not in self.trials or outcome(self.trials[p]) == "lost")
        return [*sorted(waiting, key=waiting.__getitem__), *others]

    @property
    def ended(self) -> list[FrozenTrial]:
        """The trial that counts of every place that is over, by place."""
        over = ("complete", "pruned", "failed")
        return [self.trials[place] for place in sorted(self.trials) if outcome(self.trials[place]) in over]

    @property
    def progress(self) -> Progress:
        """Places by what has become of them."""
        counts = Counter(map(outcome, self.trials.values()))
        held = {name: counts[name] for name in ("complete", "pruned", "failed", "running")}
        return Progress(**held, waiting=self.count - sum(held.values()))


def outcome(trial: FrozenTrial) -> str:
    """Say what has become of a trial: Optuna's name of its state, failed ones apart from lost ones."""
    if trial.state != TrialState.FAIL:
        return trial.state.name.lower()
    own = ERROR in trial.user_attrs or trial.user_attrs.get(DEATHS, 0) >= MAX_RETRIES
    return "failed" if own else "lost"
