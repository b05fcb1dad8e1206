"""Decisions on what is in production, each a run of one MLflow experiment."""

import getpass
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from mlflow.exceptions import MlflowException

from tmdscope.errors import UserError
from tmdscope.record import JsonRecord
from tmdscope.tracking.owner import owned
from tmdscope.tracking.provenance import git
from tmdscope.tracking.runs import OWNER, TrackedRun, start_run
from tmdscope.tracking.store import Store, connect, open_study

EXPERIMENT = "promotions"
"""MLflow experiment of the decisions."""

_TAG_CHARACTERS = 5000
_MOVE = "production.moving."  # tag of a registered model, with the decision's run behind it


def open_decisions() -> Store:
    """Open the experiment of the decisions; its client is the one that they are carried out with."""
    connect()  # nothing can be decided where there is no store
    return open_study(EXPERIMENT)


def who() -> str:
    """Name who decides: ``NAME <EMAIL>`` as git has it here, else ``USER@HOST (git names no one)``."""
    name, email = (git("config", "--get", f"user.{key}") for key in ("name", "email"))
    if name:
        return f"{name} <{email}>" if email else name
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()} (git names no one)"


@contextmanager
def decide(study: Store, name: str, tags: Mapping[str, str]) -> Iterator[TrackedRun]:
    """Open the run of a decision; what stops it is raised, and kept as its tag ``problem``."""
    with owned() as owner, start_run(study, name, {**tags, OWNER: owner}) as run:
        try:
            yield run
        except Exception as error:
            with suppress(MlflowException):  # the store may be what failed
                run.tags({"problem": str(error)[:_TAG_CHARACTERS]})
            raise


@dataclass(frozen=True)
class Move(JsonRecord):
    """A change of production, written down before it is made and struck out when all of it is done.

    `decision` is ``promoted``, ``forced`` or ``rolled-back``; `production` and `previous` are the versions
    that the aliases pointed to. `PREVIOUS` is to point to `old` (None leaves it alone), `PRODUCTION` to
    `new`.
    """

    run_id: str
    decision: str
    by: str
    at: str
    production: int | None
    previous: int | None
    old: int | None
    new: int

    @property
    def tag(self) -> str:
        """The tag of the registered model that it is written down in."""
        return _MOVE + self.run_id

    @property
    def text(self) -> str:
        """What is written there."""
        return json.dumps(self.to_dict())

    def __str__(self) -> str:
        """Name the move for a person."""
        return (
            f"production to version {self.new} ({self.decision} by {self.by} at {self.at}, run {self.run_id})"
        )


def moves_in(name: str, tags: Mapping[str, str]) -> list[Move]:
    """List the moves in a registered model's tags, those that were not struck out, the oldest first."""
    found = []
    for key, value in tags.items():
        if not key.startswith(_MOVE):
            continue
        try:
            found.append(Move.parse(json.loads(value)))
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"tag {key!r} of registered model {name!r} was changed ({value[:100]!r} is no move of an "
                f"alias: {error}); see in run {key.removeprefix(_MOVE)} of {EXPERIMENT!r} what was decided, "
                "and delete the tag"
            ) from error
    return sorted(found, key=lambda move: move.at)
