"""The prepared data set on disk: one memory-mapped array of images and one table about them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray

from tmdscope.errors import UserError
from tmdscope.files import (
    atomic_path,
    broken,
    forget_pages,
    open_array,
    read_table,
    sha256_array,
    sha256_csv,
    sha256_rows,
    write_array,
    write_table,
)
from tmdscope.materials import MATERIALS, nearest
from tmdscope.memory import give_back_freed_memory

IMAGES = "images.npy"
HEIGHTS = "heights.npy"
PICTURES = "images"
MANIFEST = "manifest.parquet"

_CHECKED_PIXELS = 1 << 28  # hashed in a quarter of a second
_ROWS = 4096  # of a table or an array, at a time
_TEXT = pa.Check.str_length(min_value=1)
_SHA256 = pa.Check.str_matches(r"^[0-9a-f]{64}$")
_SOURCE_COLUMNS = {
    "image_id": pa.Column(str, _TEXT, unique=True, description="name of the image, never used twice"),
    "sample_id": pa.Column(str, _TEXT, description="the grown piece it was taken from; a name, not a number"),
    "label": pa.Column(str, _TEXT, description="class, one of `data.classes`"),
    "pixel_size_nm": pa.Column(
        float,
        pa.Check.in_range(0, np.inf, False, False),
        nullable=True,
        description="width of a pixel in nm; empty: not known",
    ),
    "source": pa.Column(str, _TEXT, description="`simulated`, `folder`, or an archive's record"),
    "source_sha256": pa.Column(str, _SHA256, description="SHA-256 of what the source gave for this image"),
}
_ONE_CLASS = pa.Check(lambda table: len(two_class_samples(table)) == 0, name="a sample has one label")
RAW_SCHEMA = pa.DataFrameSchema(_SOURCE_COLUMNS, checks=_ONE_CLASS)
"""What a source knows of its images; further columns (``true_*``, a user's own) are the source's."""

SCHEMA = pa.DataFrameSchema(
    {
        **_SOURCE_COLUMNS,
        "image_sha256": pa.Column(str, _SHA256, description="SHA-256 of the prepared pixels"),
        "duplicate_of": pa.Column(
            str, nullable=True, description="`image_id` of the first image with the same pixels; empty: none"
        ),
    },
    checks=[
        _ONE_CLASS,
        pa.Check(lambda table: table.duplicate_of.dropna().isin(table.image_id).all(), name="duplicate_of"),
    ],
)
"""What is known of prepared images: `RAW_SCHEMA`, the image's hash, and the first identical image."""


@dataclass(frozen=True)
class Dataset:
    """Prepared images, uint8, shape (N, S, S), and N rows that satisfy `SCHEMA`.

    Loaded images are read-only and memory-mapped. ``pixel_size_nm`` is the width in nm of a pixel of
    `images`.
    """

    images: NDArray[np.uint8]
    manifest: pd.DataFrame

    def __post_init__(self) -> None:
        """Refuse images and rows that do not belong together, with a ValueError."""
        rows, shape = len(self.manifest), self.images.shape
        if self.images.dtype != np.uint8 or len(shape) != 3 or shape[1] != shape[2] or shape[0] != rows:
            raise ValueError(
                f"expected uint8 images of shape ({rows}, S, S), got {self.images.dtype} of shape {shape}"
            )

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes that occur, see `classes_of`."""
        return classes_of(self.manifest["label"])

    @property
    def image_ids(self) -> list[str]:
        """Name of each image."""
        return list(self.manifest["image_id"])

    @cached_property
    def digest(self) -> str:
        """SHA-256 over every row's image id, image hash, sample and label, in order."""
        return digest_of(self.manifest)

    def labels(self, classes: Sequence[str]) -> NDArray[np.int64]:
        """Give each image the number of its label in `classes`: int64, shape (N,)."""
        unknown = [name for name in self.classes if name not in classes]
        if unknown:
            raise UserError(
                f"the data set holds {unknown[0]!r}, which data.classes in params.yaml does not declare; "
                f"{nearest(unknown[0], classes)}"
            )
        numbers: NDArray[np.int64] = pd.Index(classes).get_indexer(self.manifest["label"]).astype(np.int64)
        return numbers

    def rows(self, image_ids: Sequence[str]) -> NDArray[np.int64]:
        """Find the rows of some images in `images` and `manifest`: int64, shape (len(image_ids),)."""
        return rows_of(pd.Index(self.manifest["image_id"]), image_ids)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open a prepared data set, whose images are read from disk when they are used.

        Images are compared with the hashes of their rows: all where they are few, else evenly spread ones.
        """
        manifest = read_manifest(folder / MANIFEST, SCHEMA)
        images = open_array(folder / IMAGES)
        try:
            dataset = cls(images, manifest)
        except ValueError as error:
            raise broken(folder / IMAGES, f"is not of {MANIFEST} beside it: {error}") from error
        dataset._check_pixels(folder / IMAGES)
        give_back_freed_memory()
        return dataset

    def _check_pixels(self, path: Path) -> None:
        count, pixels = len(self.images), max(1, self.images[:1].size)
        checked = min(count, max(1, _CHECKED_PIXELS // pixels))
        rows = np.unique(np.linspace(0, count - 1, checked, dtype=np.int64))
        recorded = self.manifest["image_sha256"].to_numpy()
        for number, row in enumerate(rows):
            if number % _ROWS == 0:
                forget_pages(self.images)
            if sha256_array(self.images[row]) != recorded[row]:
                image_id = self.manifest["image_id"].iloc[row]
                raise broken(path, f"is not of {MANIFEST} beside it: row {row} is not image {image_id!r}")
        forget_pages(self.images)

    def write(self, folder: Path) -> None:
        """Write ``images.npy`` and ``manifest.parquet``, replacing what the folder held."""
        with atomic_path(folder) as temporary:
            temporary.mkdir()
            write_array(temporary / IMAGES, self.images, self.images.shape, np.uint8)
            write_manifest(temporary / MANIFEST, self.manifest, SCHEMA)


def rows_of(held: pd.Index, image_ids: Sequence[str]) -> NDArray[np.int64]:
    """Find the rows of some images among those that a data set holds: int64, shape (len(image_ids),)."""
    found: NDArray[np.int64] = held.get_indexer(np.array(image_ids, dtype=object)).astype(np.int64)
    if (found < 0).any():
        missing = image_ids[int(np.argmin(found))]
        raise UserError(f"the data set holds no image {missing!r}; run the split stage again")
    return found


def digest_of(manifest: pd.DataFrame) -> str:
    """SHA-256 over ``image_id, image_sha256, sample_id, label``, row by row in order, 64 hex digits."""
    named = manifest[["image_id", "image_sha256", "sample_id", "label"]]
    starts = range(0, len(named), _ROWS)
    return sha256_rows(named.iloc[start : start + _ROWS].to_numpy().tolist() for start in starts)


def classes_of(labels: Iterable[str]) -> tuple[str, ...]:
    """List classes that occur: the five of the paper in its order, then others by alphabet."""
    present = set(labels)
    return (*[name for name in MATERIALS if name in present], *sorted(present - set(MATERIALS)))


def two_class_samples(table: pd.DataFrame) -> dict[str, list[str]]:
    """Find samples whose images have different labels: sample id to these."""
    pairs = table[["sample_id", "label"]].drop_duplicates()
    repeated = pairs[pairs["sample_id"].duplicated(keep=False)]
    return {str(sample): sorted(group) for sample, group in repeated.groupby("sample_id")["label"]}


def write_manifest(path: Path, table: pd.DataFrame, schema: pa.DataFrameSchema) -> None:
    """Check a manifest, by `RAW_SCHEMA` or `SCHEMA`, and write it as Parquet; every failure is listed."""
    _validate(path, table, schema)
    sealed = table.copy()
    sealed.attrs = {"sha256": sha256_csv(table)}
    write_table(path, sealed)


def read_manifest(path: Path, schema: pa.DataFrameSchema) -> pd.DataFrame:
    """Read a manifest, and check it by `RAW_SCHEMA` or `SCHEMA` and by the hash that it holds."""
    table = read_table(path, [str(name) for name in schema.columns])
    _validate(path, table, schema)
    if table.attrs.get("sha256") != sha256_csv(table):
        raise broken(path, "was changed since it was written: its SHA-256 is not the one that it holds")
    table.attrs = {}
    return table


def write_descriptors(path: Path, table: pd.DataFrame, manifest: pd.DataFrame) -> None:
    """Write what was measured, a row per image of the manifest (NaN: not measured), and of which data."""
    measured = table.copy()
    measured.insert(0, "image_id", manifest["image_id"].to_numpy())
    measured.attrs = {"data": digest_of(manifest)}
    write_table(path, measured)


def read_descriptors(path: Path, manifest: pd.DataFrame) -> pd.DataFrame:
    """Read what was measured, a row per image named by it, and the simulator's truth where there is one."""
    measured = read_table(path, ["image_id"])
    if measured.attrs.get("data") != digest_of(manifest):
        raise broken(path, "is of other data than the prepared images")
    measured.attrs = {}
    ids = measured.pop("image_id")
    if ids.tolist() != manifest["image_id"].tolist():
        raise broken(path, "does not hold every image once, in the order of the prepared images")
    for name, values in measured.items():
        if not pd.api.types.is_numeric_dtype(values) or np.isinf(values).any():
            raise broken(path, f"holds values of {name!r} that are no finite numbers")
    return measured.set_index(pd.Index(ids)).join(manifest.set_index("image_id").filter(regex="^true_"))


def _validate(path: Path, table: pd.DataFrame, schema: pa.DataFrameSchema) -> None:
    try:
        schema.validate(table, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases
        listed = [f"{case.column}: {case.check} (got {case.failure_case!r})" for case in cases.itertuples()]
        raise UserError(f"{path} breaks the manifest's rules: " + "; ".join(listed)) from error
