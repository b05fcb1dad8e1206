"""Stage `fetch` says what it does not use, and when too few compounds are there to learn from."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tmdscope.errors import UserError
from tmdscope.jobs.study import Study
from tmdscope.studies.property_transfer import fetch
from tmdscope.studies.property_transfer.study import STUDY
from tmdscope.studies.property_transfer.tables import FOLDER_VARIABLE, read_tables

SETTINGS = Path("pipelines", "property_transfer", "params.yaml")


def study_in(folder: Path, tables: dict[str, Any]) -> Study:
    path, yaml = folder / SETTINGS, YAML()
    path.parent.mkdir(parents=True)
    shutil.copy(Path(__file__).parents[3] / SETTINGS, path)
    content = yaml.load(path)
    content["tables"] |= tables
    yaml.dump(content, path)
    return STUDY.at(path)


def test_too_few_compounds_are_told_before_anything_trains(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"Ga{count}As,1.0,0.5\n" for count in range(1, 31))
    (tmp_path / "own.csv").write_text("what,measured,computed\n" + rows)
    own = {"formula": "what", "dear": "measured", "cheap": "computed"}
    study = study_in(tmp_path, {"source": "csv", "csv": {**own, "path": str(tmp_path / "own.csv")}})
    with pytest.raises(UserError, match=r"30 compounds have both.*22 are left.*begins with 25: lower it"):
        fetch.run(study)
    more = "".join(f"Ga{count}P,1.0,0.5\n" for count in range(1, 31))
    (tmp_path / "own.csv").write_text("what,measured,computed\n" + rows + more)
    fetch.run(study)
    assert "45 are left to learn from beside a fold: points of curves.labels above" in capfd.readouterr().err


def test_a_folder_that_is_named_and_not_used_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("elementembeddings")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    fetch.run(study_in(tmp_path, {"source": "simulated"}))
    written = capfd.readouterr()
    assert f"{FOLDER_VARIABLE} is set and not used" in written.out + written.err
    assert "source simulated" in written.out


def test_what_is_available_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("elementembeddings")
    study = study_in(tmp_path, {"source": "available"})
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    fetch.run(study)
    assert read_tables(study.layout.tables).about["source"] == "simulated"
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"nowhere.* does not exist"):
        fetch.run(study)
