"""What training tells whoever listens: learning knows this protocol, tracking implements it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from torch import nn


class FoldRecorder:
    """Listener of one fold; this one forgets what it hears."""

    def epoch(self, number: int, scores: Mapping[str, float], kept: bool) -> None:
        """Hear the scores of one epoch, from 1, and whether its weights are the ones kept now."""

    def history(self, scores: Sequence[Mapping[str, float]]) -> None:
        """Hear the scores of all epochs of a training at once."""

    def resumed(self, number: int) -> None:
        """Hear that a training goes on after this epoch; this and those before it are not heard again."""

    def finish(self, scores: Mapping[str, float], model: nn.Module | None) -> None:
        """Hear the final scores and get the kept model, in evaluation mode; None where it is no network."""


class Recorder(Protocol):
    """Listener of one cross-validation."""

    def fold(self, number: int) -> AbstractContextManager[FoldRecorder]:
        """Open the listener of one fold, from 0; an error inside the block marks the fold as failed.

        Others may be open meanwhile, and end before it.
        """


class Silent(FoldRecorder):
    """A recorder, and a fold recorder, that keep nothing."""

    def fold(self, number: int) -> AbstractContextManager["Silent"]:  # noqa: ARG002
        """Open nothing, see `Recorder.fold`."""
        return nullcontext(self)
