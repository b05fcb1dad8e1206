"""What names of files hold reaches no terminal, spreadsheet or card as anything but text."""

import csv
import json
import os
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.lifecycle.test_first_manifest import fill
from tests.lifecycle.test_prediction_text import ATOMS, BAD, CLASSES, GOOD
from tmdscope.cli import app
from tmdscope.dataset.folder import ingest_folder
from tmdscope.errors import UserError
from tmdscope.files import write_table
from tmdscope.lifecycle.first_manifest import InitRequest, propose
from tmdscope.lifecycle.predict import Form, writer
from tmdscope.names import markdown
from tmdscope.stage import say

NAMES = ("\x1b[2J\x07.png", "a\u202egnp.exe", "a\nerror: b.png", os.fsdecode(b"\xff.png"), "=1+1\x1b.png")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["table", "csv"])
def test_a_prediction_is_one_line_of_printable_text(form: Form, name: str) -> None:
    _, write = writer(form, CLASSES, ATOMS)
    for one in (replace(GOOD, file=name, channel=name), replace(BAD, file=name, problem=name)):
        line = write(one)
        assert line.endswith("\n")
        assert line[:-1].isprintable()
        line.encode()
        assert form == "table" or not next(csv.reader(StringIO(line)))[0].startswith("=")


@pytest.mark.parametrize("name", NAMES)
def test_json_keeps_names_as_they_are(name: str) -> None:
    _, write = writer("json", CLASSES, ATOMS)
    assert json.loads(write(replace(BAD, file=name)))["file"] == name


@pytest.mark.parametrize("name", NAMES)
def test_messages_and_cards_are_printable(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(f"not used: {name}")
    assert capsys.readouterr().err.replace("\n", "").isprintable()
    assert markdown(name).isprintable()


def test_neither_cells_nor_headers_of_a_table_are_formulae(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", pd.DataFrame({"=A1": ["+B2", "\uff1dC3"]}))
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == "'=A1\n'+B2\n'\uff1dC3\n"


def test_a_manifest_of_formulae_is_read_back_as_it_is_meant(tmp_path: Path) -> None:
    names = [f"{c}/=S{s}_{k}.png" for c in ("graphene", "hBN") for s in "12" for k in "ab"]
    fill(tmp_path, *names, *(f"=x{k}.png" for k in "ab"))
    request = InitRequest(tmp_path, material=r"(graphene|hBN|x)", sample=r"(=(?:S.|x))")
    assert {row["path"] for row in propose(request).rows} >= {"./=xa.png", names[0]}
    arguments = [
        "--yes",
        "--material",
        request.material or "",
        "--sample",
        r"(?:(graphene|hBN)/)?(=(?:S.|x))",
    ]
    done = CliRunner().invoke(app, ["init", str(tmp_path), *arguments])
    assert done.exit_code == 0, done.output
    cells = [c for row in csv.reader((tmp_path / "manifest.csv").open()) for c in row]
    assert not [c for c in cells if c.startswith(("=", "+", "-", "@"))]
    table = ingest_folder(tmp_path, "manifest.csv", ["graphene", "hBN", "x"], None)
    assert set(table["image_id"]) == {*names, "=xa.png", "=xb.png"}


@pytest.mark.parametrize("pattern", [r"(([a-z]+)+)+$x", r"(a{60000}){60000}", "(" * 2000 + ")" * 2000, "("])
def test_a_pattern_that_never_ends_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    monkeypatch.setattr("tmdscope.lifecycle.first_manifest.PATTERN_S", 1.0)
    fill(tmp_path, "hBN/" + "a" * 60 + "1.png", "MoS2/b2.png")
    with pytest.raises(UserError, match="--sample"):
        propose(InitRequest(tmp_path, sample=pattern))
