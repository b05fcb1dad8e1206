"""Plays the part of a CUDA graph where there is no GPU: replaying does the work anew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import pytest
from torch import Tensor

from tmdscope.vision import recorded
from tmdscope.vision.recorded import Outputs, Work


@dataclass
class Tape:
    """Counts what is tried out, recorded and replayed; `waits` is what a trial finds."""

    waits: bool = False
    tried: int = 0
    records: int = 0
    replays: int = 0

    def try_out(self, work: Work, *inputs: Tensor) -> tuple[Outputs, bool]:
        self.tried += 1
        return work(*inputs), self.waits

    def record(self, work: Work, *inputs: Tensor) -> tuple[Callable[[], None], Sequence[Tensor]]:
        self.records += 1
        outputs: list[Tensor] = []

        def replay() -> None:
            self.replays += 1
            outputs[:] = work(*inputs)

        return replay, outputs

    @classmethod
    def install(cls, monkeypatch: pytest.MonkeyPatch) -> Self:
        """Record on it from now on."""
        tape = cls()
        monkeypatch.setattr(recorded, "try_out", tape.try_out)
        monkeypatch.setattr(recorded, "record", tape.record)
        return tape
