"""Predictions as text: a table for people, CSV, and JSON Lines; each line is written when it is known."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

from tmdscope.lifecycle.predictor import Prediction
from tmdscope.names import cell, shown

Form = Literal["table", "csv", "json"]

NOT_TRAINED = "not trained"
"""In place of a probability that training could not teach."""

_FILE_COLUMNS = 36


def writer(
    form: Form, classes: Sequence[str], atoms: Sequence[str]
) -> tuple[str, Callable[[Prediction], str]]:
    """Choose how predictions are written: what comes before the first, and what writes each line.

    ``table``: columns for a terminal; ``csv``: every value in a column; ``json``: one object per line.
    `atoms` are empty unless the model's targets are multilabel.
    """
    if form == "json":
        return "", lambda prediction: json.dumps(_to_json(prediction)) + "\n"
    if form == "csv":
        shares = (*(f"p_{name}" for name in classes), *(f"atom_{name}" for name in atoms))
        header = [*_CSV, *shares, *_CSV_FILE, "problem"]
        return _csv_line(header), lambda prediction: _csv_line(_cells(prediction, classes, atoms))
    width = max(map(len, classes))
    return _table_head(width, atoms), lambda prediction: _table_line(prediction, width)


_CSV = ("file", "material", "probability", "calibrated", "set", "unfamiliar", "novelty", "spread")
_CSV_FILE = ("scale", "channel", "warnings")


def _to_json(prediction: Prediction) -> dict[str, Any]:
    if prediction.problem:
        return {"file": prediction.file, "problem": prediction.problem}
    content = asdict(prediction)
    content["set"] = list(content.pop("candidates"))
    content |= {key: list(content[key]) for key in ("not_trained", "warnings")}
    return {key: value for key, value in content.items() if key != "problem" and value != {}}


def _cells(prediction: Prediction, classes: Sequence[str], atoms: Sequence[str]) -> list[str]:
    if prediction.problem:
        empty = [""] * (len(_CSV) - 1 + len(classes) + len(atoms) + len(_CSV_FILE))
        return [prediction.file, *empty, prediction.problem]
    return [
        prediction.file,
        prediction.material,
        f"{prediction.probability:.6f}",
        f"{prediction.calibrated:.6f}",
        " ".join(prediction.candidates),
        str(prediction.unfamiliar).lower(),
        f"{prediction.novelty:.6f}",
        f"{prediction.spread:.6f}",
        *_told(prediction.probabilities, classes),
        *_told(prediction.atoms, atoms),
        prediction.scale,
        prediction.channel,
        "; ".join(prediction.warnings),
        "",
    ]


def _told(values: Mapping[str, float] | None, names: Sequence[str]) -> list[str]:
    known = values or {}
    return [f"{known[name]:.6f}" if name in known else NOT_TRAINED for name in names]


def _csv_line(cells: Sequence[str]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(map(cell, cells))
    return stream.getvalue()


def _table_head(width: int, atoms: Sequence[str]) -> str:
    named = f"{'file':{_FILE_COLUMNS}}  {'material':{max(width, 8)}}  prob.  calib.  spread  "
    return named + "90 % set" + ("; atoms" if atoms else "") + "\n"


def _table_line(prediction: Prediction, width: int) -> str:
    name = shown(prediction.file)
    if len(name) > _FILE_COLUMNS:
        name = "…" + name[1 - _FILE_COLUMNS :]
    if prediction.problem:
        return f"{name:{_FILE_COLUMNS}}  not used: {shown(prediction.problem)}\n"
    atoms = " ".join(f"{atom} {value:.2f}" for atom, value in (prediction.atoms or {}).items())
    silent = f"{', '.join(prediction.not_trained)} {NOT_TRAINED}" if prediction.not_trained else ""
    scale = f"scale {prediction.scale}" if prediction.scale else ""
    told = " ".join(prediction.candidates) or "none"
    parts = (told, atoms, silent, scale, prediction.channel, *prediction.warnings)
    ending = shown("; ".join(part for part in parts if part))
    material = shown(prediction.material)
    line = (
        f"{name:{_FILE_COLUMNS}}  {material:{max(width, 8)}}  {prediction.probability:5.2f}  "
        f"{prediction.calibrated:6.2f}  {prediction.spread:6.2f}  {ending}"
    )
    return line + ("  UNFAMILIAR\n" if prediction.unfamiliar else "\n")
