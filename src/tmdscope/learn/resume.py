"""Checkpoints of trainings that may be killed at any moment, and what they belong to.

A folder belongs to one attempt at one cross-validation. Its `attempt.json` says what determines the result
(`identity`) and on which machine it began; every fold has its own folder of checkpoints. Checkpoints are
written to a temporary name and renamed, carry their own SHA-256, and the newest two are kept, so that one
that cannot be read costs the time since the one before and nothing else.
"""

import hashlib
import io
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Self

import torch

from tmdscope.errors import UserError
from tmdscope.files import atomic_path
from tmdscope.record import JsonRecord
from tmdscope.stage import say
from tmdscope.temporary import lock_folder, workspace

EVERY_S = 30.0
"""Seconds of training between two checkpoints: what a kill costs at most, beside the epoch under way."""

_KEPT = 2
_DIGEST_BYTES = 32
_ATTEMPT = "attempt.json"
_ENDED = "ended"
"""Marks an attempt whose result is stored, but perhaps not noted by DVC yet."""

State = dict[str, Any]


class Checkpoints:
    """The checkpoints of one training, at least `every_s` seconds apart; the folder is made when needed."""

    def __init__(
        self, folder: Path, every_s: float = EVERY_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder = folder
        self.every_s = every_s
        self.clock = clock
        self._last = clock()

    def load(self) -> State | None:
        """Read the newest whole checkpoint, tensors on the CPU; None where there is none.

        A damaged one is named on standard error and the one before it is taken.
        """
        for path in reversed(self._paths()):
            state = _read(path)
            if state is not None:
                return state
            say(f"{path} is damaged; going back to the checkpoint before it")
            path.unlink()
        return None

    def save(self, epoch: int, state: Callable[[], State], final: bool) -> None:
        """Save a state (tensors, numbers, texts, lists and dicts) if it is time to.

        The `final` one, of a training that has ended, is always saved, and the others are removed. Epochs
        count from 1.
        """
        if not final and self.clock() - self._last < self.every_s:
            return
        stream = io.BytesIO()
        torch.save(state(), stream)
        with atomic_path(self.folder / f"{epoch:06d}.ckpt") as temporary:
            temporary.write_bytes(hashlib.sha256(stream.getbuffer()).digest() + stream.getbuffer())
        for path in self._paths()[: -1 if final else -_KEPT]:
            path.unlink()
        self._last = self.clock()

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("*.ckpt"))


@dataclass(frozen=True)
class Attempt(JsonRecord):
    """``attempt.json``: the attempt's name, what determines its result, and what may change last digits."""

    attempt: str
    identity: dict[str, str]
    machine: dict[str, str]


