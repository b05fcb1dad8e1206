"""Images from the published archives: fetched by DOI, read as their names say, turned to grey pictures."""

import csv
import hashlib
import io
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray
from PIL import Image

from tmdscope.dataset.folder import find_class
from tmdscope.dataset.pictures import PictureError
from tmdscope.dataset.records import RECORDS, LeftOut, Shown
from tmdscope.dataset.store import two_class_samples
from tmdscope.dataset.unpack import SUFFIXES, list_members, read_members
from tmdscope.dataset.zenodo import fetch_files, record_folder
from tmdscope.errors import UserError
from tmdscope.files import read_bytes, sha256_file, write_json
from tmdscope.limits import MAX_PICTURE_BYTES, MAX_TEXT_BYTES
from tmdscope.params.images import ArchiveParams
from tmdscope.stage import say

PICTURE_SUFFIXES = (".tif", ".tiff")
TABLES = (".csv",)
_USED = (*SUFFIXES, *PICTURE_SUFFIXES, *TABLES)
_DEFLATE = (8, 32946)
_COMPRESSIONS = (1, 5, 32773, *_DEFLATE)


@dataclass
class _Intake:
    """What an archive turns out to hold, picture by picture."""

    parse: Callable[[str, Mapping[str, float]], Shown]
    temperatures: Mapping[str, float]
    classes: Sequence[str]
    pictures: Path
    rows: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, content: bytes) -> None:
        """Write one picture and its row, or note why not."""
        try:
            shown = self.parse(name, self.temperatures)
            if (label := find_class(shown.label, self.classes)) is None:
                raise LeftOut(f"of {shown.label}, which data.classes does not name")
            if (self.pictures / name).exists():
                raise ValueError("the archive holds this name twice")
            Image.fromarray(grey_tiff(content)).save(self.pictures / name, format="TIFF")
        except LeftOut as reason:
            self.left_out[str(reason)] += 1
        except ValueError as error:
            self.problems.append(f"{name!r}: {error}")
        else:
            known = {
                "image_id": name,
                "sample_id": shown.sample_id,
                "label": label,
                "pixel_size_nm": math.nan,
                "source": "archive",
                "source_sha256": hashlib.sha256(content).hexdigest(),
            }
            self.rows.append({**known, **shown.columns})


def ingest_archive(
    archive: ArchiveParams, classes: Sequence[str], pictures: Path, note: Path
) -> pd.DataFrame:
    """Fetch a published archive and turn its TIFFs to grey pictures; files put there by hand are used.

    Pictures of other classes than `classes` are left out and counted. `pictures` gets 8-bit TIFFs under the
    names that they have in the archive; `note` gets, as JSON, the files with their checksums and why how many
    pictures were left out. The table has one row per picture, by name, with the record's own columns last;
    pixel sizes are not published.
    """
    record = RECORDS[archive.record]
    files = fetch_files(record.doi, record_folder(archive.record), _USED, archive.files)
    paths = [path for _, path in files]
    temperatures = _read_temperatures(paths, record.doi) if record.has_table else {}
    intake = _Intake(record.parse, temperatures, classes, pictures)
    pictures.mkdir(parents=True)
    for name, content in _contents(paths, PICTURE_SUFFIXES, MAX_PICTURE_BYTES):
        intake.add(name, content)
    _check(intake, record.doi, paths)
    about = {
        "record": archive.record,
        "doi": record.doi,
        "publication": record.publication,
        "files": {
            file.name: {"bytes": file.size, "md5": file.md5, "sha256": sha256_file(path)}
            for file, path in files
        },
        "pictures": len(intake.rows),
        "left_out": dict(sorted(intake.left_out.items())),
    }
    write_json(note, about)
    for why, count in sorted(intake.left_out.items()):
        say(f"left out: {count} pictures {why}")
    return pd.DataFrame(sorted(intake.rows, key=lambda row: str(row["image_id"])))


def grey_tiff(content: bytes) -> NDArray[np.uint8]:
    """Decode a published TIFF to grey values, uint8, shape (rows, columns); anything else is a PictureError.

    One picture, or three equal channels before or after; 8 bits, or floating point within [0, 1].
    """
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as tiff:
            if len(tiff.series) != 1:
                raise PictureError(f"it holds {len(tiff.series)} pictures, expected one")
            if math.prod(tiff.series[0].shape) * tiff.series[0].dtype.itemsize > MAX_PICTURE_BYTES:
                raise PictureError(
                    f"it is too large: {tiff.series[0].shape}, {MAX_PICTURE_BYTES} bytes at most are decoded"
                )
            for page in tiff.series[0].pages:
                _check_strips(page, content)
            values: NDArray[Any] = np.asarray(tiff.series[0].asarray())
    except PictureError:
        raise
    except Exception as error:  # damaged pictures make decoders raise nearly anything
        raise PictureError(f"it does not decode: {error}") from error
    if values.ndim == 3:
        channels = values if len(values) == 3 else np.moveaxis(values, -1, 0)
        if len(channels) != 3 or any((channel != channels[0]).any() for channel in channels[1:]):
            raise PictureError(f"it has shape {values.shape}; expected one channel, or three that are equal")
        values = channels[0]
    if values.ndim != 2:
        raise PictureError(f"it has shape {values.shape}; expected rows and columns")
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind != "f" or not ((values >= 0) & (values <= 1)).all():  # NaN is neither
        raise PictureError(f"its {values.dtype} values are not 8 bits or fractions within [0, 1]")
    return np.asarray(np.rint(values * 255).astype(np.uint8))


