"""`tmdscope predict`: files in, a line about each out: a table for people, CSV, or JSON Lines."""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

from tmdscope.errors import UserError
from tmdscope.lifecycle.inputs import find_files, passed_over
from tmdscope.lifecycle.predict_chunks import How, predict_apart
from tmdscope.lifecycle.predictor import Prediction, Predictor
from tmdscope.names import cell, shown
from tmdscope.processes import Mapper
from tmdscope.progress import progress
from tmdscope.scores.levels import Expected, read_quantity
from tmdscope.stage import say
from tmdscope.tracking.models import open_model
from tmdscope.tracking.predictions import resolve_model
from tmdscope.tracking.registry import PRODUCTION, read_standing, resolve
from tmdscope.tracking.scale import Scale
from tmdscope.tracking.store import connect
from tmdscope.vision.targets import Multilabel

Form = Literal["table", "csv", "json"]

NOT_TRAINED = "not trained"
"""In place of a probability that training could not teach."""

_FILE_COLUMNS = 36
_CSV = ("file", "material", "probability", "calibrated", "set", "unfamiliar", "novelty", "spread")
_CSV_FILE = ("scale", "channel", "warnings")
_CSV_NUMBER = ("expected", "low", "high", "unit")


@dataclass(frozen=True)
class Predicted:
    """How a command ended; `scale` says where images were not as wide as those of training."""

    model: str
    images: int
    unusable: int
    unfamiliar: int
    can_flag: bool
    scale: str = ""

    @property
    def text(self) -> str:
        """A line for the person who waited."""
        unlike = f"{self.unfamiliar} unlike what it was trained on: their class means nothing"
        parts = (
            f"{self.model}: {self.images} predicted",
            f"{self.unusable} not used" if self.unusable else "",
            unlike if self.unfamiliar else "",
            "" if self.can_flag else "it was trained on too few samples to tell unfamiliar images",
            self.scale,
        )
        return ", ".join(filter(None, parts))


def predict_files(
    paths: Sequence[Path],
    model: str,
    registered: str,
    form: Form,
    heights: bool | None,
    out: TextIO,
    pixel_size_nm: float = math.nan,
    channel: str | None = None,
    sha256: str | None = None,
    map_chunks: Mapper | None = None,
) -> Predicted:
    """Predict files with a registered model and write a line about each as soon as it is known.

    `registered` is the registered model of a bare version or alias; `sha256` the hash that its files must
    have, whatever the store says; `map_chunks` says where files are predicted, None: here. Beside CSV and
    JSON a file that cannot be used is named on standard error too. The rest is as for `Predictor.stream`.
    """
    files = find_files(paths)
    if others := passed_over(paths, files):
        say(others)
    client = connect()
    found = resolve_model(client, model, registered)
    if found.uri is None:
        raise UserError(f"{found.title} has no model; name a registered version, see `tmdscope models`")
    by_alias = model.rpartition("@")[2] == PRODUCTION
    if by_alias and not read_standing(client, resolve(client, found.uri).name).is_reviewed:
        say(f"{found.title} was made production by hand: no decision vouches for its files")
    with open_model(found.uri, sha256) as opened:
        program, folder = opened.load(), opened.folder
    predictor = Predictor(program, found.title)
    target = program.config.make_target()
    atoms = target.atoms if isinstance(target, Multilabel) else ()
    head, write = writer(form, program.config.classes, atoms)
    out.write(head)
    counts: Counter[str] = Counter()
    how = How(heights, pixel_size_nm, channel)
    stream = (
        predictor.stream(files, *how)
        if map_chunks is None
        else predict_apart(map_chunks, folder, found.title, files, how)
    )
    for prediction in stream if out.isatty() else progress(stream, len(files), "predict"):
        out.write(write(prediction))
        counts["unusable" if prediction.problem else "images"] += 1
        counts["unfamiliar"] += prediction.unfamiliar
        counts[prediction.scale.partition(":")[0]] += 1
        if prediction.problem and form != "table":
            say(f"not used: {prediction.file}: {prediction.problem}")
    told = (counts["images"], counts["unusable"], counts["unfamiliar"])
    scale = _tell_scale(predictor.scale, counts)
    return Predicted(found.title, *told, predictor.reliability.can_flag, scale)


