"""A project that was copied or renamed: whose folder its local store names, and how the store moves with it.

MLflow keeps absolute addresses of artifacts in `mlruns/mlflow.db`. In a copy they name the original, where
the copy's runs would be written. Only the standard library's sqlite3 is used: MLflow is not needed.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tmdscope.errors import UserError
from tmdscope.files import atomic_path

DATABASE = "mlflow.db"
"""Name of the local store's file, in folder ``mlruns``."""

REMEDY = "tmdscope store move"
"""The command that mends a store whose project was copied or renamed."""

WAIT_S = 20.0
"""Time in s to wait for another process that writes to the store."""

_ARTIFACTS = "artifacts"

_HOLDERS = (("runs", "artifact_uri", False), ("logged_models", "artifact_location", True))
"""Tables with a folder for each row, and whether it must be there: a run may have kept no file."""


@dataclass(frozen=True)
class Relocated:
    """What was rewritten; no folders and no backup where the store named its own folder already."""

    folders: tuple[Path, ...]
    addresses: int
    backup: Path | None


def foreign_folders(root: Path) -> list[Path]:
    """List the folders ``mlruns`` of other projects that the store in `root` writes its artifacts to."""
    database = root / DATABASE
    if not database.exists():
        return []
    try:
        with closing(_open(database)) as store:
            return _foreign(store, root)
    except sqlite3.Error as error:
        raise UserError(
            f"{database}: {error}; end what writes to it, see that it is a file that you may read, or "
            "bring it back from a copy"
        ) from error


def check_location(root: Path) -> None:
    """Refuse a local store, in ``mlruns``, that would write into another project's folder."""
    found = foreign_folders(root)
    if found:
        raise UserError(
            f"{root / DATABASE} keeps its artifacts in {found[0]}, but it lies in {root}: this project was "
            "copied or renamed, and what it tracks would be written there; run "
            f"`{REMEDY}` in {root.parent}"
        )


def move_store(root: Path) -> Relocated:
    """Rewrite the addresses in a local store whose project was copied or renamed to where it lies now.

    Every text that begins with another project's folder ``mlruns`` is rewritten, in whatever table, in one
    transaction; the file as it was is kept beside it. Nothing is written anywhere else, and a second time
    changes nothing. `UserError` where there is no local store, its artifacts do not lie beside it, or another
    process writes to it.
    """
    database = root / DATABASE
    if not database.exists():
        raise UserError(
            f"{database} is not there: no runs were tracked here; run this in the project's folder"
        )
    with closing(_open(database)) as store:
        try:
            store.execute("BEGIN IMMEDIATE")
            folders = _foreign(store, root)
            if not folders:
                store.rollback()
                return Relocated((), 0, None)
            _check_artifacts(store, folders, root)
            backup = _back_up(database)
            addresses = sum(_rewrite(store, old, root) for old in folders)
            store.commit()
        except sqlite3.DatabaseError as error:
            store.rollback()
            raise UserError(
                f"{database}: {error}; end what runs in this project and try again, nothing was changed"
            ) from error
        except BaseException:
            store.rollback()
            raise
    return Relocated(tuple(folders), addresses, backup)


def _open(database: Path) -> sqlite3.Connection:
    """Open a store that is there; who only reads may write, too, to undo what a killed process began."""
    return sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True, timeout=WAIT_S, isolation_level=None)


def _has(store: sqlite3.Connection, table: str, column: str) -> bool:
    return column in (row[1] for row in store.execute(f"PRAGMA table_info('{table}')"))


def _foreign(store: sqlite3.Connection, root: Path) -> list[Path]:
    if not _has(store, "experiments", "artifact_location"):
        return []
    found = dict.fromkeys(
        folder
        for (address,) in store.execute("SELECT artifact_location FROM experiments ORDER BY experiment_id")
        if (folder := _folder_of(address or "")) is not None
    )
    there = (folder for folder in found if folder != root)
    return [folder for folder in there if not (folder.exists() and root.exists() and folder.samefile(root))]


def _folder_of(address: str) -> Path | None:
    """Give the folder ``mlruns`` of an address that tmdscope gave an experiment; None of any other."""
    parts = urlsplit(address)
    path = Path(unquote(parts.path) if parts.scheme == "file" else address)
    folder = path.parent.parent
    ours = path.parent.name == _ARTIFACTS and folder.name == "mlruns" and folder.is_absolute()
    return folder if ours else None


def _check_artifacts(store: sqlite3.Connection, folders: list[Path], root: Path) -> None:
    """See that what the store knows of lies beside it: what lies in the old folder, and every model."""
    for table, column, must in _HOLDERS:
        if not _has(store, table, column):
            continue
        alive = "lifecycle_stage != 'deleted'" if _has(store, table, "lifecycle_stage") else "1"
        for (address,) in store.execute(f"SELECT {column} FROM {table} WHERE {alive}"):  # noqa: S608 - ours
            path = Path(unquote(urlsplit(address or "").path))
            for old in (folder for folder in folders if path.is_relative_to(folder)):
                here = root / path.relative_to(old)
                if (must or path.exists()) and not here.exists():
                    raise UserError(
                        f"{here} is not there, which {root / DATABASE} names as {path}: the artifacts did "
                        f"not come along; copy {old / _ARTIFACTS} to {root / _ARTIFACTS} and try again, "
                        "nothing was changed"
                    )


def _back_up(database: Path) -> Path:
    number = 1
    while (backup := database.with_name(f"{database.name}.before-move-{number}")).exists():
        number += 1
    with (
        atomic_path(backup) as temporary,
        closing(_open(database)) as source,
        closing(sqlite3.connect(temporary)) as target,
    ):
        source.backup(target)
    return backup


def _rewrite(store: sqlite3.Connection, old: Path, root: Path) -> int:
    """Rewrite texts that begin with the old folder, as an address or as a path."""
    changed = 0
    pairs = ((old.as_uri(), root.as_uri()), (str(old), str(root)))
    tables = [row[0] for row in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    texts = [
        (table, column)
        for table in tables
        for _, column, kind, *_ in store.execute(f"PRAGMA table_info('{table}')")
        if any(word in kind.upper() for word in ("CHAR", "TEXT", "CLOB"))
    ]
    for table, column in texts:
        for before, after in pairs:
            done = store.execute(
                f'UPDATE "{table}" SET "{column}" = ? || substr("{column}", ?) '  # noqa: S608 - own names
                f'WHERE "{column}" = ? OR substr("{column}", 1, ?) = ?',
                (after, len(before) + 1, before, len(before) + 1, before + "/"),
            )
            changed += done.rowcount
    return changed
