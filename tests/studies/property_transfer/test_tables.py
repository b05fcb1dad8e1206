"""Published tables, a user's own and made ones come into one form; what is wrong with them is told."""

import hashlib
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.studies.property_transfer.small import SIMULATED
from tests.support.web import NOWHERE, serve
from tmdscope.errors import UserError
from tmdscope.studies.property_transfer import tables as module
from tmdscope.studies.property_transfer.params import CsvParams, TablesParams
from tmdscope.studies.property_transfer.tables import (
    COMPUTED,
    FOLDER_VARIABLE,
    GAPS,
    MEASURED,
    OFFICIAL,
    SOURCE,
    Published,
    fetch_tables,
    official_folds,
    read_published,
    read_tables,
)

OWN = CsvParams(path="own.csv", formula="what", dear="measured", cheap="computed")


def asked(source: str, zeros: bool = False, own: CsvParams | None = None, url: str = NOWHERE) -> TablesParams:
    content = {"source": source, "unit": "eV", "zeros": zeros, "base_url": url}
    content |= {"simulated": SIMULATED, "csv": own}
    return TablesParams.model_validate(content)


def own_table(folder: Path, text: str, header: str = "what,measured,computed\n") -> TablesParams:
    path = folder / "own.csv"
    path.write_text(header + text, encoding="utf-8")
    return asked("csv", own=OWN.model_copy(update={"path": str(path)}))


def test_rows_of_a_compound_are_brought_together(tmp_path: Path) -> None:
    text = "GaAs,1.4,0.2\nAs2Ga2,1.6,0.6\nNaN,2.0,1.0\nZnO,3.4,\nCuZn,0,0\n"
    about = fetch_tables(own_table(tmp_path, text), None, tmp_path / "cache", tmp_path / "tables")
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
        ("GaAs,1.4,NaN\n", "line 2: 'NaN' in column 'computed' is no number: write it in eV"),
        ("GaAs,1.4,0.2\n\n,,\nGaP,x,1\n", "line 5: 'x' in column 'measured' is no number"),
        ("GaAs,1,4,0.2\n", "the header has 3 columns, but line 2: 4 cells"),
        ("GaAs,1.4\n", "the header has 3 columns, but line 2: 2 cells"),
        ("CuSO4.5H2O,1.4,1\n", "line 2: 'CuSO4.5H2O' is no chemical formula: a point is a decimal point"),
    ],
)
def test_what_is_wrong_with_a_user_s_own_table_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UserError, match=r"own\.csv") as caught:
        fetch_tables(own_table(tmp_path, text), None, tmp_path / "cache", tmp_path / "tables")
    assert told in str(caught.value)
    assert not (tmp_path / "tables").exists()


def test_what_is_done_with_a_user_s_own_rows_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "CuSO4·5H2O,1.4,0.2\nAl2(SO4)3,1,\nGa0.5In0.5As,2,1\nInGaAs2,5,1\nNaN,0,1\n"
    params = own_table(tmp_path, rows, header="\ufeffwhat,measured,computed\n")
    about = fetch_tables(params, None, tmp_path / "cache", tmp_path / "tables")
    assert about["compounds"] == {"pairs": 2}
    told = capsys.readouterr().err
    assert "1 of 5 rows lack a property and are left out, first line 3" in told
    assert "1 compounds have different values of 'measured'" in told
    assert "As2GaIn (2 eV in line 4, 5 eV in line 5)" in told
    assert "1 compounds whose dear property is 0 are left out" in told


def test_a_column_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="separate them by commas"):
        fetch_tables(
            own_table(tmp_path, "GaAs;1;1\n", "what;measured;computed\n"), None, tmp_path, tmp_path / "tables"
        )
    params = own_table(tmp_path, "GaAs,1,1\n")
    other = asked("csv", own=OWN.model_copy(update={"path": str(tmp_path / "own.csv"), "dear": "gap"}))
    with pytest.raises(UserError, match=r"no column 'gap'; it has what, measured, computed"):
        fetch_tables(other, None, tmp_path / "cache", tmp_path / "tables")
    assert fetch_tables(params, None, tmp_path / "cache", tmp_path / "tables")


def test_published_files_are_needed_and_checked(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"(?s){GAPS.path}.*{NOWHERE}.*{MEASURED.source}.*{FOLDER_VARIABLE}"):
        fetch_tables(asked("published"), None, tmp_path / "cache", tmp_path / "tables")
    with pytest.raises(UserError, match="does not exist"):
        read_published(tmp_path, GAPS)
    (tmp_path / GAPS.path).write_text("Composition,Eg_exp,Eg_DFT\nGaAs,1,1\n")
    with pytest.raises(UserError, match="has SHA-256"):
        read_published(tmp_path, GAPS)


def test_published_files_are_downloaded_at_their_commits_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    formulae = [f"H{count}O" for count in range(1, 21)]
    fold = official_folds(pd.Series(formulae), [pd.Series([], dtype=str)] * 5)
    tables = {
        "GAPS": "Composition,Eg_exp,Eg_DFT\nGaAs,1,1\n",
        "MEASURED": "formula,target\n" + "".join(f"{one},1\n" for one in formulae),
        "COMPUTED": "formula,target\nGaAs,0.5\n",
    }
    tests = ["".join(f"{formulae[row]},1\n" for row in np.flatnonzero(fold == number)) for number in range(5)]

    def published(one: Published, text: str) -> Published:
        site.files[f"/{one.source}"] = text.encode()
        return replace(one, sha256=hashlib.sha256(text.encode()).hexdigest())

    with serve() as site:
        for name, text in tables.items():
            monkeypatch.setattr(module, name, published(getattr(module, name), text))
        official = [
            published(*one) for one in zip(OFFICIAL, (f"formula,target\n{t}" for t in tests), strict=True)
        ]
        monkeypatch.setattr(module, "OFFICIAL", tuple(official))
        params, cache = asked("published", url=site.url), tmp_path / "cache"
        about = fetch_tables(params, None, cache, tmp_path / "tables")
        assert about["compounds"] == {"pairs": 1, "wide": 1, "benchmark": 20}
        assert "no colours" in capsys.readouterr().err
        asks = len(site.log)
        assert fetch_tables(params, None, cache, tmp_path / "again")["files"] == about["files"]
        assert len(site.log) == asks == 8
        site.files[f"/{GAPS.source}"] += b"\n"
        with pytest.raises(UserError, match=rf"(?s)SHA-256.*{FOLDER_VARIABLE}"):
            fetch_tables(params, None, tmp_path / "other", tmp_path / "tables")
    commits = [re.search(r"/[0-9a-f]{40}/", one.source) for one in (GAPS, MEASURED, COMPUTED, *OFFICIAL)]
    assert all(commits)


def test_made_tables_repeat_and_a_changed_one_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("elementembeddings")
    made = asked("simulated")
    first, second = (fetch_tables(made, None, tmp_path, tmp_path / name) for name in ("one", "two"))
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
    about = fetch_tables(asked("published", zeros=True), Path(named), tmp_path / "cache", tmp_path / "tables")
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
        fetch_tables(params, None, tmp_path / "cache", tmp_path / "tables")


def test_one_column_is_not_two_properties() -> None:
    with pytest.raises(ValueError, match="three columns"):
        CsvParams(path="own.csv", formula="what", dear="gap", cheap="gap")
