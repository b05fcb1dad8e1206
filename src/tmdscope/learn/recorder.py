"""What training tells whoever listens: learning knows this protocol, tracking implements it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from torch import nn


class FoldRecorder(Protocol):
    """Listener of one fold."""

    def epoch(self, number: int, scores: Mapping[str, float]) -> None:
        """Hear the scores of one epoch.

        Parameters
        ----------
        number : int
            Epoch, from 1.
        scores : mapping
            Name to value.
        """

    def finish(self, scores: Mapping[str, float], model: nn.Module | None) -> None:
        """Hear the final scores and get the fold's model.

        Parameters
        ----------
        scores : mapping
            Name to value.
        model : torch.nn.Module or None
            The kept model, in evaluation mode; None where it is no network.
        """


class Recorder(Protocol):
    """Listener of one cross-validation."""

    def fold(self, number: int) -> AbstractContextManager[FoldRecorder]:
        """Open the listener of one fold.

        Parameters
        ----------
        number : int
            Fold, from 0.

        Returns
        -------
        context manager
            Gives a `FoldRecorder`; an error inside the block marks the fold as failed.
        """


class Silent:
    """A recorder, and a fold recorder, that keep nothing."""

    def fold(self, number: int) -> AbstractContextManager["Silent"]:  # noqa: ARG002
        """Open nothing, see `Recorder.fold`."""
        return nullcontext(self)

    def epoch(self, number: int, scores: Mapping[str, float]) -> None:
        """Forget the scores, see `FoldRecorder.epoch`."""

    def finish(self, scores: Mapping[str, float], model: nn.Module | None) -> None:
        """Forget the model, see `FoldRecorder.finish`."""
