"""Where a registered model stands: its aliases, what was decided of them, and all versions."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tmdscope.errors import UserError
from tmdscope.tracking.registry import FILES_SHA256, PREVIOUS, PRODUCTION, Version, find_number, to_version

REVIEWED = "production.reviewed"
"""Tag of a registered model, ``VERSION@RUN``: what the last decision made `PRODUCTION`, and its run."""


@dataclass(frozen=True)
class Standing:
    """What the aliases that people move point to; None where one is not set.

    `reviewed` is what the last decision made production, None before the first, or when it was deleted.
    """

    production: Version | None
    previous: Version | None
    reviewed: Version | None

    @property
    def is_reviewed(self) -> bool:
        """Whether production is what the last decision made it."""
        return self.numbers[0] == self.numbers[2]

    @property
    def numbers(self) -> tuple[int | None, int | None, int | None]:
        """Versions of production, previous and reviewed."""
        found = (self.production, self.previous, self.reviewed)
        first, second, third = (None if version is None else version.number for version in found)
        return first, second, third


@dataclass(frozen=True)
class Registered:
    """A registered model with all that it holds; `reviewed` is of tag `REVIEWED`, versions are by number."""

    name: str
    aliases: dict[str, int]
    reviewed: int | None
    versions: list[Version]
    created: dict[int, datetime]


def read_standing(client: MlflowClient, name: str) -> Standing:
    """Read what production, previous and the last decision are; nothing where there is no such model."""
    try:
        model = client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return Standing(None, None, None)
    numbers = (
        model.aliases.get(PRODUCTION),
        model.aliases.get(PREVIOUS),
        _reviewed(model.tags),
    )
    production, previous, reviewed = (
        None if number is None else find_number(client, name, int(number)) for number in numbers
    )
    return Standing(production, previous, reviewed)


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
    pinned, now = decision.get(FILES_SHA256), version.tags.get(FILES_SHA256, "none")
    if pinned not in (None, now):
        raise UserError(
            f"{version.uri}: its files and tag {FILES_SHA256} were changed after it was made production: "
            f"SHA-256 is {now[:12]}, decision {run_id} (by {decision.get('by')}, {decision.get('at')}) has "
            f"{pinned[:12]}; bring the files back from a copy and set the tag to {pinned}, or promote another"
        )


def mark_reviewed(client: MlflowClient, name: str, number: int, run_id: str) -> None:
    """Note that production is what a decision's run made it."""
    client.set_registered_model_tag(name, REVIEWED, f"{number}@{run_id}")


def tag_version(client: MlflowClient, name: str, number: int, tags: Mapping[str, str]) -> None:
    """Put facts on a version."""
    for key, value in tags.items():
        client.set_model_version_tag(name, str(number), key, value)


def list_registered(client: MlflowClient, name: str) -> list[Registered]:
    """List, by name, a registered model and those of other numbers of classes, as ``NAME-2``."""
    found = _all_pages(client.search_registered_models, f"name LIKE '{name}%'")
    names = sorted(model.name for model in found if model.name == name or model.name.startswith(f"{name}-"))
    listed = []
    for each in names:
        model = client.get_registered_model(each)  # a search gives no aliases
        versions = _all_pages(client.search_model_versions, f"name = '{each}'")
        versions.sort(key=lambda version: int(version.version))
        listed.append(
            Registered(
                each,
                {alias: int(number) for alias, number in model.aliases.items()},
                _reviewed(model.tags),
                [to_version(version) for version in versions],
                {
                    int(version.version): datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
                    for version in versions
                },
            )
        )
    return listed


def _reviewed(tags: Mapping[str, str]) -> int | None:
    found = re.fullmatch(r"(\d+)@.*", tags.get(REVIEWED, ""))
    return None if found is None else int(found[1])


def _all_pages(search: Callable[..., Any], query: str) -> list[Any]:
    found: list[Any] = []
    token = None
    while True:
        page = search(query, page_token=token)
        found += page
        token = page.token
        if not token:
            return found
