"""Files written whole or not at all, and the hashes that identify them."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tmdscope.names import cell

if TYPE_CHECKING:
    import pandas as pd

_CHUNK_BYTES = 1 << 20


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path` and rename it to `path` when the block ends well.

    Parameters
    ----------
    path : Path
        Final name of a file or of a folder. Its parent is created; what stood there before is
        replaced only after the block has ended without an error.

    Yields
    ------
    Path
        The temporary name to write to. The suffix of `path` is kept, so that writers that look at
        it (pandas, matplotlib, PIL) do the same as for the final name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    workspace = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    temporary = workspace / path.name
    try:
        yield temporary
        if temporary.is_dir() and path.is_dir():
            path.rename(workspace / "replaced")
        temporary.replace(path)
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically.

    Parameters
    ----------
    path : Path
        The file.
    text : str
        Its whole content.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object atomically, indented; numpy scalars and arrays become numbers and lists.

    Parameters
    ----------
    path : Path
        The file.
    content : Mapping
        The object. NaN and infinity are refused: JSON has no word for them.

    Raises
    ------
    ValueError
        A number is not finite.
    """
    write_text(path, json.dumps(content, indent=2, allow_nan=False, default=_plain) + "\n")


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Write a table atomically, without its index; in a CSV no text is a formula to a spreadsheet.

    Parameters
    ----------
    path : Path
        A ``.csv`` or ``.parquet`` file.
    table : pandas.DataFrame
        The table.

    Raises
    ------
    ValueError
        The suffix is neither.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"{path}: a table is written as .csv or .parquet")
    with atomic_path(path) as temporary:
        if path.suffix == ".csv":
            table.map(lambda value: cell(value) if isinstance(value, str) else value).to_csv(
                temporary, index=False
            )
        else:
            table.to_parquet(temporary, index=False)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict
        The object.

    Raises
    ------
    ValueError
        The file is not JSON, or not an object; the message names it.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path} is not JSON ({error}); delete it and run the stage that writes it"
        ) from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, expected a JSON object")
    return content


def sha256_file(path: Path) -> str:
    """Hash a file's bytes without holding them in memory.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_array(values: np.ndarray[Any, Any]) -> str:
    """Hash an array's dtype, shape and values.

    Parameters
    ----------
    values : numpy.ndarray
        Any shape and dtype without objects.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits; equal for equal arrays whatever their memory layout.
    """
    digest = hashlib.sha256(f"{values.dtype.str}{values.shape}".encode())
    digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def sha256_json(content: Any) -> str:
    """Hash a JSON-like value, whatever the order of its keys.

    Parameters
    ----------
    content : Any
        Dictionaries, lists, strings, numbers, booleans, None.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits.
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"{type(value).__name__} has no JSON form: {value!r}")
