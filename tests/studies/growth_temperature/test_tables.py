"""Temperatures of published rows: where they are looked for, and what is wrong with them is said."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tmdscope.errors import UserError
from tmdscope.studies.growth_temperature.tables import (
    BESIDE,
    FILE_VARIABLE,
    TEMPERATURES,
    find_temperatures,
    read_temperatures,
)
from tmdscope.studies.published_features.tables import PublishedTables

TABLES = PublishedTables(
    np.zeros((4, 2), np.float32),
    np.zeros((4, 1), np.float32),
    None,
    ["13164", "7408", "7408", "0171"],
    ["MoS2", "MoS2", "WS2", "MoS2"],
)


def written(folder: Path, **changes) -> Path:
    columns = {
        "row": [3, 0, 1],
        "sample_id": ["0171", "13164", "7408"],
        "growth_temperature_C": [900, 950, 1000],
        "in_paper_test_set": [0, 1, 0],
    }
    table = pd.DataFrame({key: value for key, value in {**columns, **changes}.items() if value is not None})
    table.to_csv(folder / TEMPERATURES, index=False)
    return folder / TEMPERATURES


def test_rows_and_their_temperatures_are_read(tmp_path: Path) -> None:
    found = read_temperatures(written(tmp_path), TABLES)
    assert found.rows.tolist() == [3, 0, 1]
    assert found.values.tolist() == [900, 950, 1000]
    assert found.in_test.tolist() == [False, True, False]
    assert found.unit == "C"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"growth_temperature_C": None}, "one column growth_temperature_UNIT"),
        ({"growth_temperature_C": [900, "hot", 950]}, "row 0 has no number as growth_temperature_C"),
        ({"row": [3, 0, 9]}, r"different numbers in 0\.\.3"),
        ({"row": [3, 3, 1]}, r"different numbers in 0\.\.3"),
        ({"sample_id": ["0171", "13164", "999"]}, "row 1 is of sample 7408, the table says 999"),
        ({"row": [3, 0, 2]}, "row 2 is of WS2, only those of MoS2 count"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path: Path, changes, message) -> None:
    with pytest.raises(UserError, match=message):
        read_temperatures(written(tmp_path, **changes), TABLES)


def test_the_table_is_looked_for_in_named_places(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv(FILE_VARIABLE, raising=False)
    tables, beside = tmp_path / "tables", tmp_path / BESIDE
    for folder in (tables, beside):
        folder.mkdir()
    assert find_temperatures(None) is None
    assert find_temperatures(tables) is None
    assert find_temperatures(tables) is None
    there = written(beside)
    assert find_temperatures(tables) == there
    near = written(tables)
    assert find_temperatures(tables) == near
    monkeypatch.setenv(FILE_VARIABLE, str(there))
    assert find_temperatures(tables) == there
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "none.csv"))
    with pytest.raises(UserError, match=r"none\.csv, which does not exist"):
        find_temperatures(tables)
