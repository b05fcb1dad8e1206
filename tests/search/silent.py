"""A recorder of a search that keeps nothing."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from tmdscope.learn.recorder import Silent
from tmdscope.search.trials import Settings


class SilentSearch:
    """A recorder of a search, and of its trials, that keeps nothing."""

    def trial(self, number: int, settings: Settings, retry_of: int | None) -> "SilentSearch":
        """Open nothing, see `SearchRecorder.trial`."""
        return self

    def fold(self, number: int) -> AbstractContextManager[Silent]:
        """Open nothing, see `Recorder.fold`."""
        return nullcontext(Silent())

    def finish(self, state: str, scores: Mapping[str, float], error: str) -> None:
        """Forget the scores, see `TrialRecorder.finish`."""

    def close(self, counts: bool) -> None:
        """Forget the trial, see `TrialRecorder.close`."""

    def settle(self, states: Mapping[int, str]) -> None:
        """Leave all as it is, see `SearchRecorder.settle`."""
