"""Published features of MoS2 with their growth temperatures, which only the user can bring."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tmdscope.dataset.columns import sample_numbers
from tmdscope.errors import UserError
from tmdscope.files import read_table
from tmdscope.jobs.study import Study
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.levels import name_level
from tmdscope.scores.task import ORDERED_CLASSES
from tmdscope.studies.growth_temperature.params import FramingParams
from tmdscope.studies.growth_temperature.record import IN_TEST
from tmdscope.studies.published_features.tables import FOLDER_VARIABLE, PublishedTables, read_tables

TEMPERATURES = "mos2_growth_temperature.csv"
"""Table with a row for each image whose temperature is known."""

FILE_VARIABLE = "TMDSCOPE_GROWTH_TEMPERATURES"
"""Environment variable that names that table, wherever it lies."""

BESIDE = "growth_temperature"
"""Folder beside that of the published tables, where the table is looked for too."""

MATERIAL = "MoS2"
"""What was grown."""

_COLUMN = "growth_temperature_"


@dataclass(frozen=True)
class Temperatures:
    """Rows of the published tables, the temperature each was grown at, in `unit`, and the paper's test.

    Arrays of shape (N,).
    """

    rows: np.ndarray
    values: np.ndarray
    in_test: np.ndarray
    unit: str


def find_temperatures(folder: Path | None) -> Path | None:
    """Find the table of temperatures: where a variable says, in the folder of tables, or beside it."""
    if named := os.environ.get(FILE_VARIABLE):
        if not Path(named).is_file():
            raise UserError(f"{FILE_VARIABLE} names {named}, which does not exist")
        return Path(named)
    places = [] if folder is None else [folder / TEMPERATURES, folder.parent / BESIDE / TEMPERATURES]
    return next((path for path in places if path.is_file()), None)


def how_to_bring() -> str:
    """Say where the table is looked for."""
    return (
        "no table of growth temperatures: the authors' tables hold none. Name a CSV with columns row (of the "
        f"published tables, from 0), sample_id, {_COLUMN}C and in_paper_test_set in {FILE_VARIABLE}, or put "
        f"it as {TEMPERATURES} into the folder that {FOLDER_VARIABLE} names"
    )


def read_temperatures(path: Path, tables: PublishedTables) -> Temperatures:
    """Read a table of temperatures of some rows; `UserError` where it does not fit the published tables."""
    table = read_table(path, types={"sample_id": str})
    named = [name for name in table if str(name).startswith(_COLUMN)]
    if len(named) != 1 or not {"row", "sample_id"} <= set(table):
        raise UserError(
            f"{path} must hold row, sample_id and one column {_COLUMN}UNIT; it holds {list(table)}"
        )
    rows = table["row"].to_numpy()
    values = pd.to_numeric(table[named[0]], errors="coerce").to_numpy(float)
    if not np.issubdtype(rows.dtype, np.integer) or not len(rows):
        raise UserError(f"{path}: column row must hold whole numbers, at least one")
    if rows.min() < 0 or rows.max() >= len(tables.sample_ids) or len(set(rows)) < len(rows):
        raise UserError(f"{path}: column row must hold different numbers in 0..{len(tables.sample_ids) - 1}")
    if not np.isfinite(values).all():
        first = int(np.flatnonzero(~np.isfinite(values))[0])
        raise UserError(f"{path}: row {rows[first]} has no number as {named[0]}; leave it out")
    for row, sample in zip(rows, table["sample_id"], strict=True):
        if tables.sample_ids[row] != sample:
            raise UserError(
                f"{path}: row {row} is of sample {tables.sample_ids[row]}, the table says {sample}"
            )
    other = next((int(row) for row in rows if tables.labels[row] != MATERIAL), None)
    if other is not None:
        raise UserError(
            f"{path}: row {other} is of {tables.labels[other]}, only those of {MATERIAL} count; leave it out"
        )
    test = table.get("in_paper_test_set", pd.Series(np.zeros(len(table))))
    return Temperatures(rows, values, test.to_numpy() == 1, str(named[0]).removeprefix(_COLUMN))


def read_cohort(study: Study) -> Cohort:
    """Read features and temperatures of a study's tables; classes are the temperatures that occur, rising."""
    folder, asked = study.layout.tables, study.section("framing", FramingParams)
    tables = read_tables(folder)
    known = read_temperatures(folder / TEMPERATURES, tables)
    if known.unit != asked.unit:
        raise UserError(
            f"{folder / TEMPERATURES} has temperatures in {known.unit}, framing.unit is {asked.unit}: "
            "write both in one unit"
        )
    levels, labels = np.unique(known.values, return_inverse=True)
    described = tables.descriptors
    samples = [tables.sample_ids[row] for row in known.rows]
    return Cohort.of_features(
        ORDERED_CLASSES,
        tables.features[known.rows],
        labels.astype(np.int64),
        samples,
        [name_level(level, asked.unit) for level in levels],
        order=sample_numbers(samples)[:, 0],
        statistics=None if described is None else described.iloc[known.rows].reset_index(drop=True),
        nuisance=pd.DataFrame({IN_TEST: known.in_test}),
        row="image",
    )
