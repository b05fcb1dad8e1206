"""An address tells no secret, a database that is no use is named, a server that is gone is waited for."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from sqlalchemy.exc import OperationalError

from tests.search.conftest import IDENTITY, STEPS, Hill, made, search_of
from tests.search.silent import SilentSearch
from tests.support.silence import closed, listening
from tmdscope.search import storage as storage_module
from tmdscope.search.outcome import outcome_of
from tmdscope.search.storage import PatientStorage, StorageError, check_url, open_storage
from tmdscope.search.study import SearchStudy, open_search
from tmdscope.search.worker import work


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An sqlite file that is not there yet."""
    return tmp_path / "searches.db"


@pytest.fixture
def storage(path: Path) -> PatientStorage:
    """A storage of the test's own."""
    return open_storage(f"sqlite:///{path}", heartbeat_s=1)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hush@host:5432/searches",
        "postgresql://me@host/searches?password=hush",
        "postgresql://me@host/searches?sslmode=require&sslpassword=hush&sslkey=key.pem",
        "mysql://me:hush@host/searches",
        "postgresql:/me:hush@host/searches",
        "postgresql://me:hush@host:port/searches",
    ],
    ids=["before the host", "in the query", "of the key", "other database", "no URL", "no port"],
)
def test_a_password_is_refused_and_never_shown(url: str) -> None:
    with pytest.raises(StorageError) as caught:
        check_url(url)
    assert "hush" not in str(caught.value)


def test_who_gives_a_password_learns_where_it_goes() -> None:
    with pytest.raises(StorageError, match=r"postgresql://host/searches: .* PGPASSWORD"):
        check_url("postgresql://me:hush@host/searches")


