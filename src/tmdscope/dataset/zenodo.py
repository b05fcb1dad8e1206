"""Files of a Zenodo record: listed by its API, kept in one folder, checked by size and MD5, resumed."""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs

from tmdscope.alike import find_alike
from tmdscope.download import DownloadError, download
from tmdscope.errors import UserError
from tmdscope.files import atomic_path, open_regular, read_bytes
from tmdscope.limits import MAX_ARCHIVE_BYTES, MAX_LISTING_BYTES
from tmdscope.progress import progress

LISTING = "record.json"
"""The record as Zenodo's API gives it, kept beside the files: with it no network is needed."""

FOLDER_VARIABLE = "TMDSCOPE_ARCHIVE_DIR"
"""Environment variable that names the folder of downloaded records, one folder for each."""

SERVER_VARIABLE = "TMDSCOPE_ZENODO_URL"
"""Environment variable that names another server with Zenodo's API."""

SERVER = "https://zenodo.org"
"""Where records are, unless `SERVER_VARIABLE` says otherwise."""

_SHOWN = 20
_LONGEST = 250


@dataclass(frozen=True)
class RecordFile:
    """A file of a record; `size` in bytes, `md5` (the checksum that Zenodo publishes) in 32 hex digits."""

    name: str
    size: int
    md5: str
    url: str


def record_folder(name: str) -> Path:
    """Name a record's folder: below the one that `FOLDER_VARIABLE` names, else in a cache of the user's."""
    named = os.environ.get(FOLDER_VARIABLE)
    return (Path(named) if named else Path(platformdirs.user_cache_dir("tmdscope"))) / name


def fetch_files(
    doi: str, folder: Path, endings: tuple[str, ...], pattern: str
) -> list[tuple[RecordFile, Path]]:
    """Bring files of a record (``10.5281/zenodo.NUMBER``) into a folder, which may have been filled by hand.

    Names have one of some endings, in lower case, and match the glob `pattern`. Files that are there whole
    stay, and one that was cut off is gone on with; the error says what to download by hand and where to.
    """
    try:
        files = list_files(doi, folder)
    except (OSError, ValueError) as error:
        raise UserError(
            f"cannot list the files of doi:{doi}: {error}\n{_by_hand(doi, folder, [])}"
        ) from error
    wanted = [file for file in files if file.name.lower().endswith(endings)]
    chosen = [file for file in wanted if fnmatchcase(file.name, pattern)]
    if not chosen:
        raise UserError(
            f"doi:{doi} has no file that can be used and matches data.archive.files: {pattern}; it holds "
            + ", ".join([file.name for file in files[:_SHOWN]] + ["..."] * (len(files) > _SHOWN))
        )
    for file in progress(chosen, len(chosen), "download files"):
        try:
            _fetch(file, folder / file.name)
        except OSError as error:
            raise UserError(
                f"cannot download {file.name}: {error}\n{_by_hand(doi, folder, chosen)}"
            ) from error
    return [(file, folder / file.name) for file in chosen]


def list_files(doi: str, folder: Path) -> list[RecordFile]:
    """List a record's files by name, asking the server (OSError, ValueError) only without a `LISTING`."""
    path = folder / LISTING
    if not path.exists():
        server = os.environ.get(SERVER_VARIABLE, SERVER).rstrip("/")
        url = f"{server}/api/records/{doi.rpartition('.')[2]}"
        with atomic_path(path) as temporary:
            download(url, temporary, most=MAX_LISTING_BYTES)
            _parse(temporary, url)  # what is no listing is not kept
    return _parse(path, str(path))


def _parse(path: Path, where: str) -> list[RecordFile]:
    try:
        content = json.loads(read_bytes(path, MAX_LISTING_BYTES))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is not JSON ({error})") from error
    entries = content.get("files") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise ValueError(f"{where} lists no files: {json.dumps(content)[:200]}")
    try:
        files = [
            RecordFile(one["key"], one["size"], one["checksum"].removeprefix("md5:"), one["links"]["self"])
            for one in entries
        ]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{where} lists files in an unknown form ({error!r})") from error
    for file in files:
        _check(file, where)
    names = [file.name for file in files]
    if len(set(names)) < len(names) or find_alike(names):
        raise ValueError(f"{where} lists files whose names are equal or look alike")
    return sorted(files, key=lambda file: file.name)


def _check(file: RecordFile, where: str) -> None:
    name = file.name
    plain = isinstance(name, str) and name.isprintable() and Path(name).name == name and "\\" not in name
    if not plain or name.startswith(".") or len(name.encode()) > _LONGEST or name == LISTING:
        raise ValueError(f"{where} lists {str(name)[:80]!r}, which is no plain file name, or is too long")
    if type(file.size) is not int or not 0 <= file.size <= MAX_ARCHIVE_BYTES:
        raise ValueError(
            f"{where} lists {name} with a size of {str(file.size)[:40]!r}; "
            f"it must be a number of bytes, {MAX_ARCHIVE_BYTES} at most"
        )
    if not re.fullmatch("[0-9a-f]{32}", file.md5):
        raise ValueError(f"{where} lists {name} with checksum {file.md5[:80]!r}, which is no MD5")
    if not isinstance(file.url, str):
        raise ValueError(f"{where} lists {name} without an address")


def _fetch(file: RecordFile, path: Path) -> None:
    """Bring a file to its place; what came before an interruption is gone on with, or begun anew if wrong."""
    if path.exists() and _is_whole(path, file):
        return
    server = urlsplit(os.environ.get(SERVER_VARIABLE, SERVER))
    asked = urlsplit(file.url)
    if asked.hostname not in (server.hostname, urlsplit(SERVER).hostname):
        raise DownloadError(f"{file.url} is on another host than {server.hostname}, and is not asked for it")
    if asked.scheme != "https" and asked.scheme != server.scheme:
        raise DownloadError(f"{file.url} is no https:// address, and is not asked")
    part = path.with_name(f"{file.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    for begun in (part.exists(), False):
        download(file.url, part, file.size)
        if _is_whole(part, file):
            part.replace(path)
            return
        part.unlink()
        if not begun:
            break
    raise DownloadError(f"MD5 hash of what came does not match {file.md5}; it was not kept")


def _is_whole(path: Path, file: RecordFile) -> bool:
    with open_regular(path) as stream:
        same_size = os.fstat(stream.fileno()).st_size == file.size
        return same_size and hashlib.file_digest(stream, hashlib.md5).hexdigest() == file.md5


def _by_hand(doi: str, folder: Path, files: Sequence[RecordFile]) -> str:
    number = doi.rpartition(".")[2]
    names = "".join(f"\n  {file.url}  ({file.size} bytes, MD5 {file.md5})" for file in files[:_SHOWN])
    names += f"\n  and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    return (
        f"Without a network: on a machine that has one, save {SERVER}/api/records/{number} as {LISTING} and "
        f"download the files of {SERVER}/records/{number}{names}\nPut all of it into {folder} "
        f"(the variable {FOLDER_VARIABLE} moves the folder above it) and run again. "
        "After a download that was cut off, running again goes on where it stopped."
    )
