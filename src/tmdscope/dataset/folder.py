"""A user's own scans and pictures: a folder with a manifest CSV, checked whole before anything is used."""

import csv
import hashlib
import math
import os
import posixpath
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tmdscope.dataset.content import Content, read_content
from tmdscope.dataset.pictures import MAX_BYTES
from tmdscope.dataset.store import two_class_samples
from tmdscope.materials import nearest, parse_material
from tmdscope.progress import progress
from tmdscope.scan.read.formats import is_scan
from tmdscope.stage import UserError

REQUIRED = ("path", "sample_id", "material")
OPTIONAL = ("pixel_size_nm", "kind")
KINDS = ("", "heights", "picture")

_SAME_SIZE = 0.01
"""Share by which a pixel size in the manifest may differ from a scan's own: people round."""


@dataclass(frozen=True)
class Entry:
    """One usable line of the manifest: where the picture or scan is and what it shows."""

    line: int
    image_id: str
    sample_id: str
    material: str
    pixel_size_nm: float
    kind: str


class _Copied(NamedTuple):
    """What a file says of itself, or its problem."""

    sha256: str = ""
    pixel_size_nm: float = math.nan
    kind: str = ""
    channel: str | None = None
    problem: str | None = None


def ingest_folder(folder: Path, manifest: str, classes: Sequence[str], pictures: Path) -> pd.DataFrame:
    """Check a folder of scans and pictures and copy them.

    Parameters
    ----------
    folder : Path
        The user's folder.
    manifest : str
        Name of the CSV inside it: columns ``path, sample_id, material`` and, if known,
        ``pixel_size_nm`` and ``kind`` (``heights`` or ``picture``; empty: as the file says,
        `tmdscope.dataset.content`).
    classes : sequence of str
        Class names that ``material`` may have.
    pictures : Path
        Gets the copies, under the relative paths that the manifest gives.

    Returns
    -------
    pandas.DataFrame
        One row per picture: ``image_id`` (its relative path), ``sample_id``, ``material``,
        ``pixel_size_nm`` (a scan's own; NaN where a picture has none given), ``source``,
        ``source_sha256``, ``kind`` (``scan``, ``heights`` or ``picture``, see `tmdscope.dataset.content`),
        and, where there are scans, ``channel`` (which of the file's was read).

    Raises
    ------
    UserError
        Every problem of the manifest and of the files, one to a line.
    """
    source = folder / manifest
    entries, problems = _read_entries(folder, source, classes)
    table = pd.DataFrame(entries, columns=list(Entry.__dataclass_fields__))
    table = table.astype(
        {"image_id": str, "sample_id": str, "material": str, "pixel_size_nm": float, "kind": str}
    )
    copied = _copy_files(folder, entries, pictures)
    problems += [one.problem for one in copied if one.problem is not None]
    problems += _whole_table_problems(table, classes)
    if problems:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise UserError(f"{source}: {len(problems)} problem(s); mend them and run again:{lines}")
    table = table.drop(columns="line").assign(
        pixel_size_nm=[one.pixel_size_nm for one in copied],
        source="folder",
        source_sha256=[one.sha256 for one in copied],
        kind=[one.kind for one in copied],
    )
    return table.assign(channel=[one.channel for one in copied]) if any(o.channel for o in copied) else table


def match_class(name: str, classes: Sequence[str]) -> str:
    """Find the declared class that a manifest means.

    Parameters
    ----------
    name : str
        As written by the user.
    classes : sequence of str
        Declared classes.

    Returns
    -------
    str
        The class of the same name, or the only one that is the same TMD written differently
        (``mos2``, ``MoS₂``).

    Raises
    ------
    UserError
        No declared class is meant; the message gives the nearest ones.
    """
    if name in classes:
        return name
    same = [known for known in classes if _tmd(known) is not None and _tmd(known) == _tmd(name)]
    if len(same) == 1:
        return same[0]
    raise UserError(
        f"material {name!r} is not declared in data.classes of params.yaml; {nearest(name, classes)}"
    )


def _tmd(name: str) -> str | None:
    try:
        return parse_material(name).value
    except ValueError:
        return None


def _read_entries(folder: Path, source: Path, classes: Sequence[str]) -> tuple[list[Entry], list[str]]:
    """Read the CSV line by line; lines with a problem give a message and no entry."""
    entries: list[Entry] = []
    problems: list[str] = []
    for line, cells in _read_rows(source):
        found = _row_problems(folder, cells, classes)
        problems += [f"line {line}: {problem}" for problem in found]
        if not found:
            size = cells.get("pixel_size_nm", "").strip()
            entries.append(
                Entry(
                    line=line,
                    image_id=posixpath.normpath(cells["path"]),
                    sample_id=cells["sample_id"],
                    material=match_class(cells["material"].strip(), classes),
                    pixel_size_nm=float(size) if size else math.nan,
                    kind=cells.get("kind", "").strip(),
                )
            )
    return entries, problems