def _tell_scale(scale: Scale | None, counts: Counter[str]) -> str:
    if scale is None or not scale.known:
        return "it does not know how wide in nm its training images were: no scale was compared"
    told = {
        "cropped": "cropped to the width of its training images",
        "differs": "of another width than its training images, which it cannot know",
        "unknown": "of unknown width",
    }
    parts = [f"{counts[key]} {words}" for key, words in told.items() if counts[key]]
    return f"{', '.join(parts)} ({scale.text})" if parts else ""


def writer(
    form: Form, classes: Sequence[str], atoms: Sequence[str]
) -> tuple[str, Callable[[Prediction], str]]:
    """Choose how predictions are written: what comes before the first, and what writes each line.

    ``table``: columns for a terminal; ``csv``: every value in a column; ``json``: one object per line.
    `atoms` are empty unless the model's targets are multilabel.
    """
    if form == "json":
        return "", lambda prediction: json.dumps(as_record(prediction)) + "\n"
    if form == "csv":
        shares = (*(f"p_{name}" for name in classes), *(f"atom_{name}" for name in atoms))
        number = _CSV_NUMBER if read_quantity(classes) else ()
        header = [*_CSV, *shares, *number, *_CSV_FILE, "problem"]
        width = len(header) - 2
        return _csv_line(header), lambda one: _csv_line(_cells(one, classes, atoms, width))
    width = max(map(len, classes))
    head = f"{'file':{_FILE_COLUMNS}}  {'material':{max(width, 8)}}  prob.  calib.  spread  90 % set"
    return head + ("; atoms\n" if atoms else "\n"), lambda prediction: _table_line(prediction, width)


def as_record(prediction: Prediction) -> dict[str, Any]:
    """Give what is known of a file, JSON-like, as ``--json`` writes it; of one not used its problem."""
    if prediction.problem:
        return {"file": prediction.file, "problem": prediction.problem}
    content = asdict(prediction)
    content["set"] = content.pop("candidates")
    return {key: value for key, value in content.items() if key != "problem" and value not in ({}, None)}


def _cells(prediction: Prediction, classes: Sequence[str], atoms: Sequence[str], width: int) -> list[str]:
    if prediction.problem:
        return [prediction.file, *[""] * width, prediction.problem]
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
        *_number(prediction.expected),
        prediction.scale,
        prediction.channel,
        "; ".join(prediction.warnings),
        "",
    ]


def _number(expected: Expected | None) -> list[str]:
    if expected is None:
        return []
    numbers = (expected.value, expected.low, expected.high)
    return [*(f"{number:.6g}" for number in numbers), expected.unit]


def _told(values: Mapping[str, float], names: Sequence[str]) -> list[str]:
    return [f"{values[name]:.6f}" if name in values else NOT_TRAINED for name in names]


def _csv_line(cells: Sequence[str]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(map(cell, cells))
    return stream.getvalue()


def _table_line(prediction: Prediction, width: int) -> str:
    name = shown(prediction.file)
    if len(name) > _FILE_COLUMNS:
        name = "…" + name[1 - _FILE_COLUMNS :]
    if prediction.problem:
        return f"{name:{_FILE_COLUMNS}}  not used: {shown(prediction.problem)}\n"
    atoms = " ".join(f"{atom} {value:.2f}" for atom, value in prediction.atoms.items())
    silent = f"{', '.join(prediction.not_trained)} {NOT_TRAINED}" if prediction.not_trained else ""
    scale = f"scale {prediction.scale}" if prediction.scale else ""
    told = " ".join(prediction.candidates) or "none"
    number = prediction.expected.text if prediction.expected else ""
    parts = (told, number, atoms, silent, scale, prediction.channel, *prediction.warnings)
    ending = shown("; ".join(part for part in parts if part))
    material = shown(prediction.material)
    line = (
        f"{name:{_FILE_COLUMNS}}  {material:{max(width, 8)}}  {prediction.probability:5.2f}  "
        f"{prediction.calibrated:6.2f}  {prediction.spread:6.2f}  {ending}"
    )
    return line + ("  UNFAMILIAR\n" if prediction.unfamiliar else "\n")
