"""Where runs are kept: an sqlite file and a folder of artifacts at absolute paths, or a server."""

import logging
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tmdscope.address import keep_secrets, password_in, without_secrets
from tmdscope.errors import UserError
from tmdscope.layout import tracking_home
from tmdscope.stage import translates
from tmdscope.temporary import workspace

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # it prints the password with it
os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"  # no model of ours holds one

import mlflow
import requests
from alembic.util.exc import CommandError
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException
from sqlalchemy import Engine, NullPool, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from tmdscope.tracking.relocate import DATABASE, check_location

_PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "8", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
"""MLflow's own variables, in s and tries, while a server is asked whether it is there; a user's own win.

Unset they are 120 s and 7 tries: right in the middle of a training, too long before it.
"""
_CONNECT_S = 8
_UNKNOWN, _FORBIDDEN = 401, 403
_NO_STORE = "it is no store: bring it back from a copy, or move it away and a new one is begun"
_LOCAL = {
    "is locked": "another process writes to it: wait for that to end and start again",
    "not a database": _NO_STORE,
    "malformed": _NO_STORE,
    "no such table": _NO_STORE,
    "unable to open": "see that it is a file, and that you may read it and write in its folder",
    "readonly database": "see who owns it (ls -l) and that you may write to it and in its folder",
    "disk is full": "free some space there and start again",
    "out-of-date database schema": "after a copy, `mlflow db upgrade`; or use the MLflow that wrote it",
    "Can't locate revision": "a newer MLflow wrote it: use that version, or a copy from before",
}
"""What sqlite, and MLflow of its file, say, and what to do."""

_TRAINING = {"mlflow.experimentKind": "custom_model_development"}
"""What MLflow's pages call an experiment of trained models; without it they show one of language models."""


@dataclass(frozen=True)
class Store:
    """An open MLflow experiment of the study of that name; its client is connected to the tracking `uri`."""

    client: MlflowClient
    experiment_id: str
    name: str
    uri: str


def tracking_root() -> Path:
    """Give the folder of the local store, ``mlruns`` in `tmdscope.layout.tracking_home`."""
    return tracking_home() / "mlruns"


def tracking_uri() -> str:
    """Give variable ``MLFLOW_TRACKING_URI`` when set, else the address of the project's sqlite file."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _local_uri()


def _local_uri() -> str:
    return f"sqlite:///{tracking_root() / DATABASE}"


def shown_uri() -> str:
    """Give the tracking URI as messages may show it, without password."""
    return without_secrets(tracking_uri())


def search_storage_url() -> str:
    """Give ``TMDSCOPE_SEARCH_STORAGE`` when set, else the address of an sqlite file beside the runs."""
    if given := os.environ.get("TMDSCOPE_SEARCH_STORAGE"):
        return given
    tracking_root().mkdir(parents=True, exist_ok=True)
    local = tracking_root() / "optuna.db"
    _require_file(local)
    return f"sqlite:///{local}"


def connect(create: bool = False) -> MlflowClient:
    """Open the tracking store and the registry, once they are known to answer.

    `create` makes the local store where there is none; whoever only reads does not. `UserError`, with the
    address, where there is no such store, or it does not answer within seconds, or refuses, or the project
    was copied or renamed: its local store would write into the folder it came from.
    """
    keep_secrets()
    logging.getLogger("mlflow.store.db.utils").addFilter(_is_no_error)
    uri = tracking_uri()
    if uri.startswith("sqlite:"):
        _check_file(uri, create)
    else:
        _check_answer(uri)
    if uri == _local_uri():
        check_location(tracking_root())
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _is_no_error(record: logging.LogRecord) -> bool:
    """Leave out frames that MLflow shows of an error which it raises as well, and which is told then."""
    return record.levelno < logging.ERROR


def _check_file(uri: str, create: bool) -> None:
    place = Path(make_url(uri).database or ":memory:")
    _require_file(place)
    if create:
        tracking_root().mkdir(parents=True, exist_ok=True)
    if place.exists() or place == Path(":memory:"):
        return
    if create:
        _make_tables(place)
    else:
        raise UserError(
            f"there are no runs yet: {place} does not exist. Run `dvc repro` in the project, or set "
            "MLFLOW_TRACKING_URI to the store that has them"
        )


def _require_file(path: Path) -> None:
    """Refuse a pipe, which sqlite would wait for without end."""
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is no file but a folder, a pipe or a device; move it away")


def _make_tables(place: Path) -> None:
    """Make a store's tables, whole or not at all: with some of them MLflow can never go on."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with workspace(place.parent, f".{place.name}") as folder:
        made = folder / place.name
        event.listen(Engine, "connect", _wait_for_no_disk)
        try:
            SqlAlchemyStore(f"sqlite:///{made}", (tracking_root() / "artifacts").as_uri()).engine.dispose()
        finally:
            event.remove(Engine, "connect", _wait_for_no_disk)
        with made.open("rb") as written:
            os.fsync(written.fileno())
        with suppress(FileExistsError):  # another process was quicker, and may have written to its own
            os.link(made, place)


