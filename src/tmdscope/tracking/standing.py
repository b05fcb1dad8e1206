"""Where a registered model stands: its aliases, what was decided of them, and all versions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tmdscope.errors import UserError
from tmdscope.tracking.registry import (
    FILES_SHA256,
    PREVIOUS,
    PRODUCTION,
    Version,
    find_number,
    if_there,
    to_version,
)
from tmdscope.tracking.store import all_pages

REVIEWED = "production.reviewed"
"""Tag of a registered model, ``VERSION@RUN``: what the last decision made `PRODUCTION`, and its run."""


@dataclass(frozen=True)
class Standing:
    """What the aliases that people move point to; None where one is not set.

    `reviewed` is what the last decision made production, None before the first, or when it was deleted;
    `tags` are those of the registered model.
    """

    production: Version | None = None
    previous: Version | None = None
    reviewed: Version | None = None
    tags: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def is_reviewed(self) -> bool:
        """Whether production is what the last decision made it."""
        return self.numbers[0] == self.numbers[2]

    @property
    def numbers(self) -> tuple[int | None, int | None, int | None]:
        """Versions of production, previous and reviewed."""
        return number_of(self.production), number_of(self.previous), number_of(self.reviewed)


@dataclass(frozen=True)
class Registered:
    """A registered model with all that it holds; `reviewed` is of tag `REVIEWED`, versions are by number."""

    name: str
    aliases: dict[str, int]
    reviewed: int | None
    versions: list[Version]
    created: dict[int, datetime]


def number_of(version: Version | None) -> int | None:
    """Give a version's number; None of none."""
    return None if version is None else version.number


def read_standing(client: MlflowClient, name: str) -> Standing:
    """Read what production, previous and the last decision are; nothing where there is no such model."""
    model = if_there(client.get_registered_model, name)
    if model is None:
        return Standing()
    numbers = (model.aliases.get(PRODUCTION), model.aliases.get(PREVIOUS), _reviewed(model.tags))
    production, previous, reviewed = (
        None if number is None else find_number(client, name, int(number)) for number in numbers
    )
    return Standing(production, previous, reviewed, model.tags)


def check_pinned(client: MlflowClient, version: Version) -> None:
    """Check that a version's files are those that it had when a decision made it production.

    Nothing is known of one that no decision made production; `UserError` where the hashes differ.
    """
    reviewed = client.get_registered_model(version.name).tags.get(REVIEWED, "").split("@")
    run_id = reviewed[1] if reviewed[0] == str(version.number) else version.tags.get("promoted.run")
    try:
        decision = client.get_run(run_id).data.tags if run_id else {}
    except MlflowException:  # decisions may be cleared away
        decision = {}
    pinned, now = decision.get(FILES_SHA256), version.sha256 or "none"
    if pinned not in (None, now):
        raise UserError(
            f"{version.uri}: its files and tag {FILES_SHA256} were changed after it was made production: "
            f"SHA-256 is {now[:12]}, decision {run_id} (by {decision.get('by')}, {decision.get('at')}) has "
            f"{pinned[:12]}; bring the files back from a copy and set the tag to {pinned}, or promote another"
        )


def list_registered(client: MlflowClient, name: str) -> list[Registered]:
    """List, by name, a registered model and those of other numbers of classes, as ``NAME-2``."""
    found = [model.name for model in all_pages(client.search_registered_models, f"name LIKE '{name}%'")]
    listed = []
    for each in sorted(one for one in found if one == name or one.startswith(f"{name}-")):
        model = client.get_registered_model(each)  # a search gives no aliases
        versions = all_pages(client.search_model_versions, f"name = '{each}'")
        created = {
            int(version.version): datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
            for version in versions
        }
        listed.append(
            Registered(
                each,
                {alias: int(number) for alias, number in model.aliases.items()},
                _reviewed(model.tags),
                sorted(map(to_version, versions), key=lambda version: version.number),
                created,
            )
        )
    return listed


def _reviewed(tags: Mapping[str, str]) -> int | None:
    found = re.fullmatch(r"(\d+)@.*", tags.get(REVIEWED, ""))
    return None if found is None else int(found[1])
