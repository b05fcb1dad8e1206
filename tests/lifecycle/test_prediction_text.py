import csv
import json
from dataclasses import replace
from io import StringIO

import pytest

from tmdscope.lifecycle.predict import Form, writer
from tmdscope.lifecycle.predictor import Prediction
from tmdscope.scores.levels import Expected

CLASSES, ATOMS = ("MoS2", "WSe2"), ("Mo", "W", "S", "Se")
GOOD = Prediction(
    file="scans/a, b.png",
    material="MoS2",
    probability=0.75,
    calibrated=0.7,
    candidates=("MoS2", "WSe2"),
    unfamiliar=True,
    novelty=0.01,
    spread=0.125,
    probabilities={"MoS2": 0.75, "WSe2": 0.25},
    atoms={"Mo": 0.9, "W": 0.2, "S": 0.8, "Se": 0.3},
)
BAD = Prediction(file="scans/broken.png", problem="it is not a PNG, TIFF or JPEG")


def written(form: Form) -> str:
    head, write = writer(form, CLASSES, ATOMS)
    return head + write(GOOD) + write(BAD)


def test_csv_has_every_value_in_a_column_of_its_own() -> None:
    good, bad = csv.DictReader(StringIO(written("csv")))
    assert good["file"] == "scans/a, b.png"
    assert (good["material"], good["set"], good["unfamiliar"]) == ("MoS2", "MoS2 WSe2", "true")
    assert [float(good[name]) for name in ("probability", "p_WSe2", "atom_Se")] == [0.75, 0.25, 0.3]
    assert bad["problem"] == BAD.problem
    assert not bad["material"]
    assert None not in bad


def test_json_has_one_object_per_line() -> None:
    good, bad = map(json.loads, written("json").splitlines())
    assert good["probabilities"] == GOOD.probabilities
    assert (good["set"], good["atoms"]) == (["MoS2", "WSe2"], GOOD.atoms)
    assert bad == {"file": BAD.file, "problem": BAD.problem}


def test_the_table_fits_its_head_and_warns() -> None:
    head, good, bad = written("table").splitlines()
    assert good.index("MoS2") == head.index("material")
    assert good.endswith("UNFAMILIAR")
    assert "Se 0.30" in good
    assert "not used: it is not a PNG" in bad


@pytest.mark.parametrize("length", [10, 36, 37, 200])
def test_long_names_keep_their_end(length: int) -> None:
    name = "x" * (length - 5) + "e.png"
    _, write = writer("table", CLASSES, ())
    line = write(Prediction(file=name, problem="absent"))
    assert line.index("  not used") == 36
    assert line[:36].rstrip().endswith("e.png")


def test_what_was_not_trained_and_another_scale_are_named() -> None:
    atoms = {name: GOOD.atoms[name] for name in ("Mo", "W")}
    partly = replace(GOOD, atoms=atoms, not_trained=("S", "Se"), scale="cropped: 1000 of 5000 nm")
    lines = {}
    for form in ("csv", "json", "table"):
        head, write = writer(form, CLASSES, ATOMS)
        lines[form] = head + write(partly)
    (row,) = csv.DictReader(StringIO(lines["csv"]))
    assert (row["atom_Mo"], row["atom_S"], row["atom_Se"]) == ("0.900000", "not trained", "not trained")
    assert row["scale"] == "cropped: 1000 of 5000 nm"
    content = json.loads(lines["json"])
    assert (content["atoms"], content["not_trained"]) == (atoms, ["S", "Se"])
    assert "S, Se not trained; scale cropped: 1000 of 5000 nm" in lines["table"]


def test_a_file_is_no_formula_to_a_spreadsheet() -> None:
    head, write = writer("csv", CLASSES, ATOMS)
    (row,) = csv.DictReader(StringIO(head + write(Prediction(file="=1+1.png", problem="-x"))))
    assert (row["file"], row["problem"]) == ("'=1+1.png", "'-x")


def test_an_expected_number_has_an_interval_and_a_unit() -> None:
    classes = ("900 C", "950 C")
    graded = replace(
        GOOD, material="950 C", candidates=classes, probabilities={}, expected=Expected(941.25, 900, 950, "C")
    )
    lines = {}
    for form in ("csv", "json", "table"):
        head, write = writer(form, classes, ())
        lines[form] = head + write(graded) + write(BAD)
    row, bad = csv.DictReader(StringIO(lines["csv"]))
    assert [row[name] for name in ("expected", "low", "high", "unit")] == ["941.25", "900", "950", "C"]
    assert bad["problem"] == BAD.problem
    told = json.loads(lines["json"].splitlines()[0])["expected"]
    assert told == {"value": 941.25, "low": 900, "high": 950, "unit": "C"}
    assert "; 941.2 C (900 to 950)" in lines["table"]
    assert "expected" not in json.loads(written("json").splitlines()[0])
