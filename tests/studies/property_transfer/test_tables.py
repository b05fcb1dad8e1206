"""Published tables, a user's own and made ones come into one form; what is wrong with them is told."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.studies.property_transfer.small import SIMULATED
from tmdscope.errors import UserError
from tmdscope.studies.property_transfer.params import CsvParams, TablesParams
from tmdscope.studies.property_transfer.tables import (
    FOLDER_VARIABLE,
    GAPS,
    SOURCE,
    fetch_tables,
    official_folds,
    read_published,
    read_tables,
)

OWN = CsvParams(path="own.csv", formula="what", dear="measured", cheap="computed")


def asked(source: str, zeros: bool = False, own: CsvParams | None = None) -> TablesParams:
    content = {"source": source, "unit": "eV", "zeros": zeros, "simulated": SIMULATED, "csv": own}
    return TablesParams.model_validate(content)


def own_table(folder: Path, text: str) -> TablesParams:
    path = folder / "own.csv"
    path.write_text("what,measured,computed\n" + text)
    return asked("csv", own=OWN.model_copy(update={"path": str(path)}))


def test_rows_of_a_compound_are_brought_together(tmp_path: Path) -> None:
    text = "GaAs,1.4,0.2\nAs2Ga2,1.6,0.6\nNaN,2.0,1.0\nZnO,3.4,\nCuZn,0,0\n"
    about = fetch_tables(own_table(tmp_path, text), None, tmp_path / "tables")
    pairs = read_tables(tmp_path / "tables").pairs.set_index("compound")
    assert about["compounds"] == {"pairs": 2}
    assert set(pairs.index) == {"AsGa", "NNa"}
    assert pairs.loc["AsGa", ["dear", "cheap", "lowest", "highest", "entries"]].tolist() == pytest.approx(
        [1.5, 0.4, 0.2, 0.6, 2]
    )
    assert pairs.loc["NNa", "system"] == "N-Na"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("GaAs,1.4,0.2\nXxO,1,1\n", "line 3: 'XxO' is no chemical formula: unknown element Xx"),
        ("GaAs,1.4 eV,0.2\n", "line 2: '1.4 eV' in column 'measured' is no number"),
        ("In1p1,1.4,0.2\n", "line 2: 'In1p1' is no chemical formula"),
        ("GaAs,1.4,0.2\n,1,1\n", "line 3: '' is no chemical formula"),
        ("GaAs,inf,0.2\n", "line 2: 'inf' in column 'measured' is no number"),
        ("GaAs,True,0.2\n", "line 2: 'True' in column 'measured' is no number"),
    ],
)
def test_what_is_wrong_with_a_user_s_own_table_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UserError, match=r"own\.csv") as caught:
        fetch_tables(own_table(tmp_path, text), None, tmp_path / "tables")
    assert told in str(caught.value)
    assert not (tmp_path / "tables").exists()


def test_a_column_that_is_not_there_is_told(tmp_path: Path) -> None:
    params = own_table(tmp_path, "GaAs,1,1\n")
    other = asked("csv", own=OWN.model_copy(update={"path": str(tmp_path / "own.csv"), "dear": "gap"}))
    with pytest.raises(UserError, match=r"no column 'gap'; it has what, measured, computed"):
        fetch_tables(other, None, tmp_path / "tables")
    assert fetch_tables(params, None, tmp_path / "tables")


def test_published_files_are_needed_and_checked(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=FOLDER_VARIABLE):
        fetch_tables(asked("published"), None, tmp_path / "tables")
    with pytest.raises(UserError, match="does not exist"):
        read_published(tmp_path, GAPS)
    (tmp_path / GAPS.path).write_text("Composition,Eg_exp,Eg_DFT\nGaAs,1,1\n")
    with pytest.raises(UserError, match="has SHA-256"):
        read_published(tmp_path, GAPS)


def test_made_tables_repeat_and_a_changed_one_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("elementembeddings")
    first, second = (fetch_tables(asked("simulated"), None, tmp_path / name) for name in ("one", "two"))
    assert first["files"] == second["files"]
    held = read_tables(tmp_path / "one")
    assert (held.pairs["dear"] > 0).all()
    assert set(held.get("benchmark")["fold"]) == set(range(5))
    with pytest.raises(UserError, match="no table 'colours'"):
        held.get("colours")
    held.pairs.assign(dear=1.0).to_parquet(tmp_path / "one" / "pairs.parquet")
    with pytest.raises(UserError, match=SOURCE):
        read_tables(tmp_path / "one")


def test_official_folds_are_matbench_s_and_a_stray_test_is_told() -> None:
    formulae = pd.Series([f"H{count}O" for count in range(1, 21)])
    nothing = [pd.Series([], dtype=str)] * 5
    fold = official_folds(formulae, nothing)
    assert np.bincount(fold).tolist() == [4] * 5
    right = [formulae[fold == number].iloc[:2] for number in range(5)]
    np.testing.assert_array_equal(official_folds(formulae, right), fold)
    with pytest.raises(UserError, match="published test of fold 0"):
        official_folds(formulae, right[::-1])


@pytest.mark.realdata
@pytest.mark.slow
def test_the_published_tables_are_read_whole(tmp_path: Path) -> None:
    named = os.environ.get(FOLDER_VARIABLE)
    if not named:
        pytest.skip(f"{FOLDER_VARIABLE} is not set")
    about = fetch_tables(asked("published", zeros=True), Path(named), tmp_path / "tables")
    assert about["compounds"] == {"pairs": 972, "wide": 78164, "benchmark": 4604, "colours": 1459}
    held = read_tables(tmp_path / "tables")
    assert (held.pairs["dear"] == 0).sum() == 204
    coloured = held.get("colours").query("colour != ''")
    assert (len(coloured), coloured["compound"].nunique()) == (139, 81)
    assert "NNa" in set(held.get("colours")["compound"])  # its formula is written NaN
    groups = held.get("benchmark").groupby("group")["compound"].nunique()
    assert set(groups[groups > 1].index) == {"Rh67S200", "Rh67Se200"}


def test_a_column_that_is_there_twice_is_told(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("what,measured,computed,measured\nGaAs,1,1,2\n")
    params = asked("csv", own=OWN.model_copy(update={"path": str(path)}))
    with pytest.raises(UserError, match=r"own\.csv has 2 columns 'measured'"):
        fetch_tables(params, None, tmp_path / "tables")


def test_one_column_is_not_two_properties() -> None:
    with pytest.raises(ValueError, match="three columns"):
        CsvParams(path="own.csv", formula="what", dear="gap", cheap="gap")
