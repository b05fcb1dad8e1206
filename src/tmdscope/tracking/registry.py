"""Registered models: versions, aliases `best`, `production` and `previous`, and what was decided of them."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from tmdscope.errors import UserError
from tmdscope.scores.task import CLASSES, Task, read_task
from tmdscope.tracking.store import all_pages, shown_uri

FILES_SHA256 = "files.sha256"
"""Tag of a logged model, of its versions and of the decision that promoted one: the hash of its files."""

TASK = "task"
"""Tag of a run, once of a version too: what its model predicts, JSON."""

T = TypeVar("T")

Client = MlflowClient
"""A connected store, for floors that know no MLflow."""

BEST = "best"
"""Alias moved by the pipeline: the highest selection score, see `tmdscope.learn.selection`."""

PRODUCTION = "production"
"""Alias moved by a person only."""

PREVIOUS = "previous"
"""Alias of what `PRODUCTION` was before."""

REVIEWED = "production.reviewed"
"""Tag of a registered model, ``VERSION@RUN``: what the last decision made `PRODUCTION`, and its run."""


@dataclass(frozen=True)
class Version:
    """One registered version, from 1; its run is the experiment's."""

    name: str
    number: int
    run_id: str
    tags: dict[str, str]

    @property
    def uri(self) -> str:
        """MLflow's URI of this very version."""
        return f"models:/{self.name}/{self.number}"

    @property
    def sha256(self) -> str:
        """The hash of its files, empty where it is not known."""
        return self.tags.get(FILES_SHA256, "")

    @property
    def task(self) -> Task:
        """What it predicts, of a version with its run's tags."""
        return task_of(self.tags)


def task_of(tags: Mapping[str, str]) -> Task:
    """Read what a run or a version predicts from its tags: classes where an earlier tmdscope wrote them."""
    try:
        return read_task(json.loads(tags[TASK])) if TASK in tags else CLASSES
    except ValueError as error:
        raise UserError(f"tag {TASK!r}: {error}; set it to what the run's facts.json says") from error


def if_there(call: Callable[..., T], *arguments: str) -> T | None:
    """Ask the registry for something by name; None where it is not there."""
    try:
        return call(*arguments)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):  # the latter: an alias
            return None
        raise


def pull(what: str, call: Callable[..., T], *arguments: str) -> T:
    """Ask the store for something by name; `UserError` where it is not there."""
    found = if_there(call, *arguments)
    if found is None:
        where = "set MLFLOW_TRACKING_URI to the store that has it"
        raise UserError(f"{what} is not in {shown_uri()}; {where}")
    return found


def to_version(found: ModelVersion) -> Version:
    """Take what is needed from MLflow's own record of a version."""
    return Version(found.name, int(found.version), str(found.run_id), dict(found.tags))


def register(
    client: MlflowClient, name: str, model_uri: str, run_id: str, tags: Mapping[str, str]
) -> Version:
    """Register a logged model once: a run that has a version already keeps it, with its tags renewed."""
    kept = find_version(client, name, run_id)
    if kept is not None:
        for key, value in tags.items():
            if kept.tags.get(key) != value:
                client.set_model_version_tag(name, str(kept.number), key, value)
        return replace(kept, tags={**kept.tags, **tags})
    return to_version(mlflow.register_model(model_uri, name, tags=dict(tags)))


def find_version(client: MlflowClient, name: str, run_id: str) -> Version | None:
    """Find the newest version that a run has, or None."""
    found = all_pages(client.search_model_versions, f"name = '{name}' and run_id = '{run_id}'")
    return max(map(to_version, found), key=lambda version: version.number, default=None)


def resolve(client: MlflowClient, uri: str) -> Version:
    """Find the version that ``models:/NAME/VERSION`` or ``models:/NAME@ALIAS`` stands for."""
    found = re.fullmatch(r"models:/([^/@]+)(?:/(\d+)|@([^/@]+))", uri)
    if found is None:
        raise UserError(
            f"{uri!r} is no address of a registered model: models:/NAME/VERSION or models:/NAME@ALIAS"
        )
    name, number, alias = found.groups()
    if alias is not None:
        return pull_alias(client, name, alias)
    return to_version(pull(uri, client.get_model_version, name, number))


def is_registered(uri: str) -> bool:
    """Say whether an address is of a registered version or alias; else it is of a logged model."""
    return "@" in uri or uri.count("/") > 1


def recorded_sha256(client: MlflowClient, uri: str) -> str | None:
    """Give the hash that a model's files had when it was logged, from its tag or its version's; or None."""
    if is_registered(uri):
        return resolve(client, uri).tags.get(FILES_SHA256)
    tags: Mapping[str, str] = client.get_logged_model(uri.removeprefix("models:/")).tags
    return tags.get(FILES_SHA256)


def pull_alias(client: MlflowClient, name: str, alias: str) -> Version:
    """Give the version that an alias points to, or raise a `UserError` that says what to do."""
    found = if_there(client.get_model_version_by_alias, name, alias)
    if found is None:
        remedy = "`dvc repro --force register`" if alias == BEST else "`tmdscope promote`"
        raise UserError(
            f"registered model {name!r} has no alias {alias!r} in {shown_uri()}; run "
            f"{remedy}, or set MLFLOW_TRACKING_URI to the store that has it"
        )
    return to_version(found)


def check_trained_on(version: Version, of: Mapping[str, str]) -> None:
    """Check that a version was trained on the study's own ``data`` and ``split``, by SHA-256."""
    for what, here in of.items():
        trained = version.tags.get(f"{what}.sha256")
        if trained is None:
            raise UserError(
                f"{version.uri} does not say its {what}.sha256: register it again, `dvc repro register`"
            )
        if trained != here:
            raise UserError(
                f"{version.uri} was trained with {what}.sha256 {trained[:12]}, the study has {here[:12]}: "
                "it may have seen in training what is held out here; check out the data and split that it "
                "was trained on, or train it again with `dvc repro`"
            )


def find_number(client: MlflowClient, name: str, number: int) -> Version | None:
    """Find a version by its number, or None."""
    found = if_there(client.get_model_version, name, str(number))
    return None if found is None else to_version(found)


def pull_version(client: MlflowClient, name: str, number: int) -> Version:
    """Give a version, or raise a `UserError` that says which ones there are."""
    version = find_number(client, name, number)
    if version is None:
        found = all_pages(client.search_model_versions, f"name = '{name}'")
        listed = ", ".join(map(str, sorted(int(each.version) for each in found)))
        listed = listed or "none: run `dvc repro` first"
        raise UserError(f"registered model {name!r} has no version {number}; it has: {listed}")
    return version


@dataclass(frozen=True)
class Standing:
    """What the aliases point to, and what the last decision made production (`reviewed`); None: nothing."""

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
    """Refuse a version whose files are not those that it had when a decision made it production."""
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
