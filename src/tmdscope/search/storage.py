"""Where studies are kept: an sqlite file for one process, PostgreSQL for any number on any host."""

import fcntl
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, PendingRollbackError, SQLAlchemyError

from tmdscope.address import holds_secret, without_secrets
from tmdscope.errors import UserError
from tmdscope.stage import say

HEARTBEAT_S = 10
"""Seconds between two signs of life of a worker; after three without one its trials go to others."""

Answer = TypeVar("Answer")

_LOCK = 0x746D6473  # "tmds": this package's own among a database's advisory locks
_TAKE_LOCK = (
    "SELECT set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', "
    "false), set_config('tcp_keepalives_count', '4', false), pg_advisory_lock(:key)"
)
"""A host that loses its power would hold the lock for hours without these signs of life."""
_PATIENCE_S = 3600.0
_CONNECT_S = 8
_LONGEST_PAUSE_S = 15.0
_STARTING_OR_STOPPING = ("08", "57P", "53300")
"""PostgreSQL's states of a server that is gone, going, coming or has no connection free."""


class StorageError(UserError):
    """The storage of studies cannot be used; the message says which, why, and what to do."""


class PatientStorage(RDBStorage):
    """Optuna's database storage, with `retry` for whoever asks it while its server is gone.

    `pause_s` are seconds before the first new try; they double with every try up to 15 s.
    """

    def __init__(self, url: URL, heartbeat_s: int, pause_s: float = 1.0) -> None:
        self.pause_s = pause_s
        self.shown = _shown(url)
        self.is_local = url.get_backend_name() == "sqlite"
        self.recovered_at = -float("inf")
        waiting = {"timeout": 60} if self.is_local else {"connect_timeout": _CONNECT_S}
        options: dict[str, Any] = {"connect_args": waiting}
        if not self.is_local:
            options |= {"pool_pre_ping": True, "pool_size": 2, "max_overflow": 2}
        with quiet():
            super().__init__(
                url.render_as_string(hide_password=False),
                engine_kwargs=options,
                heartbeat_interval=heartbeat_s,
                grace_period=3 * heartbeat_s,
            )

    def retry(self, call: Callable[[], Answer]) -> Answer:
        """Call until the server answers; what is called may be called again where it was cut short.

        `StorageError` where it cannot be written (a full disk, no permission), or gave no answer for an hour.
        """
        began, pause = time.monotonic(), self.pause_s
        silent = False
        while True:
            try:
                answer = call()
            except (StorageInternalError, SQLAlchemyError) as error:
                reason = _reason(error)
                if self.is_local or not _is_outage(error) or time.monotonic() - began > _PATIENCE_S:
                    raise StorageError(
                        f"search storage {self.shown}: {reason}; finished trials are safe there: mend it "
                        "and start the same command again to go on"
                    ) from error
                if not silent:
                    say(f"search storage {self.shown} does not answer ({reason}); waiting for it")
                silent = True
                self.remove_session()  # a transaction that was cut off would refuse every further call
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            else:
                if silent:
                    self.recovered_at = time.monotonic()
                    say(f"search storage {self.shown} answers again, after {self.recovered_at - began:.0f} s")
                return answer

    def sign_of_life(self, study: str, number: int) -> None:
        """Record that the worker of a trial is alive, by the trial's number."""
        study_id = self.get_study_id_from_name(study)
        self.record_heartbeat(self.get_trial_id_from_study_id_trial_number(study_id, number))

    def lock(self) -> AbstractContextManager[Any]:
        """Let no other process into the blocks that this guards; call it within `retry`."""
        return _lock(make_url(self.url))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from warning of what is experimental, as its version is pinned, and of `Study.ask`.

    That one wants signs of life, which `tmdscope.search.study.SearchStudy.signs_of_life` sends.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.filterwarnings("ignore", "Heartbeat of storage is supposed to be used")
        yield


def open_storage(url: str, heartbeat_s: int = HEARTBEAT_S) -> PatientStorage:
    """Open a storage of studies, making its tables when it is new.

    The URL is ``sqlite:///PATH`` or ``postgresql://USER@HOST:PORT/DATABASE``. It holds no password:
    PostgreSQL's own client takes that from variable ``PGPASSWORD`` or the file that ``PGPASSFILE`` names
    (``~/.pgpass``). `StorageError` where the URL is another, or the database cannot be reached.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    checked = check_url(url)
    try:
        with _lock(checked):  # two that make the tables at once would fail one of them
            return PatientStorage(checked, heartbeat_s)
    except (StorageInternalError, SQLAlchemyError) as error:
        raise StorageError(
            f"search storage {_shown(checked)} cannot be opened: {_reason(error)}; start it, set "
            "TMDSCOPE_SEARCH_STORAGE to one that answers, or, where it refuses, PGPASSWORD or ~/.pgpass"
        ) from error
    except (ImportError, RuntimeError) as error:
        raise StorageError(f"search storage {_shown(checked)}: {error}") from error


def _lock(url: URL) -> AbstractContextManager[Any]:
    """Wait for this package's lock of a database; it goes with its holder, however that ends."""
    if url.get_backend_name() == "sqlite":
        folder = Path((url.database or "").removeprefix("file:")).parent
        return _folder_lock(folder) if folder.is_dir() else nullcontext()
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": _CONNECT_S})
    connection = engine.connect()
    connection.execute(text(_TAKE_LOCK), {"key": _LOCK})
    return connection


@contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks: sqlite is for one process anyway
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def check_url(url: str) -> URL:
    """Check the address of a storage, see `open_storage`; gives it with the driver that is installed."""
    try:
        checked = make_url(url)
    except (ArgumentError, ValueError) as error:  # its text may hold a password
        raise StorageError(
            "the address of the search storage is none: write sqlite:///PATH or "
            "postgresql://USER@HOST:PORT/DATABASE"
        ) from error
    if holds_secret(url) or checked.password is not None:
        raise StorageError(
            f"{_shown(checked)}: leave the password out of the address, where logs would show it; put it "
            "into variable PGPASSWORD, or into ~/.pgpass or the file that PGPASSFILE names"
        )
    backend = checked.get_backend_name()
    if backend == "postgresql":
        return checked.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise StorageError(
            f"{_shown(checked)}: a search is kept in sqlite (one process) or postgresql (many)"
        )
    return checked


def _shown(url: URL) -> str:
    return without_secrets(url.render_as_string(hide_password=False))


def _is_outage(error: Exception) -> bool:
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, PendingRollbackError):  # of a call that was cut off before
        return True
    if not isinstance(cause, DBAPIError):
        return False
    state = getattr(cause.orig, "sqlstate", None)
    return cause.connection_invalidated or state is None or state.startswith(_STARTING_OR_STOPPING)


def _reason(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    inner = cause.orig if isinstance(cause, DBAPIError) else cause
    return str(inner or error).strip().partition("\n")[0]
