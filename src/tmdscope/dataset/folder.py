"""A user's own scans and pictures: a folder with a manifest CSV, checked whole before anything is used."""

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tmdscope.alike import plain_name
from tmdscope.dataset.content import read_content, room_for
from tmdscope.dataset.label import LABEL
from tmdscope.dataset.manifest_csv import Sheet, alike_problems, listed, read_sheet, text_problems
from tmdscope.dataset.place import manifest_file, user_file, write_new
from tmdscope.dataset.store import two_class_samples
from tmdscope.doubt import joined
from tmdscope.errors import UserError
from tmdscope.files import read_bytes
from tmdscope.limits import MAX_PICTURE_BYTES, MAX_TOLD
from tmdscope.materials import nearest, parse_material
from tmdscope.memory import room_to_read
from tmdscope.progress import progress
from tmdscope.scan.read.formats import is_scan
from tmdscope.stage import say

KINDS = ("", "heights", "picture")
"""What a manifest may say of a TIFF or NPY file; empty: floating-point values are heights."""

_SAME_SIZE = 0.01
"""Share by which a pixel size in the manifest may differ from a scan's own: people round."""


class FolderError(UserError):
    """A folder that cannot be used; `unusable` maps paths in the manifest to their problems."""

    def __init__(self, source: Path, problems: Sequence[str], unusable: Mapping[str, str]) -> None:
        told = f"{len(problems)} problem(s); mend them and run again:{listed(problems)}"
        super().__init__(f"{source}: {told}")
        self.unusable = unusable


@dataclass(frozen=True)
class Entry:
    """One usable line of the manifest: where the picture or scan is and what it shows."""

    line: int
    path: str
    file: Path
    image_id: str
    sample_id: str
    label: str
    pixel_size_nm: float
    channel: str
    kind: str


class _Copied(NamedTuple):
    """What a file says of itself, or its problem."""

    sha256: str = ""
    pixel_size_nm: float = math.nan
    kind: str = ""
    channel: str | None = None
    warnings: tuple[str, ...] = ()
    problem: str | None = None


def ingest_folder(
    folder: Path, manifest: str, classes: Sequence[str], pictures: Path | None, channel: str = ""
) -> pd.DataFrame:
    """Check a folder of scans and pictures and copy them; nothing in it is ever opened for writing.

    `manifest` names a CSV inside it. `pictures` is a new folder for the copies, which get the relative paths
    that it gives (None: check only). `channel` is that of scans whose line names none; empty: it is found.

    The table has a row per picture: ``image_id`` is its relative path, ``pixel_size_nm`` a scan's own or NaN;
    where there are scans, ``channel`` says which was read; where any are heights, ``warnings`` says what is
    doubtful about them; the manifest's further columns come last. A `FolderError` tells all problems, one to
    a line.
    """
    return ingest_sheet(folder, read_sheet(manifest_file(folder, manifest)), classes, pictures, channel)


def ingest_sheet(
    folder: Path, sheet: Sheet, classes: Sequence[str], pictures: Path | None, channel: str = ""
) -> pd.DataFrame:
    """Check the files of a manifest that was read and copy them, as `ingest_folder` does."""
    entries, problems, unusable = _read_entries(folder, sheet, classes)
    table = pd.DataFrame([asdict(entry) for entry in entries], columns=list(Entry.__dataclass_fields__))
    table = table.astype({"image_id": str, "sample_id": str, "label": str, "pixel_size_nm": float})
    copied = _copy_files(entries, pictures, channel)
    warnings = []
    for entry, one in zip(entries, copied, strict=True):
        warnings += [f"line {entry.line}: {entry.image_id!r}: {warning}" for warning in one.warnings]
        if one.problem is not None:
            kind = "scan" if is_scan(entry.image_id) else "picture"
            problems.append(f"line {entry.line}: {kind} {entry.image_id!r} cannot be used: {one.problem}")
            unusable[entry.path] = one.problem
    problems += _whole_table_problems(table, classes)
    if problems:
        raise FolderError(sheet.source, problems, unusable)
    for warning in warnings:
        say(warning)
    described = table[["image_id", "sample_id", "label"]].assign(
        pixel_size_nm=[one.pixel_size_nm for one in copied],
        source="folder",
        source_sha256=[one.sha256 for one in copied],
        kind=[one.kind for one in copied],
    )
    if any(one.channel for one in copied):
        described["channel"] = [one.channel for one in copied]
    if any(one.kind != "picture" for one in copied):
        described["warnings"] = [joined(one.warnings) for one in copied]
    return pd.concat([described, sheet.table(sheet.further)], axis=1)


def match_class(name: str, classes: Sequence[str], column: str = LABEL) -> str:
    """Find the declared class that a manifest means, see `find_class`; the error names the nearest ones."""
    found = find_class(name, classes)
    if found is None:
        raise UserError(
            f"{column} {name!r} is not declared in data.classes of params.yaml; {nearest(name, classes)}"
        )
    return found