def _wait_for_no_disk(connection: Any, _: object) -> None:
    """Leave out hundreds of waits, seconds on a slow disk, for tables that are seen only when whole."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


def _check_answer(uri: str) -> None:
    """Ask a server or a database something small, before any work depends on it."""
    is_server = uri.startswith("http")
    if re.search(r"[/?#@\s]" if is_server else "@", password_in(uri) or ""):
        raise UserError(
            f"MLFLOW_TRACKING_URI, {without_secrets(uri)} but for its password: that holds signs which "
            "end it there; write / as %2F, ? as %3F, # as %23, at as %40, a space as %20, or take it out and "
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (of PostgreSQL: PGPASSWORD)"
        )
    try:
        if is_server:
            with _impatient():
                MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
        elif uri.startswith(("postgresql", "mysql", "mssql")):
            # MLflow itself would try for an hour
            waiting = {"connect_timeout": _CONNECT_S} if not uri.startswith("mssql") else {}
            create_engine(uri, poolclass=NullPool, connect_args=waiting).connect().close()
    except (MlflowException, requests.RequestException, SQLAlchemyError, ImportError) as error:
        raise UserError(_explain(error)) from error


@contextmanager
def _impatient() -> Iterator[None]:
    """Let MLflow wait for seconds, not minutes, unless the user said how long."""
    added = {name: value for name, value in _PATIENCE.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


@translates
def explain_error(error: Exception) -> UserError | None:
    """Say what a user can do about an error of MLflow, its database or the network; None for other errors."""
    known = (MlflowException, requests.RequestException, SQLAlchemyError, CommandError)
    return UserError(_explain(error)) if isinstance(error, known) else None


def _explain(error: Exception) -> str:
    lines = without_secrets(str(error)).strip().split("\n")
    reason = next((line for line in lines if any(said in line for said in _LOCAL)), lines[0])[:500]
    cause = re.search(r"\(Caused by \w+\([\"'](?:<?HTTP\w+[^:]*: )?(?P<why>.*?)[\"']\)\)", reason)
    reason = cause["why"] if cause else reason
    status = error.get_http_status_code() if isinstance(error, RestException) else 0
    if local := next((told for said, told in _LOCAL.items() if said in str(error)), None):
        remedy = local
    elif status == _FORBIDDEN or f"code {_FORBIDDEN}" in reason:
        remedy = "this user may not change what others made: ask for EDIT on it, or use another name"
    elif status == _UNKNOWN or f"code {_UNKNOWN}" in reason or "password authentication" in reason:
        remedy = (
            "it refuses these credentials: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or, of "
            "a database, name and password in MLFLOW_TRACKING_URI"
        )
    else:
        remedy = "start it, or set MLFLOW_TRACKING_URI to a store that answers; unset is the project's own"
    return f"MLflow's store {shown_uri()}: {reason}; {remedy}"


def all_pages(search: Callable[..., Any], *arguments: Any, **named: Any) -> list[Any]:
    """Give all that a search of `MlflowClient` finds, however many pages that is."""
    page = search(*arguments, **named)
    found = list(page)
    while page.token:
        page = search(*arguments, **named, page_token=page.token)
        found += page
    return found


def open_study(name: str, kind: str = "") -> Store:
    """Open the MLflow experiment of a study's runs of a kind, its own or ``NAME/KIND``; make it if it is new.

    All kinds keep their artifacts in one folder.
    """
    client, title = connect(create=True), f"{name}/{kind}" if kind else name
    found = client.get_experiment_by_name(title)
    if found is None:
        local = tracking_uri().startswith("sqlite:")
        artifacts = (tracking_root() / "artifacts" / name).as_uri() if local else None
        try:
            found = client.get_experiment(client.create_experiment(title, artifacts, _TRAINING))
        except MlflowException:
            found = client.get_experiment_by_name(title)  # another process was quicker
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    for key, value in _TRAINING.items() - found.tags.items():  # an earlier tmdscope made it
        client.set_experiment_tag(found.experiment_id, key, value)
    return Store(client, str(found.experiment_id), name, tracking_uri())


def experiments_of(client: MlflowClient, name: str) -> list[str]:
    """Give the ids of all MLflow experiments of a study: its own and those of other kinds of runs."""
    found = all_pages(client.search_experiments)
    return [str(one.experiment_id) for one in found if one.name.partition("/")[0] == name]
