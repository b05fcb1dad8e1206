"""Files written whole or not at all, and the hashes that identify them."""

import hashlib
import io
import json
import math
import mmap
import os
import stat
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tmdscope.errors import UserError
from tmdscope.layout import remedy_of
from tmdscope.limits import MAX_TABLE_BYTES, MAX_TABLE_CELLS, MAX_TEXT_BYTES
from tmdscope.names import cell
from tmdscope.temporary import workspace

if TYPE_CHECKING:
    import pandas as pd

_ROWS = 4096
"""Of an array, looked at at a time."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`, of the same suffix, and rename it when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with workspace(path.parent, f".{path.name}") as folder:
        temporary = folder / path.name
        yield temporary
        if temporary.is_dir() and path.is_dir():
            path.rename(folder / "replaced")
        temporary.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object atomically, numpy's values included; ValueError where a number is not finite."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False, default=plain) + "\n")


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Write a CSV or Parquet file atomically, no index; no text of a CSV is a formula to a spreadsheet."""
    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"{path}: a table is written as .csv or .parquet")
    with atomic_path(path) as temporary:
        if path.suffix == ".csv":
            safe = table.map(lambda value: cell(value) if isinstance(value, str) else value)
            safe.rename(columns=lambda name: cell(str(name))).to_csv(temporary, index=False)
        else:
            table.to_parquet(temporary, index=False)


def write_array(path: Path, rows: Iterable[np.ndarray[Any, Any]], shape: Sequence[int], dtype: Any) -> None:
    """Write an NPY file row by row, inside `atomic_path`, so that only one row is ever held in memory.

    Not as a memory map, where a full disk ends the process in place of being an OSError.
    """
    kind = np.dtype(dtype)
    header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": tuple(shape)}
    written = 0
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for row in rows:
            if row.shape != tuple(shape[1:]):
                raise ValueError(f"{path}: row {written} has shape {row.shape}, expected {tuple(shape[1:])}")
            stream.write(np.ascontiguousarray(row, dtype=kind).tobytes())
            written += 1
    if written != shape[0]:
        raise ValueError(f"{path}: {written} rows written, expected {shape[0]}")