def find_class(name: str, classes: Sequence[str]) -> str | None:
    """Find the class of a name, or the only one that looks alike or is the same TMD (``mos2``, ``MoS₂``)."""
    if name in classes:
        return name
    same = [known for known in classes if _tmd(known) == _tmd(name)]
    return same[0] if len(same) == 1 else None


def _tmd(name: str) -> str:
    """Reduce a class name to what it means: the formula of a TMD, else what a person reads."""
    try:
        return parse_material(name)
    except ValueError:
        return plain_name(name)


def _read_entries(
    folder: Path, sheet: Sheet, classes: Sequence[str]
) -> tuple[list[Entry], list[str], dict[str, str]]:
    """Check row by row; rows with a problem give messages and no entry."""
    entries: list[Entry] = []
    problems: list[str] = []
    unusable: dict[str, str] = {}
    for line, cells in zip(sheet.lines, sheet.rows, strict=True):
        found, image_id, file, label = text_problems(cells, sheet.required), "", folder, ""
        if cells["path"].strip():
            try:
                image_id, file = user_file(folder, cells["path"])
            except UserError as error:
                found.append(str(error))
                unusable[cells["path"]] = str(error)
                if len(unusable) > MAX_TOLD:
                    return entries, [*problems, f"line {line}: {error}; later lines were not read"], unusable
        if cells[sheet.label].strip():
            try:
                label = match_class(cells[sheet.label].strip(), classes, sheet.label)
            except UserError as error:
                found.append(str(error))
        size = cells.get("pixel_size_nm", "").strip()
        try:
            width = float(size or "nan")
        except ValueError:
            width = 0.0
        if size and not (math.isfinite(width) and width > 0):
            found.append(f"pixel_size_nm {size!r} is not a positive number; leave it empty if unknown")
        kind = cells.get("kind", "").strip()
        if kind not in KINDS:
            found.append(f"kind {kind!r} is none of heights, picture; leave it empty: the file says")
        problems += [f"line {line}: {problem}" for problem in found]
        if not found:
            sample, channel = cells["sample_id"], cells.get("channel", "").strip()
            entries.append(Entry(line, cells["path"], file, image_id, sample, label, width, channel, kind))
    return entries, problems, unusable


def _whole_table_problems(table: pd.DataFrame, classes: Sequence[str]) -> list[str]:
    problems = [
        f"path {path!r} occurs on lines {', '.join(map(str, group))}; keep one "
        "(for further images of a file, copy it under further names)"
        for path, group in table.groupby("image_id", sort=False)["line"]
        if len(group) > 1
    ]
    for column, what in (("image_id", "paths"), ("sample_id", "samples")):
        problems += alike_problems(table[column].tolist(), table["line"].tolist(), what)
    problems += [
        f"sample {sample!r} has two classes, {' and '.join(names)}; a sample is of one"
        for sample, names in two_class_samples(table).items()
    ]
    empty = [name for name in classes if name not in set(table["label"])]
    return problems + [
        f"class {name!r} of data.classes has no usable image; add some or remove the class" for name in empty
    ]


def _copy_files(entries: Sequence[Entry], pictures: Path | None, channel: str) -> list[_Copied]:
    """Read each file once: decode to see that it can be used, hash, copy. Threads: PIL frees the GIL."""
    first = {plain_name(entry.image_id): entry for entry in reversed(entries)}  # others look alike

    def copy(entry: Entry) -> _Copied:
        try:
            with room_to_read(entry.file):
                return keep(entry, read_bytes(entry.file, MAX_PICTURE_BYTES))
        except (OSError, UserError, MemoryError) as error:
            return _Copied(problem=str(error) or "it is larger than the memory that is free")

    def keep(entry: Entry, content: bytes) -> _Copied:
        with room_for(content, entry.image_id):
            found = _look_into(content, entry, channel)
        if pictures is not None and entry is first[plain_name(entry.image_id)]:
            try:
                write_new(pictures / entry.image_id, content)
            except OSError as error:
                raise UserError(f"{entry.file} cannot be copied into {pictures}: {error}") from error
        return found._replace(sha256=hashlib.sha256(content).hexdigest())

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(progress(pool.map(copy, entries), len(entries), "check and copy files"))


def _look_into(content: bytes, entry: Entry, channel: str) -> _Copied:
    """Read a file as the manifest says it is; of a scan its own pixels count."""
    heights = entry.kind == "heights" if entry.kind else None
    named = entry.channel or channel or None
    found = read_content(content, entry.image_id, heights, entry.pixel_size_nm, named)
    if found.kind != "scan" and entry.channel:
        raise UserError(
            f"channel is {entry.channel!r} here, but a {found.kind} has none: leave the cell empty"
        )
    if found.kind == "scan" and entry.kind == "picture":
        raise UserError("kind is picture here, but it is an instrument's file: leave the cell empty")
    size = found.pixel_size_nm[0]
    if abs(entry.pixel_size_nm - size) > _SAME_SIZE * size:
        raise UserError(
            f"pixel_size_nm is {entry.pixel_size_nm:g} here, but {size:.6g} in the file: leave the cell empty"
        )
    return _Copied("", size, found.kind, found.channel, found.warnings)
