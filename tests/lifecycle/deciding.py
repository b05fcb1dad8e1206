"""Decisions on a registered model in memory or in a store, and what is there after them."""

from collections.abc import Callable
from contextlib import suppress

from tests.lifecycle.gates import NAME, OPEN, SOUND
from tests.lifecycle.memory import Data, KilledError
from tmdscope.lifecycle.listing import list_versions
from tmdscope.lifecycle.promotion import Outcome, promote, rollback
from tmdscope.tracking.lock import PREFIX
from tmdscope.tracking.registry import PRODUCTION, read_standing
from tmdscope.tracking.store import Store

Numbers = tuple[int | None, int | None, int | None]

ANN = "Ann <ann@example.org>"
BEN = "Ben <ben@example.org>"


def accept(study: Store, name: str, number: int | None) -> Outcome:
    return promote(study, name, number, OPEN, ANN, force=False, reason="")


def back(study: Store, name: str) -> Outcome:
    return rollback(study, name, lambda _: SOUND, BEN, "it drifts")


def by_hand(study: Store, name: str, number: int) -> None:
    study.client.set_registered_model_alias(name, PRODUCTION, str(number))


def numbers(study: Store, name: str = NAME) -> Numbers:
    return read_standing(study.client, name).numbers


def tags_of(study: Store, name: str, number: int) -> dict[str, str]:
    return dict(study.client.get_model_version(name, str(number)).tags)


def notes(study: Store, name: str = NAME) -> dict[int, str]:
    return {row.version: row.note for row in list_versions(study.client, name) if row.note}


def locks(data: Data) -> list[str]:
    return [name for name in data.models if name.startswith(PREFIX)]


def cut_off(
    data: Data, act: Callable[[Store], object], trouble: Callable[[int], Callable[[int], None]], at: int
) -> bool:
    """Do something whose write number `at` goes wrong; says whether it came that far."""
    study = data.study(trouble(at))
    with suppress(KilledError, Exception):
        act(study)
    return study.client.writes > at  # type: ignore[attr-defined]