def open_regular(path: Path, most: int | None = None) -> BufferedReader:
    """Open a file that others made: a regular one, or a link to one, of at most `most` bytes.

    A pipe would wait for a writer that never comes, and a device such as ``/dev/zero`` has no end.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:  # a name with a NUL
        raise UserError(f"{str(path)!r} is no name of a file: {error}") from error
    stream = os.fdopen(number, "rb") if stat.S_ISREG(os.fstat(number).st_mode) else None
    if stream is None:
        os.close(number)
        raise UserError(f"{path} is no regular file but a folder, a pipe or a device; name a file")
    if most is not None and (size := os.fstat(number).st_size) > most:
        stream.close()
        raise UserError(f"{path} has {size} bytes, {most} at most are read; is it the right file?")
    return stream


def read_bytes(path: Path, most: int = MAX_TEXT_BYTES) -> bytes:
    """Read a file that others made, whole; refuses what `open_regular` refuses."""
    with open_regular(path, most) as stream:
        content = stream.read(most + 1) or b""  # it may grow meanwhile, or state no size
    if len(content) > most:
        raise UserError(f"{path} has more than {most} bytes, the most that are read; is it the right file?")
    return content


def broken(path: Path, problem: str) -> UserError:
    """Make the error of a file that cannot be believed: its name, then `problem`, then how to get it anew."""
    return UserError(f"{path} {problem}; {remedy_of(path)}")


@contextmanager
def _reading(path: Path, kind: str) -> Iterator[None]:
    """Name the file whatever its reader raises: on damaged ones libraries raise anything."""
    try:
        yield
    except FileNotFoundError as error:
        raise broken(path, "does not exist") from error
    except (PermissionError, MemoryError):
        raise  # the file may be sound
    except Exception as error:
        said = str(error).partition("\n")[0][:300]
        raise broken(path, f"is not {kind} ({said or type(error).__name__})") from error


def _finite(word: str) -> float:
    if not math.isfinite(value := float(word)):
        raise ValueError(f"it holds {word}")
    return value


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("it holds a key twice")
    return content


def read_json(path: Path, most: int = MAX_TEXT_BYTES) -> dict[str, Any]:
    """Read a JSON object; one that holds a number that is not finite is refused, as a missing file is."""
    with _reading(path, "JSON"):
        content = json.loads(
            read_bytes(path, most).decode(),
            parse_float=_finite,
            parse_constant=_finite,
            object_pairs_hook=_once,
        )
    if not isinstance(content, dict):
        raise broken(path, f"holds a {type(content).__name__}, expected a JSON object")
    return content


def read_table(
    path: Path, columns: Sequence[str] = (), types: Mapping[Hashable, Any] | None = None
) -> "pd.DataFrame":
    """Read a CSV, whose types are guessed if not given, or Parquet file with these columns, among others."""
    import pandas as pd
    from pyarrow.parquet import ParquetFile

    is_csv = path.suffix == ".csv"
    with (
        _reading(path, "a CSV table" if is_csv else "Parquet"),
        open_regular(path, MAX_TABLE_BYTES) as stream,
    ):
        if is_csv:
            table = pd.read_csv(stream, dtype=types)
        else:
            packed = ParquetFile(stream)
            about = packed.metadata
            size = sum(about.row_group(number).total_byte_size for number in range(about.num_row_groups))
            if size > MAX_TABLE_BYTES or about.num_rows * about.num_columns > MAX_TABLE_CELLS:
                raise ValueError(f"{about.num_rows} rows of {size} bytes are more than is read")
            taken = 0
            for batch in packed.iter_batches():  # a dictionary repeats texts that take no room in the file
                taken += batch.nbytes
                if taken > MAX_TABLE_BYTES:
                    raise ValueError(f"its values take more than {MAX_TABLE_BYTES} bytes")
            stream.seek(0)
            table = pd.read_parquet(stream)
        if not table.columns.is_unique:
            raise ValueError("a column is there twice")
    lacking = [name for name in columns if name not in table]
    if lacking:
        raise broken(path, f"has no column {lacking[0]!r}")
    return table


def open_array(
    path: Path, shape: Sequence[int | None] | None = None, kind: Any = None
) -> np.ndarray[Any, np.dtype[Any]]:
    """Map an NPY file without objects into memory, read-only; None in `shape` stands for any length."""
    with _reading(path, "an NPY array"):
        open_regular(path).close()
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        array.close()
        raise broken(path, "is not an NPY array but an archive of several")
    wanted = array.shape if shape is None else tuple(shape)
    fits = len(wanted) == array.ndim and all(n in (None, m) for n, m in zip(wanted, array.shape, strict=True))
    if not fits or (kind is not None and array.dtype != np.dtype(kind)):
        sizes = " x ".join("any" if n is None else str(n) for n in wanted)
        expected = f"{np.dtype(kind) if kind is not None else 'values'} of shape {sizes}"
        raise broken(path, f"holds {array.dtype} of shape {array.shape}, expected {expected}")
    return array


def forget_pages(array: np.ndarray[Any, Any]) -> None:
    """Let go of what was read of a mapped file; it is read again when it is used. Other arrays stay."""
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(owner, "madvise"):  # not on every system
        owner.madvise(mmap.MADV_DONTNEED)


def require_finite(path: Path, values: np.ndarray[Any, Any], first: int = 0) -> None:
    """Refuse values, shape (N, ...), that are not finite; messages count rows from `first`."""
    for start in range(0, len(values), _ROWS):
        block = values[start : start + _ROWS]
        finite = np.isfinite(block.reshape(len(block), -1)).all(axis=1)
        if not finite.all():
            row = first + start + int(np.argmin(finite))
            raise broken(path, f"holds values that are not finite, first in row {row}")
        forget_pages(values)


def sha256_file(path: Path) -> str:
    """Hash a file's bytes without holding them in memory: 64 hexadecimal digits."""
    with open_regular(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_array(values: np.ndarray[Any, Any]) -> str:
    """Hash an array's dtype, shape and values, whatever its memory layout: 64 hexadecimal digits."""
    digest = hashlib.sha256(f"{values.dtype.str}{values.shape}".encode())
    digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def sha256_json(content: Any) -> str:
    """Hash a JSON-like value, whatever the order of its keys: 64 hexadecimal digits."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=plain)
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_rows(blocks: Iterable[Sequence[Any]]) -> str:
    """Hash a list as `sha256_json` does, from pieces of it, of which one is held at a time."""
    digest, before = hashlib.sha256(b"["), ""
    for block in blocks:
        if block:
            text = json.dumps(block, sort_keys=True, separators=(",", ":"), default=plain)
            digest.update(f"{before}{text[1:-1]}".encode())
            before = ","
    digest.update(b"]")
    return digest.hexdigest()


def sha256_csv(table: "pd.DataFrame") -> str:
    """Hash what `to_csv` writes of a table, which is not held in memory."""
    digest = hashlib.sha256()

    class Hashed(io.TextIOBase):
        def write(self, text: str) -> int:
            digest.update(text.encode())
            return len(text)

    table.to_csv(Hashed(), index=False)
    return digest.hexdigest()


def plain(value: Any) -> Any:
    """Give numpy's scalars and arrays, and paths, a JSON form; TypeError for what has none."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"{type(value).__name__} has no JSON form: {value!r}")
