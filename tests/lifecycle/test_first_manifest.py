"""`tmdscope init`: classes and samples are told from folders and names, shown, checked, and written once."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.scan.read.files import nanoscope
from tmdscope.cli import app
from tmdscope.dataset.folder import ingest_folder
from tmdscope.errors import UserError
from tmdscope.lifecycle.first_manifest import InitRequest, propose
from tmdscope.params.images import DataParams, FolderParams
from tmdscope.params.reading import parse_section, read_params

ROOT = Path(__file__).parents[2]
RUNNER = CliRunner()


def fill(folder: Path, *names: str) -> Path:
    rng = np.random.default_rng(1)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".png"):
            Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8)).save(folder / name)
        elif name.endswith(".txt"):
            (folder / name).write_text("grown by Ann")
        else:
            (folder / name).write_bytes(nanoscope(rng.normal(0, 5, (16, 16))))
    return folder


@pytest.mark.parametrize(
    ("names", "samples", "classes"),
    [
        ("{c}/S{s}_{k}.png", "S{s}", ["graphene", "hBN"]),
        ("{c}/S{s}{c}_{k}.spm", "S{s}{c}", ["graphene", "hBN"]),
        ("{c}/piece{s}/{k}.png", "{c}/piece{s}", ["graphene", "hBN"]),
        ("{c}/day {s} wafer 1{s}{c} scan {k}.png", "1{s}{c}", ["graphene", "hBN"]),
        ("{c}/{c}{s}.00{k}", "{c}{s}", ["graphene", "hBN"]),
        ("train/{c}/w-{s}{c}{k}.png", None, ["graphene", "hBN"]),
        ("{c}_S{s}{c}_{k}.png", "{c}_S{s}{c}", ["graphene", "hBN"]),
        ("{c}/IMG_{c}{s}{k}.png", None, ["graphene", "hBN"]),
    ],
)
def test_samples_and_classes_are_guessed(
    tmp_path: Path, names: str, samples: str | None, classes: list[str]
) -> None:
    told = {}
    for c in classes:
        for s in range(3):
            for k in range(2):
                told[names.format(c=c, s=s, k=k)] = samples and samples.format(c=c, s=s)
    crossing = samples == "S{s}"  # counted anew in each class: a sample is one material
    found = propose(InitRequest(fill(tmp_path, *told)))
    assert found.classes == classes
    assert {row["path"] for row in found.rows} == set(told)
    for row in found.rows:
        expected = told[row["path"]] or row["path"].rpartition(".")[0]
        assert row["sample_id"] == (f"{row['label']}-{expected}" if crossing else expected)
        assert row["label"] in row["path"]
    assert (found.pattern is None) == (samples is None)


def test_formulae_in_names_are_classes_and_a_pattern_is_the_users(tmp_path: Path) -> None:
    names = [f"{m}_x{s}-{k}.png" for s, m in enumerate(["mos2", "WS2", "Mo-WSe2"]) for k in range(2)]
    found = propose(InitRequest(fill(tmp_path, *names), sample=r"_(x\d)"))
    assert found.classes == ["Mo-WSe2", "WS2", "MoS2"]
    assert {row["sample_id"] for row in found.rows} == {"x0", "x1", "x2"}
    by_hand = propose(InitRequest(tmp_path, sample=r"_x(\d)-(\d)", material="^([^_]+)"))
    assert by_hand.rows[0]["sample_id"] == "2-0"


def test_what_is_written_is_what_ingest_takes(tmp_path: Path) -> None:
    user = fill(
        tmp_path / "data/my scans", *(f"{c}/{c}{s}_{k}.spm" for c in "ab" for s in range(2) for k in "01")
    )
    (user / "a" / "a9_0.png").write_bytes(b"no picture")
    (user / ".hidden.png").write_bytes(b"")
    fill(user, "notes.txt")
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    made = RUNNER.invoke(app, ["init", str(user), "--yes", "--params", str(tmp_path / "params.yaml")])
    assert made.exit_code == 0, made.output
    assert "left out: 1 files\n  a/a9_0.png: it is not a PNG" in made.output
    assert "passed over: 1 files that are no picture and no scan by ending or content (.txt 1)" in made.output
    assert "Two classes make no sequence: set sequential.enabled: false." in made.output
    assert "NO SAMPLES ARE KNOWN" not in made.output
    assert "A sample_id names the grown piece" in made.output
    section = made.output.partition("In params.yaml:\n")[2].partition("\n\n")[0]
    (tmp_path / "lines.yaml").write_text(section)
    lines = read_params(tmp_path / "lines.yaml")["data"]
    params = read_params(ROOT / "params.yaml")["data"] | lines
    data = parse_section("data", params, DataParams, "params.yaml")
    assert data.folder == FolderParams(path="data/my scans", manifest="manifest.csv")
    table = ingest_folder(
        tmp_path / data.folder.path, data.folder.manifest, data.classes, tmp_path / "copies"
    )
    assert table["sample_id"].tolist() == ["a0", "a0", "a1", "a1", "b0", "b0", "b1", "b1"]


def test_without_samples_it_says_what_that_does_to_honesty(tmp_path: Path) -> None:
    user = fill(tmp_path, *(f"{c}/{c}{s}.png" for c in ("MoS2", "WS2") for s in "789"))
    made = RUNNER.invoke(app, ["init", str(user), "--yes"])
    assert made.exit_code == 0, made.output
    assert "every file is a sample of its own" in made.output
    assert "scores may be of recognising the sample" in made.output
    assert "multilabel" not in made.output


@pytest.mark.parametrize(
    ("answers", "code", "samples"),
    [("y\n", 0, "S0"), ("\n", 0, "S0"), ("n\n", 1, ""), ("", 1, ""), ("^(.*)\\.png\ny\n", 0, "a/S0_0")],
)
def test_a_person_is_asked(tmp_path: Path, answers: str, code: int, samples: str) -> None:
    user = fill(tmp_path, "a/S0_0.png", "a/S0_1.png", "a/S1_0.png", "b/S2_0.png", "b/S3_0.png", "b/S3_1.png")
    made = RUNNER.invoke(app, ["init", str(user)], input=answers)
    assert made.exit_code == code, made.output
    assert "a/S0_0.png -> S0" in made.output
    assert (user / "manifest.csv").exists() == (not code)
    if samples:
        assert f",{samples},a\n" in (user / "manifest.csv").read_text()


def test_one_class_is_for_a_model_that_is_there(tmp_path: Path) -> None:
    made = RUNNER.invoke(app, ["init", str(fill(tmp_path, "MoTe2/a_1.png", "MoTe2/b_1.png")), "--yes"])
    assert made.exit_code == 0, made.output
    assert "tmdscope add-material" in made.output


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["1.png", "2.png"], [], "classes cannot be told"),
        (["a/1.png", "A /2.png"], [], "look alike"),
        (["a/1.png", "b/2.png"], ["--sample", "("], "is no regular expression"),
        (["a/1.png", "b/2.png"], ["--sample", "x"], "finds nothing in 2 of 2 paths"),
        (["a/x1.png", "b/x2.png"], ["--sample", "x"], "sample 'x' has two classes"),
        (["a/1.png", "b/2.png"], ["--manifest", "../m.csv"], "give the name of a CSV"),
        (["a/gr\u00e9.png", "a/gre\u0301.png", "b/1.png"], [], "two encodings of its accents"),
        (["a/x.png", "a/X.png", "b/1.png"], [], "look alike"),
        (["a/1.txt"], [], "holds no picture and no scan"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, names: list[str], options: list[str], message: str) -> None:
    made = RUNNER.invoke(app, ["init", str(fill(tmp_path / "u", *names)), "--yes", *options])
    assert made.exit_code == 1
    assert message in made.output
    assert not list(tmp_path.rglob("*.csv"))


def test_no_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no folder"):
        propose(InitRequest(tmp_path / "gone"))