@dataclass(frozen=True)
class Resume:
    """An attempt at a cross-validation that a killed process left behind, or a new one.

    By the name `attempt` the tracker finds its runs again; `abandoned` is one that was there and cannot go
    on, since what determines its result has changed. `differs` names what has changed about the machine;
    `begun` is whether it goes on with what another process left. Checkpoints are at least `every_s` seconds
    apart.
    """

    folder: Path
    attempt: str
    abandoned: str | None
    differs: tuple[str, ...]
    every_s: float
    begun: bool

    @classmethod
    def open(
        cls,
        folder: Path,
        identity: Mapping[str, str],
        machine: Mapping[str, str],
        every_s: float | None = None,
    ) -> Self:
        """Go on with the attempt in a folder, or begin one; this process holds it until it ends.

        What determines the result is its `identity`: an attempt with another one is abandoned and its
        checkpoints are removed, which is said on standard error. On another `machine` (threads, device,
        library versions) it goes on, but its result is no longer that of an unbroken run to the last bit,
        which is said. `every_s` is that of variable ``TMDSCOPE_CHECKPOINT_S`` where not given, or 30 s.
        `UserError`: another process works on it.
        """
        _hold(folder)
        if is_noted(folder):
            (folder / _ATTEMPT).unlink(missing_ok=True)
        every_s = float(os.environ.get("TMDSCOPE_CHECKPOINT_S", EVERY_S)) if every_s is None else every_s
        path, abandoned = folder / _ATTEMPT, None
        if path.is_file():
            found = Attempt.read(path)
            changed = _changed(found.identity, identity)
            if not changed:
                differs = _changed(found.machine, machine)
                say(f"{folder}: going on where it was interrupted")
                if differs:
                    say(f"{folder}: began with other {', '.join(differs)}; last digits may differ")
                return cls(folder, found.attempt, None, differs, every_s, begun=True)
            if not (folder / _ENDED).is_file():
                say(f"{folder}: cannot go on, changed since: {', '.join(changed)}; starting anew")
                abandoned = found.attempt
        path.unlink(missing_ok=True)  # first: what a kill leaves of the rest belongs to no attempt
        for left in folder.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        attempt = uuid.uuid4().hex
        Attempt(attempt, dict(identity), dict(machine)).write(path, {})
        return cls(folder, attempt, abandoned, (), every_s, begun=False)

    def fold(self, number: int) -> Checkpoints:
        """Give the checkpoints of one fold, from 0, in a folder of their own."""
        return Checkpoints(self.folder / f"fold-{number}", self.every_s)

    def part(self, name: str) -> Self:
        """Give a part of the attempt that has folds of its own, in a folder (slashes go deeper)."""
        return replace(self, folder=self.folder / name)

    def finish(self) -> None:
        """End the attempt, whose result is stored elsewhere.

        A stage of DVC leaves it there, for where DVC is killed before it notes that the stage has ended the
        next one goes on with the same runs, and removes those that are noted.
        """
        ended = [self.folder]
        if "DVC_STAGE" in os.environ:
            (self.folder / _ENDED).touch()
            ended = [other for other in self.folder.parent.iterdir() if is_noted(other)]
        for folder in ended:
            with workspace(folder.parent, f".{folder.name}") as bin_:
                folder.rename(bin_ / folder.name)  # gone as a whole, then file by file
        if (lock := _held.pop(self.folder.absolute(), None)) is not None:
            os.close(lock)


def is_noted(folder: Path) -> bool:
    """Say whether an attempt has ended, and DVC, if it runs this stage, has written its lock file since."""
    ended = folder / _ENDED
    file, _, stage = os.environ.get("DVC_STAGE", "").rpartition(":")
    lock = Path(file or "dvc.yaml").with_suffix(".lock")
    if not ended.is_file():
        return False
    return not stage or (lock.is_file() and lock.stat().st_mtime_ns > ended.stat().st_mtime_ns)


ENDING_S = 15.0
"""How long a stage may take to end once its `dvc repro` was killed, before the next one is refused."""

_LOOK_EVERY_S = 0.2

_held: dict[Path, int] = {}
"""Attempts of this process, and the descriptors that lock their folders until it ends."""


def _hold(folder: Path) -> None:
    until = time.monotonic() + ENDING_S
    while (key := folder.absolute()) not in _held:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = lock_folder(folder)
        except FileNotFoundError:
            continue  # whoever held it has just ended, and removed it
        except BlockingIOError as error:
            if time.monotonic() > until:
                raise UserError(
                    f"{folder}: another process works on it; wait for that to end (it may go on although "
                    "`dvc repro` was killed: `ps -ef`), then run it again"
                ) from error
            time.sleep(_LOOK_EVERY_S)
            continue
        if lock is None:
            return
        if folder.exists() and os.path.samestat(folder.stat(), os.fstat(lock)):
            _held[key] = lock
        else:
            os.close(lock)  # it was finished and removed meanwhile


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(key for key in {*before, *now} if before.get(key) != now.get(key)))


def _read(path: Path) -> State | None:
    content = path.read_bytes()
    digest, saved = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(saved).digest() != digest:
        return None
    try:
        state: State = torch.load(io.BytesIO(saved), map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, LookupError, ValueError):  # whole, but of another kind
        return None
    return state
