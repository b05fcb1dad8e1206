"""`tmdscope audit`: a manifest in, a verdict, a page and a record out; faults are named."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.audit.studies import make_table
from tests.scan.read import files
from tmdscope.cli import app

ROOT = Path(__file__).parents[2]
RUNNER = CliRunner()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("permutations: 199", "permutations: 19"))
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_features(folder: Path, by_campaign: float, by_class: float) -> None:
    table = make_table(2, samples=48, by_campaign=by_campaign, by_class=by_class)
    names = [table.classes[label] for label in table.targets]
    manifest = pd.DataFrame({"sample_id": table.sample_ids, "material": names, "day": table.order})
    manifest["operator"] = np.where(table.targets == 0, "Ann", "Ben")
    manifest.to_csv(folder / "manifest.csv", index=False)
    np.save(folder / "features.npy", table.features)


def test_features_and_columns_are_audited(project: Path) -> None:
    write_features(project, by_campaign=3.0, by_class=0.0)
    command = "audit manifest.csv --features features.npy --order day --nuisance operator --out out"
    result = RUNNER.invoke(app, command.split())
    assert result.exit_code == 0, result.output
    assert "the score is campaign" in result.output
    assert "FAILED          campaigns" in result.output
    found = json.loads((project / "out" / "audit.json").read_text())
    assert [item["name"] for item in found["confounds"]] == ["features", "order", "nuisance"]
    assert found["images_of"] == 96
    assert "What the score is worth" in (project / "out" / "index.html").read_text()


def test_that_some_of_many_samples_were_drawn_is_said_everywhere(project: Path) -> None:
    params = project / "params.yaml"
    params.write_text(re.sub(r"most_images: \d+", "most_images: 100", params.read_text()))
    label = np.arange(120) % 2
    names = [f"S{number:03d}" for number in range(120)]
    table = pd.DataFrame({"sample_id": names, "label": np.where(label, "MoS2", "WS2")})
    table.to_csv(project / "manifest.csv", index=False)
    np.save(project / "features.npy", np.random.default_rng(1).normal(label[:, None], 1.0, (120, 4)))
    command = "audit manifest.csv --features features.npy --order none --out out"
    result = RUNNER.invoke(app, command.split())
    assert result.exit_code == 0, result.output
    told = "ampled 100 of 120"
    assert told in result.output
    assert told in (project / "out" / "index.html").read_text()
    assert json.loads((project / "out" / "audit.json").read_text())["images_of"] == 120


def test_pictures_are_seen_as_spectra(project: Path) -> None:
    rng = np.random.default_rng(1)
    rows = []
    for sample in range(20):
        label = sample % 2
        for image in range(2):
            grain = (
                rng.normal(128, 30, (32, 32)) if label else rng.normal(128, 30, (32, 1)) + np.zeros((1, 32))
            )
            name = f"{sample}-{image}.png"
            Image.fromarray(np.clip(grain, 0, 255).astype(np.uint8)).save(project / name)
            rows.append({"path": name, "sample_id": f"S{sample}", "material": ["MoS2", "WS2"][label]})
    pd.DataFrame(rows).to_csv(project / "manifest.csv", index=False)
    result = RUNNER.invoke(app, ["audit", "manifest.csv", "--order", "none"])
    assert result.exit_code == 0, result.output
    found = json.loads((project / "reports" / "audit" / "audit.json").read_text())
    assert found["confounds"][0]["score"]["accuracy"] == 1.0
    assert found["confounds"][1]["name"] == "statistics"
    assert found["campaigns"] == []


def test_a_channel_may_be_named_for_scans_whose_row_names_none(project: Path) -> None:
    for name in ("a.spm", "b.spm"):
        (project / name).write_bytes(files.nanoscope(np.eye(16)))
    rows = "path,sample_id,label,channel\na.spm,1,MoS2,Height Sensor\nb.spm,2,WS2,\n"
    (project / "manifest.csv").write_text(rows)
    result = RUNNER.invoke(app, ["audit", "manifest.csv", "--order", "none", "--channel", "Error"])
    assert result.exit_code == 1
    assert "b.spm cannot be used: it has no channel 'Error'" in result.output


def test_a_label_that_a_warning_tells_is_found_out(project: Path) -> None:
    """The instrument cut off the heights of one class."""
    rng, rows = np.random.default_rng(1), []
    for sample in range(20):
        heights = rng.normal(size=(32, 32)).cumsum(axis=0)
        if sample % 2:
            heights = np.minimum(heights, np.quantile(heights, 0.95))
        np.save(project / f"{sample}.npy", heights)
        rows.append({"path": f"{sample}.npy", "sample_id": f"S{sample}", "label": ["a", "b"][sample % 2]})
    pd.DataFrame(rows).to_csv(project / "manifest.csv", index=False)
    result = RUNNER.invoke(app, ["audit", "manifest.csv", "--order", "none"])
    assert result.exit_code == 0, result.output
    confounds = json.loads((project / "reports" / "audit" / "audit.json").read_text())["confounds"]
    (nuisance,) = [item for item in confounds if item["name"] == "nuisance"]
    assert nuisance["columns"] == ["warning_saturated"]
    assert nuisance["score"]["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("audit nowhere.csv --order none", "nowhere.csv cannot be read as a table"),
        ("audit manifest.csv --order week --features features.npy", "no column 'week'"),
        ("audit manifest.csv --order none --features short.npy", "expected a row for each of 96 images"),
        ("audit manifest.csv --order none --features none.npy", "none.npy has shape (96, 0)"),
        ("audit manifest.csv --order none", "no column 'path'"),
        ("audit bad.csv --order none --features features.npy", "column 'label' is missing"),
        ("audit manifest.csv --order none --features words.npy", "expected real numbers"),
        ("audit manifest.csv --order none --features complex.npy", "expected real numbers"),
        ("audit alike.csv --order none --features features.npy", "has one class, 'MoS2'"),
        ("audit bytes.parquet --order none --features features.npy", "'sample_id' holds a bytes"),
    ],
)
def test_faults_are_named(project: Path, command: str, message: str) -> None:
    write_features(project, 0.0, 1.0)
    np.save(project / "short.npy", np.zeros((3, 2)))
    np.save(project / "none.npy", np.zeros((96, 0)))
    np.save(project / "words.npy", np.full((96, 2), "a"))
    np.save(project / "complex.npy", np.ones((96, 2), np.complex64))
    table = pd.read_csv(project / "manifest.csv")
    table.drop(columns="material").to_csv(project / "bad.csv", index=False)
    table.assign(material="MoS2").to_csv(project / "alike.csv", index=False)
    table.assign(sample_id=[b"\xff"] * len(table)).to_parquet(project / "bytes.parquet")
    result = RUNNER.invoke(app, command.split())
    assert result.exit_code == 1
    assert message in result.output
    assert not (project / "reports").exists()


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_class_may_be_called_label_or_material_but_not_both(project: Path, form: str) -> None:
    write_features(project, 0.0, 1.0)
    table = pd.read_csv(project / "manifest.csv")
    tables = {"material": table, "label": table.rename(columns={"material": "label"})}
    tables["both"] = table.assign(label=table["material"])
    found = {}
    for name, rows in tables.items():
        path = project / f"{name}.{form}"
        rows.to_csv(path, index=False) if form == "csv" else rows.to_parquet(path)
        command = f"audit {path} --features features.npy --order day --out {name}"
        found[name] = RUNNER.invoke(app, command.split())
    assert found["label"].exit_code == found["material"].exit_code == 0
    records = [json.loads((project / name / "audit.json").read_text()) for name in ("label", "material")]
    assert records[0]["verdict"] == records[1]["verdict"]
    assert found["both"].exit_code == 1
    assert re.search(r"columns 'label' and\s+'material'", found["both"].output)


@pytest.mark.parametrize(
    ("column", "old", "new", "message"),
    [
        ("sample_id", "S1", "s1", r"samples 's1' and 'S1' look alike"),
        ("material", "WS2", "WS\u2082", "classes .* look alike"),
        ("sample_id", "S1", "", "sample_id is empty"),
    ],
)
def test_names_are_held_to_the_rules_of_a_studys_folder(
    project: Path, column: str, old: str, new: str, message: str
) -> None:
    table = pd.DataFrame({"sample_id": ["S1", "S1", "S2"], "material": ["MoS2", "MoS2", "WS2"]})
    rows = pd.concat([table, table])
    rows.iloc[-1 if column == "material" else 0, rows.columns.get_loc(column)] = new
    for name in ("m.csv", "m.parquet"):
        rows.to_csv(name, index=False) if name.endswith("csv") else rows.to_parquet(name)
        np.save(project / "features.npy", np.ones((6, 2)))
        found = RUNNER.invoke(app, f"audit {name} --features features.npy --order none".split())
        assert found.exit_code == 1
        assert re.search(message, found.output)


def test_a_sample_called_na_is_a_sample(project: Path) -> None:
    write_features(project, 0.0, 1.0)
    text = (project / "manifest.csv").read_text().splitlines()
    rows = [line.replace(line.split(",")[0], "NA") if n in (1, 2) else line for n, line in enumerate(text)]
    (project / "manifest.csv").write_text("\n".join(rows))
    result = RUNNER.invoke(app, "audit manifest.csv --features features.npy --order none".split())
    assert result.exit_code == 0, result.output
