"""The column of the class has one name inside, and in a person's own file either of two, never both."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tmdscope.dataset.folder import FolderError, ingest_folder
from tmdscope.dataset.label import find_label, take_label
from tmdscope.dataset.manifest_csv import read_sheet
from tmdscope.errors import UserError


@pytest.fixture
def user(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in "ab":
        Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(folder / f"{name}.png")
    return folder


def write(folder: Path, head: str, last: str = "b.png,2,WS2") -> Path:
    path = folder / "manifest.csv"
    path.write_text(f"path,sample_id,{head}\na.png,1,MoS2\n{last}\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["label", "material"])
def test_either_name_is_the_class(user: Path, name: str) -> None:
    sheet = read_sheet(write(user, name))
    assert (sheet.label, sheet.further) == (name, ())
    table = ingest_folder(user, "manifest.csv", ["MoS2", "WS2"], None)
    assert table["label"].tolist() == ["MoS2", "WS2"]
    assert "material" not in table


@pytest.mark.parametrize("name", ["label", "material"])
def test_problems_name_the_column_as_the_file_does(user: Path, name: str) -> None:
    write(user, name, "b.png,2,\nb.png,3,WS3")
    with pytest.raises(FolderError, match=f"line 3: {name} is empty\n.*line 4: {name} 'WS3' is not declared"):
        ingest_folder(user, "manifest.csv", ["MoS2", "WS2"], None)


def test_both_names_at_once_are_refused_with_a_remedy(user: Path) -> None:
    path = write(user, "material,label", "b.png,2,WS2,x")
    with pytest.raises(UserError, match=r"manifest\.csv has columns 'label' and 'material'.*'my_material'"):
        read_sheet(path)


def test_a_table_gets_the_name_inside() -> None:
    table = pd.DataFrame({"sample_id": ["1"], "material": ["MoS2"]})
    assert take_label(Path("old.parquet"), table).columns.tolist() == ["sample_id", "label"]
    assert find_label(Path("none.csv"), ["sample_id"]) == "label"
