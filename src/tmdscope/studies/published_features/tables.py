"""The published tables of the TMD-AFM study: the authors' features, embeddings and descriptors.

Moses & Reinhart (doi:10.5281/zenodo.13961220) published pickles of stored features in place of
images. They are taken from a folder that the user names, or from the authors' repository at a pinned
commit, checked by SHA-256 and read without running anything in them.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.columns import sample_numbers
from tmdscope.dataset.label import LABEL, LABELS, take_label
from tmdscope.dataset.safe_pickle import read_pickle
from tmdscope.download import download_published
from tmdscope.errors import UserError
from tmdscope.files import atomic_path, read_bytes, read_table, sha256_array, sha256_file, write_json
from tmdscope.jobs.study import Study
from tmdscope.materials import MATERIALS, nearest
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.task import CLASSES
from tmdscope.studies.published_features.params import FetchParams

FOLDER_VARIABLE = "TMDSCOPE_PUBLISHED_DIR"
"""Environment variable that names a folder with the tables, or with the authors' pickles."""

DESCRIPTORS = "descriptors_published.csv"
"""Table of descriptors. The authors' repository holds none: it can only come from the user's folder."""

NO_DESCRIPTORS = f"not available: the authors' repository holds none and no {DESCRIPTORS} was given"
"""What stands in place of every figure that needs descriptors where there are none."""

_KEYS = ["sample_id", LABEL]


@dataclass(frozen=True)
class Source:
    """One of the authors' pickles, its path in their repository, and the table that is made of it.

    It has `width` value columns, named by the letter `prefix`: ``f000``, ``f001``, ...
    """

    table: str
    prefix: str
    width: int
    path: str
    sha256: str

    @property
    def pickle(self) -> str:
        """File name of the pickle."""
        return Path(self.path).name

    @property
    def columns(self) -> list[str]:
        """Names of the value columns."""
        return [f"{self.prefix}{number:03d}" for number in range(self.width)]


FEATURES = Source(
    "features_resnet18_imagenet.parquet",
    "f",
    512,
    "Data/MOCVD1_Center_5materials_Raw_ImageNet18.pkl",
    "d4443a8d11aac6fcf48bcd81578572f961b2ed4f8f0bbf0fb975750dcf500c1f",
)
"""Average-pool output of ResNet18 with ImageNet weights."""

EMBEDDINGS = Source(
    "embeddings_resnet152_multilabel.parquet",
    "z",
    100,
    "Data/MOCVD1_Center_5materials_multilabel_ImageNet512.pkl",
    "2091e20bf37816bb2d7b679ec4d6c0b00ff82a214c76b002cbe875aec4d26b2d",
)
"""First fully connected layer, before its ReLU, of the authors' fine-tuned multilabel ResNet152."""


@dataclass(frozen=True)
class PublishedTables:
    """The published tables, row by row of the same images; descriptors are None where they are not available.

    Frozen ResNet18 features, float32, shape (images, 512); fine-tuned ResNet152 embeddings, float32, shape
    (images, 100); one column per descriptor, divided by its maximum over the images.
    """

    features: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    descriptors: pd.DataFrame | None
    sample_ids: list[str]
    labels: list[str]

    @cached_property
    def cohort(self) -> Cohort:
        """The features as rows of the study."""
        labels = np.array([MATERIALS.index(name) for name in self.labels], dtype=np.int64)
        return Cohort.of_features(
            CLASSES,
            self.features,
            labels,
            self.sample_ids,
            MATERIALS,
            order=sample_numbers(self.sample_ids)[:, 0],
            statistics=self.descriptors,
            row="image",
        )


def read_cohort(study: Study) -> Cohort:
    """Read the features of a study's tables."""
    return read_tables(study.layout.tables).cohort


def fetch_tables(params: FetchParams, folder: Path | None, cache: Path, target: Path) -> dict[str, Any]:
    """Bring the published tables to `target`, from the user's folder or from the authors' repository.

    `folder` holds the tables or the authors' pickles; None to download the pickles, which stay in `cache`.
    `target`, replaced as a whole, also gets ``source.json``, whose content is returned.
    """
    with atomic_path(target) as workspace:
        workspace.mkdir()
        if folder is None:
            origin = "authors' repository"
            _convert(_download(params, cache), workspace)
        elif all((folder / source.table).is_file() for source in (FEATURES, EMBEDDINGS)):
            origin = "tables in the user's folder"
            for source in (FEATURES, EMBEDDINGS):
                (workspace / source.table).write_bytes(read_bytes(folder / source.table))
        else:
            origin = "authors' pickles in the user's folder"
            _convert(_find(params, folder), workspace)
        if folder is not None and (folder / DESCRIPTORS).is_file():
            (workspace / DESCRIPTORS).write_bytes(read_bytes(folder / DESCRIPTORS))
        source_note = _describe(read_tables(workspace), origin, params.commit, workspace)
        write_json(workspace / "source.json", source_note)
    return source_note


def read_tables(folder: Path) -> PublishedTables:
    """Read both parquet tables and, if there, the CSV of descriptors; rows must be of the same images."""
    features, embeddings = (_read_values(folder / source.table, source) for source in (FEATURES, EMBEDDINGS))
    _check_rows(features, embeddings, folder / EMBEDDINGS.table)
    descriptors = None
    if (folder / DESCRIPTORS).is_file():
        table = read_table(folder / DESCRIPTORS, types=dict.fromkeys(("sample_id", *LABELS), str))
        table = take_label(folder / DESCRIPTORS, table)
        _check_rows(features, table, folder / DESCRIPTORS)
        descriptors = _read_descriptors(table, folder / DESCRIPTORS)
    return PublishedTables(
        features=features[FEATURES.columns].to_numpy(np.float32),
        embeddings=embeddings[EMBEDDINGS.columns].to_numpy(np.float32),
        descriptors=descriptors,
        sample_ids=features["sample_id"].tolist(),
        labels=features["label"].tolist(),
    )


