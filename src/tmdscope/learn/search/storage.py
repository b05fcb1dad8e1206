"""Where studies are kept: an sqlite file for one process, PostgreSQL for any number on any host."""

import functools
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb.models import TrialModel
from optuna.trial import TrialState
from sqlalchemy import NullPool, create_engine, text, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, PendingRollbackError, SQLAlchemyError

from tmdscope.address import holds_secret, without_secrets
from tmdscope.stage import UserError, say

HEARTBEAT_S = 10
"""Seconds between two signs of life of a worker; after three without one its trials go to others."""

_LOCK = 0x746D6473  # "tmds": this package's own among a database's advisory locks
_PATIENCE_S = 3600.0
_CONNECT_S = 8
_LONGEST_PAUSE_S = 15.0
_STARTING_OR_STOPPING = ("08", "57P", "53300")
"""PostgreSQL's states of a server that is gone, going, coming or has no connection free."""


class StorageError(UserError):
    """The storage of studies cannot be used; the message says which, why, and what to do."""


class PatientStorage(RDBStorage):
    """Optuna's database storage that waits for a server that is gone, and says so.

    Parameters
    ----------
    url : str
        As for `open_storage`, checked.
    heartbeat_s : int
        Seconds between two signs of life of a running trial.
    pause_s : float, optional
        Time in s before the first new try; it doubles with every try up to 15 s.
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

    def insist(self, call: Callable[[], Any]) -> Any:
        """Call until the server answers.

        Parameters
        ----------
        call : callable
            Asks the database.

        Returns
        -------
        Any
            What it gives.

        Raises
        ------
        StorageError
            The storage cannot be written (a full disk, no permission), or gave no answer for an hour.
        """
        began, pause = time.monotonic(), self.pause_s
        silent = False
        while True:
            try:
                result = call()
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
                return result

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other process into the blocks that this guards; sqlite has one process anyway."""
        with self.insist(lambda: _lock(make_url(self.url))):
            yield

    def grant(self, trial_id: int) -> bool:
        """Let a waiting trial run: of all who ask, one is told that it may.

        One statement, where Optuna reads the state, then writes it, under a lock that sqlite does not have.

        Parameters
        ----------
        trial_id : int
            Id of the trial in the database.

        Returns
        -------
        bool
            False where it does not wait any more.
        """
        return bool(self.insist(lambda: self._grant(trial_id)))

    def _grant(self, trial_id: int) -> bool:
        waits = TrialModel.trial_id == trial_id, TrialModel.state == TrialState.WAITING
        running = {"state": TrialState.RUNNING, "datetime_start": datetime.now()}
        with self.engine.begin() as connection:
            return connection.execute(update(TrialModel).where(*waits).values(running)).rowcount == 1


def _patient(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def insisting(self: PatientStorage, *arguments: Any, **named: Any) -> Any:
        return self.insist(lambda: method(self, *arguments, **named))

    return insisting


_BEHIND_THE_CACHE = ("_create_new_trial", "_get_best_trial_id", "_get_trials", "_set_trial_param")
"""What the cache that Optuna puts before a database asks it for, past its public methods."""

for _name in [
    *(name for name, entry in vars(BaseStorage).items() if callable(entry) and not name.startswith("_")),
    *_BEHIND_THE_CACHE,
    "record_heartbeat",
    "_get_stale_trial_ids",
]:
    setattr(PatientStorage, _name, _patient(getattr(RDBStorage, _name)))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from warning that what is asked of it is experimental: its version is pinned."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def open_storage(url: str, heartbeat_s: int = HEARTBEAT_S) -> PatientStorage:
    """Open a storage of studies, making its tables when it is new.

    Parameters
    ----------
    url : str
        ``sqlite:///PATH`` or ``postgresql://USER@HOST:PORT/DATABASE``. It holds no password: PostgreSQL's
        own client takes that from variable ``PGPASSWORD`` or the file that ``PGPASSFILE`` names
        (``~/.pgpass``).
    heartbeat_s : int, optional
        Seconds between two signs of life of a running trial.

    Returns
    -------
    PatientStorage
        Ready for `optuna.create_study`.

    Raises
    ------
    StorageError
        The URL is none, holds a password, names another database, or the database cannot be reached.
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
    """Wait for this package's lock of a server; it goes with the connection, however this process ends."""
    if url.get_backend_name() == "sqlite":
        return nullcontext()
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": _CONNECT_S})
    connection = engine.connect()
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
    return connection


def check_url(url: str) -> URL:
    """Check the address of a storage.

    Parameters
    ----------
    url : str
        As for `open_storage`.

    Returns
    -------
    sqlalchemy.engine.URL
        With the driver that is installed.

    Raises
    ------
    StorageError
        The URL is none, holds a password, or names another database.
    """
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
