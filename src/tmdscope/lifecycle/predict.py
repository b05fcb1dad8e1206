"""`tmdscope predict`: files in, a line about each out."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tmdscope.errors import UserError
from tmdscope.lifecycle.inputs import find_files
from tmdscope.lifecycle.prediction_text import Form, writer
from tmdscope.lifecycle.predictor import Predictor
from tmdscope.progress import progress
from tmdscope.stage import say
from tmdscope.tracking.models import load_program
from tmdscope.tracking.predictions import resolve_model
from tmdscope.tracking.registry import PRODUCTION, resolve
from tmdscope.tracking.scale import Scale
from tmdscope.tracking.standing import read_standing
from tmdscope.tracking.store import connect
from tmdscope.vision.targets import Multilabel


@dataclass(frozen=True)
class Predicted:
    """How a command ended: files that were predicted, that could not be, and images unlike those of training.

    `can_flag` is whether the model can tell the last; `scale` how wide images were beside those of training,
    empty where as wide.
    """

    model: str
    images: int
    unusable: int
    unfamiliar: int
    can_flag: bool
    scale: str = ""

    @property
    def text(self) -> str:
        """A line for the person who waited."""
        parts = [f"{self.model}: {self.images} predicted"]
        if self.unusable:
            parts.append(f"{self.unusable} not used")
        if self.unfamiliar:
            parts.append(f"{self.unfamiliar} unlike what it was trained on: their class means nothing")
        if not self.can_flag:
            parts.append("it was trained on too few samples to tell unfamiliar images")
        return ", ".join([*parts, self.scale] if self.scale else parts)


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
) -> Predicted:
    """Predict files with a registered model and write a line about each as soon as it is known.

    `registered` is the registered model of a bare version or alias; `sha256` the hash that its files must
    have, whatever the store says. Beside CSV and JSON a file that cannot be used is named on standard error
    too. The rest is as for `Predictor.stream`.
    """
    files = find_files(paths)
    client = connect()
    found = resolve_model(client, model, registered)
    if found.uri is None:
        raise UserError(f"{found.title} has no model; name a registered version, see `tmdscope models`")
    by_alias = model.rpartition("@")[2] == PRODUCTION
    if by_alias and not read_standing(client, resolve(client, found.uri).name).is_reviewed:
        say(f"{found.title} was made production by hand: no decision vouches for its files")
    program = load_program(found.uri, sha256)
    predictor = Predictor(program, found.title)
    target = program.config.make_target()
    atoms = target.atoms if isinstance(target, Multilabel) else ()
    head, write = writer(form, program.config.classes, atoms)
    out.write(head)
    counts: Counter[str] = Counter()
    stream = predictor.stream(files, heights, pixel_size_nm, channel)
    for prediction in stream if out.isatty() else progress(stream, len(files), "predict"):
        out.write(write(prediction))
        counts["unusable" if prediction.problem else "images"] += 1
        counts["unfamiliar"] += prediction.unfamiliar
        counts[prediction.scale.partition(":")[0]] += 1
        if prediction.problem and form != "table":
            say(f"not used: {prediction.file}: {prediction.problem}")
    return Predicted(
        found.title,
        counts["images"],
        counts["unusable"],
        counts["unfamiliar"],
        predictor.reliability.can_flag,
        _tell_scale(predictor.scale, counts),
    )


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
