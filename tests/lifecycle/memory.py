"""A registry in memory that answers as MLflow's does, and can fail or be killed at any write."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INTERNAL_ERROR,
    INVALID_PARAMETER_VALUE,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
)

from tmdscope.tracking.store import Store


class KilledError(BaseException):
    """The process is gone: nothing that it would still write is written."""


class Page(list[Any]):
    """All that was found."""

    token = None


@dataclass
class Data:
    """What the store holds."""

    models: dict[str, SimpleNamespace] = field(default_factory=dict)
    runs: dict[str, SimpleNamespace] = field(default_factory=dict)

    def study(self, at_write: Callable[[int], None] = lambda _: None) -> Store:
        """A client of its own, which calls `at_write` with the number of each write before it, from 0."""
        return Store(MemoryClient(self, at_write), "0", "promotions", "memory:")  # type: ignore[arg-type]


class MemoryClient:
    """What is used of `mlflow.MlflowClient`."""

    def __init__(self, data: Data, at_write: Callable[[int], None]) -> None:
        self.data = data
        self.at_write = at_write
        self.writes = 0

    def _write(self) -> None:
        self.writes += 1
        self.at_write(self.writes - 1)

    def _model(self, name: str) -> SimpleNamespace:
        if name not in self.data.models:
            raise MlflowException(f"no {name}", RESOURCE_DOES_NOT_EXIST)
        return self.data.models[name]

    def create_registered_model(
        self, name: str, tags: Mapping[str, str] | None = None, description: str = ""
    ) -> None:
        self._write()
        if name in self.data.models:
            raise MlflowException(f"{name} exists", RESOURCE_ALREADY_EXISTS)
        self.data.models[name] = SimpleNamespace(
            name=name,
            tags=dict(tags or {}),
            aliases={},
            versions={},
            creation_timestamp=time.time() * 1000,
        )

    def rename_registered_model(self, name: str, new_name: str) -> None:
        self._write()
        model = self._model(name)
        if new_name in self.data.models:
            raise MlflowException(f"{new_name} exists", RESOURCE_ALREADY_EXISTS)
        model.name = new_name
        self.data.models[new_name] = self.data.models.pop(name)

    def delete_registered_model(self, name: str) -> None:
        self._write()
        self._model(name)
        del self.data.models[name]

    def get_registered_model(self, name: str) -> SimpleNamespace:
        return self._model(name)

    def search_registered_models(self, query: str, page_token: str | None = None) -> Page:
        start = re.fullmatch(r"name LIKE '(.*)%'", query)
        assert start
        return Page(model for name, model in self.data.models.items() if name.startswith(start[1]))

    def create_model_version(self, name: str, source: str, tags: Mapping[str, str] | None = None) -> None:
        self._write()
        versions = self._model(name).versions
        number = len(versions) + 1
        versions[number] = SimpleNamespace(
            name=name,
            version=number,
            run_id=f"run-{number}",
            tags=dict(tags or {}),
            creation_timestamp=time.time() * 1000,
        )

    def get_model_version(self, name: str, version: str) -> SimpleNamespace:
        versions = self._model(name).versions
        if int(version) not in versions:
            raise MlflowException(f"no {name} {version}", RESOURCE_DOES_NOT_EXIST)
        return versions[int(version)]

    def get_model_version_by_alias(self, name: str, alias: str) -> SimpleNamespace:
        aliases = self._model(name).aliases
        if alias not in aliases:
            raise MlflowException(f"no {alias}", INVALID_PARAMETER_VALUE)
        return self.get_model_version(name, aliases[alias])

    def search_model_versions(self, query: str, page_token: str | None = None) -> Page:
        name = re.fullmatch(r"name = '(.*)'", query)
        assert name
        return Page(self.data.models[name[1]].versions.values() if name[1] in self.data.models else ())

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        self._write()
        self.get_model_version(name, version)
        self._model(name).aliases[alias] = int(version)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        self._write()
        self._model(name).aliases.pop(alias, None)

    def set_registered_model_tag(self, name: str, key: str, value: str) -> None:
        self._write()
        self._model(name).tags[key] = value

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        self._write()
        self._model(name).tags.pop(key, None)

    def set_model_version_tag(self, name: str, version: str, key: str, value: str) -> None:
        self._write()
        self.get_model_version(name, version).tags[key] = value

    def create_run(self, experiment_id: str, tags: Mapping[str, str], run_name: str) -> SimpleNamespace:
        self._write()
        run_id = f"{len(self.data.runs):032x}"
        run = SimpleNamespace(
            info=SimpleNamespace(
                run_id=run_id, run_name=run_name, status="RUNNING", start_time=time.time() * 1000
            ),
            data=SimpleNamespace(tags=dict(tags), metrics={}),
        )
        self.data.runs[run_id] = run
        return run

    def log_batch(self, run_id: str, metrics: Any = (), params: Any = (), tags: Any = ()) -> None:
        self._write()
        data = self.data.runs[run_id].data
        data.metrics |= {metric.key: metric.value for metric in metrics}
        data.tags |= {tag.key: tag.value for tag in tags}

    def get_run(self, run_id: str) -> SimpleNamespace:
        if run_id not in self.data.runs:
            raise MlflowException(f"no {run_id}", RESOURCE_DOES_NOT_EXIST)
        return self.data.runs[run_id]

    def search_experiments(self) -> Page:
        return Page([SimpleNamespace(experiment_id="0", name="promotions")])

    def search_runs(self, experiment_ids: list[str], query: str) -> Page:
        assert query == "attributes.status = 'RUNNING'"
        return Page(run for run in self.data.runs.values() if run.info.status == "RUNNING")

    def set_terminated(self, run_id: str, status: str) -> None:
        self._write()
        self.data.runs[run_id].info.status = status


def killed_at(number: int) -> Callable[[int], None]:
    """Nothing is written from this write on."""

    def at_write(write: int) -> None:
        if write >= number:
            raise KilledError

    return at_write


def failing_at(number: int) -> Callable[[int], None]:
    """The store is away for one write."""

    def at_write(write: int) -> None:
        if write == number:
            raise MlflowException("the store is away", INTERNAL_ERROR)

    return at_write