@pytest.mark.parametrize("url", ["mysql://me@host/searches", "oracle+oracledb://host/searches"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(StorageError, match=r"sqlite \(one process\) or postgresql \(many\)"):
        check_url(url)


@pytest.mark.parametrize("url", ["", "searches.db", "postgresql", "postgresql://host:many/searches"])
def test_what_is_no_address_is_told_what_one_is(url: str) -> None:
    with pytest.raises(StorageError, match="write sqlite:///PATH or postgresql://"):
        check_url(url)


@pytest.mark.parametrize("given", ["postgresql://me@host/searches", "postgresql+psycopg2://me@host/searches"])
def test_postgresql_gets_the_driver_that_is_installed(given: str) -> None:
    assert str(check_url(given)) == "postgresql+psycopg://me@host/searches"


def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"sqlite:.*missing/searches\.db cannot be opened: unable to open"):
        open_storage(f"sqlite:///{tmp_path}/missing/searches.db")


def test_a_file_that_is_no_database_is_named(path: Path) -> None:
    path.write_text("not a database " * 100)
    with pytest.raises(StorageError, match="cannot be opened: file is not a database"):
        open_storage(f"sqlite:///{path}")


def finish_one(study: SearchStudy) -> None:
    trial = study.claim()
    assert trial is not None
    assert study.tell(trial, TrialState.COMPLETE, 0.5)


def test_a_database_that_may_not_be_written_still_shows_what_it_holds(
    storage: PatientStorage, path: Path
) -> None:
    finish_one(made(storage))
    opened = open_storage(f"sqlite:///file:{path}?mode=ro&uri=true")
    readonly = open_search(opened, "study", search_of(), STEPS, IDENTITY, make=False)
    assert readonly.places.progress.complete == 1
    with pytest.raises(StorageError, match=r"searches\.db.*readonly database; finished trials are safe"):
        readonly.claim()
    assert [trial.value for trial in readonly.places.ended] == [0.5]


def test_a_full_disk_is_named_and_finished_trials_are_safe(storage: PatientStorage, path: Path) -> None:
    study = made(storage)
    finish_one(study)
    pages = sqlite3.connect(path).execute("PRAGMA page_count").fetchone()[0]

    @sqlalchemy.event.listens_for(storage.engine, "connect")
    def limit(connection: Any, record: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    storage.engine.dispose()
    with pytest.raises(StorageError, match="database or disk is full; finished trials are safe there"):
        storage.retry(lambda: study.study.set_user_attr("long", "x" * 100_000))
    assert [trial.value for trial in study.places.ended] == [0.5]
    assert [trial.value for trial in made(open_storage(f"sqlite:///{path}")).places.ended] == [0.5]


class GoneError(Exception):
    """What a driver raises when it finds no server."""


class RefusedError(Exception):
    """What a driver raises when the server refuses a statement."""

    sqlstate = "42501"


class LeavingError(Exception):
    """What a driver raises when the server shuts down."""

    sqlstate = "57P01"


def failing(times: int, cause: Exception, wrapped: bool = False) -> Callable[[], str]:
    """A call that fails so many times, then answers."""
    left = iter(range(times))

    def call() -> str:
        if next(left, None) is None:
            return "answer"
        error = OperationalError("SELECT 1", {}, cause)
        if wrapped:
            raise StorageInternalError("commit") from error
        raise error

    return call


@pytest.fixture
def remote(storage: PatientStorage) -> PatientStorage:
    """A storage that takes itself for one on a server, and has little patience between tries."""
    storage.is_local = False
    storage.pause_s = 1e-3
    return storage


@pytest.mark.parametrize("cause", [GoneError("no route to host"), LeavingError("terminating connection")])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_server_that_is_gone_is_waited_for(
    remote: PatientStorage, capsys: pytest.CaptureFixture[str], cause: Exception, wrapped: bool
) -> None:
    assert remote.retry(failing(2, cause, wrapped)) == "answer"
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith(f"does not answer ({cause}); waiting for it")
    assert "answers again" in second


def test_the_wait_ends(remote: PatientStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmdscope.search.storage._PATIENCE_S", 0.01)
    with pytest.raises(StorageError, match="no route to host; finished trials are safe there"):
        remote.retry(failing(10**6, GoneError("no route to host")))


def test_a_refusal_is_not_waited_out(remote: PatientStorage, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StorageError, match="permission denied"):
        remote.retry(failing(1, RefusedError("permission denied")))
    assert capsys.readouterr().err == ""


def test_a_local_file_is_not_waited_for(storage: PatientStorage) -> None:
    with pytest.raises(StorageError, match="disk I/O error"):
        storage.retry(failing(1, GoneError("disk I/O error")))


def test_an_error_that_is_no_databases_passes(remote: PatientStorage) -> None:
    with pytest.raises(ZeroDivisionError):
        remote.retry(lambda: 1 / 0)


def test_whatever_a_study_asks_waits_for_a_server_that_is_gone(
    remote: PatientStorage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every statement of a search fails the first time."""
    sleep = time.sleep
    monkeypatch.setattr("time.sleep", lambda seconds: sleep(min(seconds, 0.05)))
    remote.grace_period = 1  # a trial whose start was cut off is taken for dead soon
    study = made(remote, trials=2)
    failed: set[str] = set()

    @sqlalchemy.event.listens_for(remote.engine, "before_cursor_execute")
    def fail_once(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if statement not in failed:
            failed.add(statement)
            raise OperationalError(statement, {}, GoneError("no route to host"))

    assert work(study, Hill(asks=True), SilentSearch()) == 2
    study.reclaim()
    assert outcome_of(study).progress.complete == 2
    assert len(failed) > 10
    assert "answers again" in capsys.readouterr().err


@pytest.mark.parametrize("server", [closed, listening])
def test_a_server_that_does_not_answer_at_the_start_is_told_with_a_remedy(
    server: Callable[[], AbstractContextManager[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "_CONNECT_S", 2)
    with server() as port, pytest.raises(StorageError, match=rf"127.0.0.1:{port}.*TMDSCOPE_SEARCH_STORAGE"):
        open_storage(f"postgresql://me@127.0.0.1:{port}/searches")
