"""One set of rules for every manifest that a person writes."""

from pathlib import Path

import pandas as pd
import pytest

from tmdscope.dataset.manifest_csv import alike_problems, read_sheet
from tmdscope.errors import UserError

HEAD = "path,sample_id,material"


def write(folder: Path, text: str) -> Path:
    path = folder / "manifest.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_further_columns_are_numbers_or_text_as_written(tmp_path: Path) -> None:
    columns = ["operator", "date", "scan_size_nm", "batch", "serial", "note"]
    path = write(
        tmp_path,
        f"{HEAD},{','.join(columns)}\n"
        "a.png,1,MoS2,Ann,2024-05-31,1000,007,12345678901234567890,\n"
        "b.png,2,WS2,,2024-06-01,,008,12345678901234567891,\n",
    )
    sheet = read_sheet(path)
    assert sheet.further == tuple(columns)
    table = sheet.table(sheet.further)
    assert table["operator"].tolist() == ["Ann", None]
    assert table["date"].tolist() == ["2024-05-31", "2024-06-01"]
    assert table["scan_size_nm"].tolist()[0] == 1000.0
    assert table["scan_size_nm"].isna().tolist() == [False, True]
    assert table["batch"].tolist() == ["007", "008"]
    assert table["serial"].tolist() == ["12345678901234567890", "12345678901234567891"]
    assert table["note"].tolist() == [None, None]
    table.to_parquet(tmp_path / "kept.parquet", index=False)
    assert pd.read_parquet(tmp_path / "kept.parquet")["batch"].tolist() == ["007", "008"]


@pytest.mark.parametrize(
    "name",
    [
        "image_id",
        "image_sha256",
        "duplicate_of",
        "source",
        "source_sha256",
        "true_height",
        "paper_test",
        "none",
    ],
)
def test_a_column_of_our_own_is_refused_with_another_name(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, f"{HEAD},{name}\na.png,1,MoS2,x\n")
    with pytest.raises(UserError, match=rf"column '{name}' has the name of .*own; call it .* 'my_{name}'"):
        read_sheet(path)
    assert read_sheet(path, stored=False).further == (name,)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (f"{HEAD},pixel_size", "'pixel_size' is not known; did you mean 'pixel_size_nm'"),
        (f"{HEAD},pixel_size_um", "did you mean 'pixel_size_nm'"),
        (f"{HEAD},Channel", "did you mean 'channel'"),
        ("path, sample_id,material", "column 'sample_id' is missing.*did you mean 'sample_id'"),
        (f"{HEAD},operator,Operator", "columns 'operator' and 'Operator' look alike"),
        (f"{HEAD},,operator", "a column is called ''"),
    ],
)
def test_a_column_that_is_misspelt_is_refused(tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_sheet(write(tmp_path, header + "\n"))


def test_what_a_spreadsheet_leaves_behind_is_no_fault(tmp_path: Path) -> None:
    sheet = read_sheet(write(tmp_path, f"{HEAD},scan_size_nm,,\na.png,1,MoS2,5,,\n,,,,,\n"))
    assert sheet.columns == (*HEAD.split(","), "scan_size_nm")
    assert sheet.lines == [2]


def test_names_that_look_alike_are_told_with_their_lines() -> None:
    (problem,) = alike_problems(["S 1", "b", "s 1"], [2, 3, 4], "samples")
    assert "'S 1' and 's 1' look alike" in problem
    assert "(lines 2, 4)" in problem