def convert_pickle(path: Path, source: Source) -> pd.DataFrame:
    """Turn a pickle into its table: ``sample_id``, ``label`` (text), values (float32), a row per image."""
    found = hashlib.sha256(read_bytes(path)).hexdigest()
    if found != source.sha256:
        raise UserError(
            f"{path} has SHA-256 {found}, the published file has {source.sha256}; "
            "delete it and fetch it again"
        )
    table = read_pickle(path)
    if not isinstance(table, pd.DataFrame) or list(table.columns) != ["sampleId", "targets", "ImageNet"]:
        raise UserError(f"{path} holds no table with the columns sampleId, targets, ImageNet")
    cells = table["ImageNet"].tolist()
    if any(not isinstance(cell, np.ndarray) or cell.shape != (source.width,) for cell in cells):
        raise UserError(f"{path} holds rows that are not {source.width} values wide")
    values = np.stack(cells)
    if values.shape != (len(table), source.width) or values.dtype != np.float32:
        raise UserError(f"{path} holds {values.dtype} {values.shape}, expected float32, {source.width} wide")
    keys = pd.DataFrame({"sample_id": table["sampleId"], "label": table["targets"]}, dtype="str")
    return pd.concat([keys, pd.DataFrame(values, columns=source.columns)], axis=1)


def _convert(pickles: Mapping[Source, Path], target: Path) -> None:
    for source, path in pickles.items():
        convert_pickle(path, source).to_parquet(target / source.table, index=False)


def _download(params: FetchParams, cache: Path) -> dict[Source, Path]:
    paths = {}
    for source in (FEATURES, EMBEDDINGS):
        paths[source] = cache / source.pickle
        try:
            download_published(_url(params, source), paths[source], source.sha256)
        except OSError as error:
            raise UserError(f"cannot download {source.pickle}: {error}\n{_by_hand(params)}") from error
    return paths


def _find(params: FetchParams, folder: Path) -> dict[Source, Path]:
    paths = {source: folder / source.pickle for source in (FEATURES, EMBEDDINGS)}
    missing = [path.name for path in paths.values() if not path.is_file()]
    if missing:
        raise UserError(
            f"{FOLDER_VARIABLE} names {folder}, which holds neither the tables ({FEATURES.table}, "
            f"{EMBEDDINGS.table}) nor the authors' {' and '.join(missing)}.\n{_by_hand(params)}"
        )
    return paths


def _url(params: FetchParams, source: Source) -> str:
    return f"{params.base_url.rstrip('/')}/{params.commit}/{source.path}"


def _by_hand(params: FetchParams) -> str:
    urls = "\n".join(f"  {_url(params, source)}" for source in (FEATURES, EMBEDDINGS))
    return (
        f"Without a network: download these files by hand into one folder\n{urls}\n"
        f"and set the environment variable {FOLDER_VARIABLE} to that folder."
    )


def _describe(tables: PublishedTables, origin: str, commit: str, folder: Path) -> dict[str, Any]:
    return {
        "origin": origin,
        "commit": commit,
        "pickles": {source.path: source.sha256 for source in (FEATURES, EMBEDDINGS)},
        "files": {path.name: sha256_file(path) for path in sorted(folder.iterdir())},
        "content": {
            "features": sha256_array(tables.features),
            "embeddings": sha256_array(tables.embeddings),
        },
        "images": Counter(tables.labels),
        "descriptors": NO_DESCRIPTORS if tables.descriptors is None else list(tables.descriptors.columns),
    }


def _read_values(path: Path, source: Source) -> pd.DataFrame:
    if not path.is_file():
        raise UserError(f"{path} does not exist; run the fetch stage of the published study")
    table = take_label(path, read_table(path))
    if list(table.columns) != _KEYS + source.columns:
        raise UserError(
            f"{path} must hold the columns sample_id, label, "
            f"{source.columns[0]}..{source.columns[-1]}; it holds {len(table.columns)} others"
        )
    if not (table.dtypes[source.columns] == np.float32).all():
        raise UserError(f"{path} must hold float32 values, it holds {set(map(str, table.dtypes))}")
    if not np.isfinite(table[source.columns].to_numpy()).all():
        raise UserError(f"{path} holds values that are not finite")
    unknown = sorted(set(table["label"]) - set(MATERIALS))
    if unknown:
        raise UserError(f"{path} names an unknown material {unknown[0]!r}; {nearest(unknown[0], MATERIALS)}")
    return table


def _read_descriptors(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    descriptors = table.drop(columns=[*_KEYS, "row"], errors="ignore")
    wrong = [
        name
        for name, column in descriptors.items()
        if not (
            pd.api.types.is_numeric_dtype(column)
            and np.isclose(column.max(), 1)
            and np.isfinite(column).all()
        )
    ]
    if wrong or descriptors.columns.empty:
        raise UserError(
            f"{path} must hold descriptors, finite and each divided by its maximum; "
            + (f"{wrong[0]!r} is not" if wrong else "it has none")
        )
    return descriptors.astype(np.float64)


def _check_rows(features: pd.DataFrame, other: pd.DataFrame, path: Path) -> None:
    if not set(_KEYS) <= set(other.columns) or not features[_KEYS].equals(other[_KEYS].astype("str")):
        raise UserError(
            f"{path} must name the same sample_id and label in the same order as {FEATURES.table}; "
            "take all tables from one source"
        )
