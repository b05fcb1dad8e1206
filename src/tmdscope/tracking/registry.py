"""The registered model: versions, and the aliases `best`, `production` and `previous`."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
"""Tag of a run and of a version: what its model predicts, JSON."""

T = TypeVar("T")

Client = MlflowClient
"""A connected store, for floors that know no MLflow."""

BEST = "best"
"""Alias moved by the pipeline: the highest selection score, see `tmdscope.learn.selection`."""

PRODUCTION = "production"
"""Alias moved by a person only."""

PREVIOUS = "previous"
"""Alias of what `PRODUCTION` was before."""


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
        """What it predicts."""
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
    try:
        version = client.get_model_version(name, number)
    except MlflowException as error:
        raise UserError(
            f"{uri} is not in {shown_uri()}; set MLFLOW_TRACKING_URI to the store that has it"
        ) from error
    return to_version(version)


def find_alias(client: MlflowClient, name: str, alias: str) -> Version | None:
    """Give the version that an alias points to; None where the model or the alias does not exist."""
    found = if_there(client.get_model_version_by_alias, name, alias)
    return None if found is None else to_version(found)


def pull_alias(client: MlflowClient, name: str, alias: str) -> Version:
    """Give the version that an alias points to, or raise a `UserError` that says what to do."""
    version = find_alias(client, name, alias)
    if version is None:
        remedy = "`dvc repro --force register`" if alias == BEST else "`tmdscope promote`"
        raise UserError(
            f"registered model {name!r} has no alias {alias!r} in {shown_uri()}; run "
            f"{remedy}, or set MLFLOW_TRACKING_URI to the store that has it"
        )
    return version


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
        known = sorted(
            int(found.version) for found in all_pages(client.search_model_versions, f"name = '{name}'")
        )
        listed = ", ".join(map(str, known)) or "none: run `dvc repro` first"
        raise UserError(f"registered model {name!r} has no version {number}; it has: {listed}")
    return version
