"""A lock on a registered model that works on any MLflow store: of two who create one name, one succeeds.

MLflow cannot compare and swap an alias, but the names of registered models are unique. The lock is a
registered model without versions. What a killed process has left is free at once for those who see that it is
gone, on the same host; for others it lapses after `LAPSES_AFTER_S`. It is taken over by renaming it to a name
that holds its token: of two takers one succeeds, and one who comes late and finds a new lock under the old
name cannot rename that, as the name is used up. The holder looks whether the lock is still its own before
each step; one that sleeps for minutes between that look and its step is not caught.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tmdscope.errors import UserError
from tmdscope.stage import say
from tmdscope.tracking.owner import describe, is_left, owned
from tmdscope.tracking.registry import if_there
from tmdscope.tracking.store import all_pages

LAPSES_AFTER_S = 600.0
"""Age in s from which a lock counts as left behind: a holder needs seconds."""

PREFIX = "promotion-lock."
"""Put before the name of the registered model."""

_LAPSED = ".lapsed-"
_ATTEMPTS = 5
_TAKEN = ("RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST")  # the latter: given back before it was read


@dataclass(frozen=True)
class Lock:
    """A lock that is held; its token tells this holder from all others."""

    client: MlflowClient
    name: str
    token: str

    def check(self) -> None:
        """See that the lock is still held, and was not taken over as it was held for too long."""
        held = _read(self.client, self.name)
        if held is None or held.token != self.token:
            by = "removed" if held is None else f"taken over by {held.holder}"
            raise UserError(
                f"the lock on {self.name!r} was {by} meanwhile, as it was held for more than "
                f"{LAPSES_AFTER_S / 60:.0f} min; look at `tmdscope models` and run it again"
            )


@dataclass(frozen=True)
class _Held:
    holder: str
    owner: str
    token: str
    since_s: float


@contextmanager
def locked(
    client: MlflowClient, name: str, who: str, clock: Callable[[], float] = time.time
) -> Iterator[Lock]:
    """Hold the lock on a registered model for a block; `UserError`, which says `who`, if another does."""
    lock = Lock(client, name, uuid.uuid4().hex[:12])
    with owned() as owner:
        _acquire(lock, who, owner, clock)
        try:
            yield lock
        finally:
            _release(lock)


def is_left_behind(client: MlflowClient, name: str) -> bool:
    """Say whether a process known to be gone has left a lock; False too where there is no lock."""
    held = _read(client, name)
    return held is not None and is_left(held.owner)


def _acquire(lock: Lock, who: str, owner: str, clock: Callable[[], float]) -> None:
    for _ in range(_ATTEMPTS):
        try:
            lock.client.create_registered_model(
                PREFIX + lock.name,
                {"holder": who, "process": owner, "token": lock.token},
                "Held while an alias is moved. What a killed process has left is taken over by the next.",
            )
            return
        except MlflowException as error:
            if error.error_code not in _TAKEN:
                raise
        held = _read(lock.client, lock.name)
        if held is None:
            continue
        if held.token == lock.token:  # it was made, but the answer was lost and the request repeated
            return
        if clock() - held.since_s < LAPSES_AFTER_S and not is_left(held.owner):
            since = datetime.fromtimestamp(held.since_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            raise UserError(
                f"aliases of {lock.name!r} are being moved by {held.holder} since {since}, "
                f"{describe(held.owner) or 'in an unknown process'}; wait for that to end, look at `tmdscope "
                "models` and run it again (what a process killed on another host left lapses after "
                f"{LAPSES_AFTER_S / 60:.0f} min)"
            )
        _clear_away(lock.client, lock.name, held)
    raise UserError(f"the lock on {lock.name!r} went from hand to hand {_ATTEMPTS} times; run it again")


def _clear_away(client: MlflowClient, name: str, lapsed: _Held) -> None:
    """Free a lapsed lock's name; the renamed lock stays until the next one is cleared away."""
    renamed = f"{PREFIX}{name}{_LAPSED}"
    found = all_pages(client.search_registered_models, f"name LIKE '{renamed}%'")
    try:
        client.rename_registered_model(PREFIX + name, renamed + lapsed.token)
    except MlflowException:
        return  # another was quicker; who holds it now is read again
    for earlier in found:
        if earlier.name.startswith(renamed) and earlier.name != renamed + lapsed.token:
            client.delete_registered_model(earlier.name)


def _release(lock: Lock) -> None:
    try:
        held = _read(lock.client, lock.name)
        if held is not None and held.token == lock.token:
            lock.client.delete_registered_model(PREFIX + lock.name)
    except MlflowException as error:
        say(
            f"the lock on {lock.name!r} could not be given back ({error}); who decides next takes it over, "
            f"from another host after {LAPSES_AFTER_S / 60:.0f} min"
        )


def _read(client: MlflowClient, name: str) -> _Held | None:
    found = if_there(client.get_registered_model, PREFIX + name)
    if found is None:
        return None
    tags = found.tags
    holder, owner, token = (tags.get(key, "") for key in ("holder", "process", "token"))
    return _Held(holder or "someone", owner, token, found.creation_timestamp / 1000)