def _check_strips(page: Any, content: bytes) -> None:
    """Unpack each deflated strip no further than it may go: tifffile would unpack a bomb whole."""
    if page is None or page.compression not in _COMPRESSIONS:
        raise PictureError("its compression is not read; use LZW, deflate or none")
    most = math.prod(page.chunks) * page.dtype.itemsize
    for place, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if page.compression in _DEFLATE and count:
            strip = zlib.decompressobj().decompress(content[place : place + count], most + 1)
            if len(strip) > most:
                raise PictureError(f"a strip of {count} bytes unpacks to more than its {most} (a bomb?)")


def _is_packed(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES)


def _contents(paths: Sequence[Path], wanted: tuple[str, ...], most: int) -> Iterator[tuple[str, bytes]]:
    """Go through files and archives alike; names are without folders, as the authors read them."""
    for path in paths:
        if _is_packed(path):
            for name, content in read_members(path, wanted, most):
                yield PurePosixPath(name).name, content
        elif path.name.lower().endswith(wanted):
            yield path.name, read_bytes(path, most)


def _check(intake: _Intake, doi: str, paths: Sequence[Path]) -> None:
    table = pd.DataFrame(intake.rows, columns=["image_id", "sample_id", "label"])
    problems = intake.problems + [
        f"sample {sample!r} has two classes, {' and '.join(names)}"
        for sample, names in two_class_samples(table).items()
    ]
    empty = [name for name in intake.classes if name not in set(table["label"])]
    problems += [f"class {name!r} of data.classes has no picture" for name in empty]
    if problems:
        left_out = "".join(f"\n  ({count} left out: {why})" for why, count in intake.left_out.items())
        raise UserError(
            f"doi:{doi} ({', '.join(path.name for path in paths)}): {len(problems)} problem(s); choose among "
            "its files with data.archive.files and among its classes with data.classes, or sort the pictures "
            "by hand and use data.source: folder"
            + "".join(f"\n  {problem}" for problem in problems)
            + left_out
            + _other_kinds(paths, table)
        )


def _other_kinds(paths: Sequence[Path], table: pd.DataFrame) -> str:
    """Say what an archive without a usable picture holds, for no list of its files was known here."""
    if len(table):
        return ""
    names = [name for path in paths for name in (list_members(path) if _is_packed(path) else [path.name])]
    kinds = Counter(PurePosixPath(name).suffix.lower() for name in names)
    listed = ", ".join(f"{count} {kind or 'without an ending'}" for kind, count in sorted(kinds.items()))
    wanted = " or ".join(PICTURE_SUFFIXES)
    return f"\n  (it holds {listed}; pictures must be {wanted}, instrument files are not read)"


def _read_temperatures(paths: Sequence[Path], doi: str) -> dict[str, float]:
    """Find the one table with the columns `sampleId` and `T`, and read each sample's temperature."""
    tables = []
    for name, content in _contents(paths, TABLES, MAX_TEXT_BYTES):
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig", errors="replace")))
        with _naming(name):
            if {"sampleId", "T"} <= set(rows.fieldnames or ()):
                tables.append((name, rows))
    if len(tables) != 1:
        names = ", ".join(name for name, _ in tables) or "none"
        raise UserError(
            f"doi:{doi} must hold one CSV with the columns sampleId and T; found: {names}. "
            "Choose its files with data.archive.files in params.yaml"
        )
    name, rows = tables[0]
    temperatures: dict[str, float] = {}
    with _naming(name):
        for row in rows:
            if row["sampleId"] is None or row["T"] is None:
                raise ValueError(f"line {rows.line_num} ends before the columns sampleId and T")
            _note(temperatures, row["sampleId"].strip().removesuffix(".0"), row["T"].strip())
    return temperatures


@contextmanager
def _naming(name: str) -> Iterator[None]:
    try:
        yield
    except (csv.Error, ValueError) as error:
        raise UserError(f"{name}: {error}; fetch it again, or mend it and use data.source: folder") from error


def _note(temperatures: dict[str, float], sample: str, text: str) -> None:
    """Add a sample's temperature, NaN where its line has none."""
    try:
        value = float(text) if text else math.nan
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise ValueError(f"sample {sample} has T {text[:80]!r}, expected a temperature")
    known = temperatures.setdefault(sample, value)
    if math.isnan(known):
        temperatures[sample] = value
    elif not math.isnan(value) and value != known:
        raise ValueError(f"sample {sample} has two temperatures, {known:g} and {value:g}")
