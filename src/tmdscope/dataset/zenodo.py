"""Files of a Zenodo record: listed by its API, kept in one folder, checked by size and MD5, resumed."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pooch
from pooch.downloaders import ZenodoRepository

from tmdscope.download import TIMEOUT_S, download
from tmdscope.files import read_json, write_json
from tmdscope.progress import progress
from tmdscope.stage import UserError

LISTING = "record.json"
"""The record as Zenodo's API gives it, kept beside the files: with it no network is needed."""

FOLDER_VARIABLE = "TMDSCOPE_ARCHIVE_DIR"
"""Environment variable that names the folder of downloaded records, one folder for each."""

SERVER_VARIABLE = "TMDSCOPE_ZENODO_URL"
"""Environment variable that names another server with Zenodo's API."""

SERVER = "https://zenodo.org"
"""Where records are, unless `SERVER_VARIABLE` says otherwise."""


@dataclass(frozen=True)
class RecordFile:
    """A file of a record.

    Attributes
    ----------
    name : str
        File name.
    size : int
        Bytes.
    md5 : str
        MD5, 32 hexadecimal digits: the checksum that Zenodo publishes.
    url : str
        Where it is downloaded.
    """

    name: str
    size: int
    md5: str
    url: str


def record_folder(name: str) -> Path:
    """Say where the files of a record lie.

    Parameters
    ----------
    name : str
        A short name of the record.

    Returns
    -------
    Path
        Its folder, below the one that `FOLDER_VARIABLE` names or else in a cache of the user's.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    return (Path(named) if named else Path(pooch.os_cache("tmdscope"))) / name


def fetch_files(
    doi: str, folder: Path, is_wanted: Callable[[str], bool], pattern: str
) -> list[tuple[RecordFile, Path]]:
    """Bring files of a record into a folder; those that are there and whole are not downloaded again.

    Parameters
    ----------
    doi : str
        DOI of the record, ``10.5281/zenodo.NUMBER``.
    folder : Path
        Where the record's files lie or come to lie; may have been filled by hand.
    is_wanted : callable
        Says of a file name whether it can be used.
    pattern : str
        Glob that the names must match as well (``*.zip``).

    Returns
    -------
    list of tuple of RecordFile and Path
        What the record says of each file, and where it lies, by name.

    Raises
    ------
    UserError
        The record has no such file, or one cannot be had; what to download by hand and where to put it.
        Files that arrived whole stay, and one that was cut off is gone on with next time.
    """
    try:
        files = list_files(doi, folder)
    except (OSError, ValueError) as error:
        raise UserError(
            f"cannot list the files of doi:{doi}: {error}\n{_by_hand(doi, folder, [])}"
        ) from error
    chosen = [file for file in files if is_wanted(file.name) and fnmatchcase(file.name, pattern)]
    if not chosen:
        raise UserError(
            f"doi:{doi} has no file that can be used and matches data.archive.files: {pattern}; it holds "
            + ", ".join(file.name for file in files)
        )
    shelf = pooch.create(
        path=folder,
        base_url=f"doi:{doi}/",
        registry={file.name: f"md5:{file.md5}" for file in chosen},
        urls={file.name: file.url for file in chosen},
    )
    paths = []
    for file in progress(chosen, len(chosen), "download files"):
        try:
            paths.append(Path(shelf.fetch(file.name, downloader=partial(_go_on, file))))
        except (OSError, ValueError) as error:  # a wrong checksum is a ValueError
            raise UserError(
                f"cannot download {file.name}: {error}\n{_by_hand(doi, folder, chosen)}"
            ) from error
    return list(zip(chosen, paths, strict=True))


def list_files(doi: str, folder: Path) -> list[RecordFile]:
    """List the files of a record, asking the server only when the folder holds no listing.

    Parameters
    ----------
    doi : str
        DOI of the record.
    folder : Path
        Holds or gets `LISTING`.

    Returns
    -------
    list of RecordFile
        By name.

    Raises
    ------
    OSError
        The server cannot be reached, or has no such record.
    ValueError
        What it gives is no listing; the message says what is wrong.
    """
    path = folder / LISTING
    server = os.environ.get(SERVER_VARIABLE, SERVER).rstrip("/")
    if path.is_file():
        return _parse(read_json(path), str(path), server)
    number = doi.rpartition(".")[2]
    repository = ZenodoRepository(doi, archive_url=f"{server}/records/{number}", timeout=TIMEOUT_S)
    repository.base_api_url = f"{server}/api/records"
    content: Any = repository.api_response
    files = _parse(content, f"{server}/api/records/{number}", server)
    write_json(path, content)
    return files


def _parse(content: Any, where: str, server: str) -> list[RecordFile]:
    """Read both forms that Zenodo's API has had; today's names a file `key`, an earlier one `filename`."""
    entries = content.get("files") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise ValueError(f"{where} lists no files: {json.dumps(content)[:200]}")
    try:
        files = [
            RecordFile(
                entry["key"],
                int(entry["size"]),
                entry["checksum"].removeprefix("md5:"),
                entry["links"]["self"],
            )
            if "key" in entry
            else RecordFile(
                entry["filename"],
                int(entry["filesize"]),
                entry["checksum"].removeprefix("md5:"),
                f"{server}/records/{content['id']}/files/{quote(entry['filename'])}?download=1",
            )
            for entry in entries
        ]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{where} lists files in an unknown form ({error!r})") from error
    for file in files:
        if Path(file.name).name != file.name or "\\" in file.name or file.name.startswith("."):
            raise ValueError(f"{where} lists {file.name!r}, which is no plain file name")
    return sorted(files, key=lambda file: file.name)


def _go_on(file: RecordFile, url: str, output_file: str, _: Any) -> None:
    """Download for pooch, which checks the MD5; what came before an interruption is gone on with."""
    part = Path(output_file).with_name(f"{file.name}.part")
    download(url, part, file.size)
    part.replace(output_file)


def _by_hand(doi: str, folder: Path, files: Sequence[RecordFile]) -> str:
    number = doi.rpartition(".")[2]
    names = "".join(f"\n  {file.url}  ({file.size} bytes, MD5 {file.md5})" for file in files)
    return (
        f"Without a network: on a machine that has one, save {SERVER}/api/records/{number} as {LISTING} and "
        f"download the files of {SERVER}/records/{number}{names}\nPut all of it into {folder} "
        f"(the variable {FOLDER_VARIABLE} moves the folder above it) and run again. "
        "After a download that was cut off, running again goes on where it stopped."
    )