def _read_rows(source: Path) -> list[tuple[int, dict[str, str]]]:
    """Cells as text, exactly as written, with the line they end on."""
    try:
        with source.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, strict=True)
            header = next(reader, [])
            _check_header(source, header)
            rows = [(reader.line_num, cells) for cells in reader if cells]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(
            f"{source} does not exist; write a CSV with the columns {', '.join(REQUIRED)} "
            "or set data.folder in params.yaml"
        ) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{source} is not a CSV in UTF-8: {error}") from error
    wrong = [f"line {line}: {len(cells)} cells" for line, cells in rows if len(cells) != len(header)]
    if wrong:
        raise UserError(
            f"{source}: the header has {len(header)} columns, but {'; '.join(wrong)}; "
            "put quotes around cells that hold commas"
        )
    return [(line, dict(zip(header, cells, strict=True))) for line, cells in rows]


def _check_header(source: Path, header: Sequence[str]) -> None:
    known = (*REQUIRED, *OPTIONAL)
    problems = [f"column {name!r} is missing" for name in REQUIRED if name not in header]
    problems += [
        f"column {name!r} is not known; {nearest(name, known)}" for name in header if name not in known
    ]
    problems += [
        f"column {name!r} occurs {count} times" for name, count in Counter(header).items() if count > 1
    ]
    if problems:
        raise UserError(f"{source}: {'; '.join(problems)}; separate columns by commas")


def _row_problems(folder: Path, cells: dict[str, str], classes: Sequence[str]) -> list[str]:
    problems = [f"{name} is empty" for name in REQUIRED if not cells[name].strip()]
    if cells["path"].strip():
        problems += _path_problems(folder, cells["path"])
    if cells["sample_id"].strip() != cells["sample_id"]:
        problems.append(f"sample_id {cells['sample_id']!r} has spaces around it; remove them")
    if cells["material"].strip():
        try:
            match_class(cells["material"].strip(), classes)
        except UserError as error:
            problems.append(str(error))
    size = cells.get("pixel_size_nm", "").strip()
    if size and not _is_positive(size):
        problems.append(f"pixel_size_nm {size!r} is not a positive number; leave it empty if unknown")
    if cells.get("kind", "").strip() not in KINDS:
        problems.append(f"kind {cells['kind']!r} is none of heights, picture; leave it empty: the file says")
    return problems


def _path_problems(folder: Path, path: str) -> list[str]:
    if "\\" in path or not path.isprintable():
        return [f"path {path!r} has a backslash or a control character; write / between folders"]
    file = folder / posixpath.normpath(path)
    if not file.resolve().is_relative_to(folder.resolve()):
        return [f"path {path!r} leaves the folder {folder}; copy the picture into it"]
    if not os.path.isfile(file):  # noqa: PTH113 - False, not an error, for a name that cannot be one
        return [f"path {path!r}: there is no such file in {folder}"]
    if file.stat().st_size > MAX_BYTES:
        return [f"path {path!r}: the file is larger than {MAX_BYTES} bytes; crop or shrink it"]
    return []


def _is_positive(text: str) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return math.isfinite(value) and value > 0


def _whole_table_problems(table: pd.DataFrame, classes: Sequence[str]) -> list[str]:
    problems = [
        f"path {path!r} occurs on lines {', '.join(map(str, group))}; keep one"
        for path, group in table.groupby("image_id", sort=False)["line"]
        if len(group) > 1
    ]
    problems += [
        f"sample {sample!r} has two materials, {' and '.join(materials)}; a sample is one material"
        for sample, materials in two_class_samples(table).items()
    ]
    empty = [name for name in classes if name not in set(table["material"])]
    return problems + [
        f"class {name!r} of data.classes has no usable image; add some or remove the class" for name in empty
    ]


def _copy_files(folder: Path, entries: Sequence[Entry], pictures: Path) -> list[_Copied]:
    """Read each file once: decode to see that it can be used, hash, copy. Threads: PIL frees the GIL."""

    def copy(entry: Entry) -> _Copied:
        kind = "scan" if is_scan(entry.image_id) else "picture"
        try:
            content = (folder / entry.image_id).read_bytes()
            found = _look_into(content, entry)
        except (OSError, UserError) as error:
            return _Copied(problem=f"line {entry.line}: {kind} {entry.image_id!r} cannot be used: {error}")
        target = pictures / entry.image_id
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return _Copied(hashlib.sha256(content).hexdigest(), found.pixel_size_nm[0], found.kind, found.channel)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(progress(pool.map(copy, entries), len(entries), "check and copy files"))


def _look_into(content: bytes, entry: Entry) -> Content:
    """Read a file as the manifest says it is; a scan's own pixels count."""
    heights = entry.kind == "heights" if entry.kind else None
    found = read_content(content, entry.image_id, heights, entry.pixel_size_nm)
    if found.kind == "scan" and entry.kind == "picture":
        raise UserError("kind is picture here, but it is an instrument's file: leave the cell empty")
    size = found.pixel_size_nm[0]
    if abs(entry.pixel_size_nm - size) > _SAME_SIZE * size:
        raise UserError(
            f"pixel_size_nm is {entry.pixel_size_nm:g} here, but {size:.6g} in the file: leave the cell empty"
        )
    return found
