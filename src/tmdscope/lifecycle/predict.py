"""`tmdscope predict`: files in, a line about each out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tmdscope.lifecycle.inputs import find_files
from tmdscope.lifecycle.prediction_text import Form, writer
from tmdscope.lifecycle.predictor import Predictor
from tmdscope.progress import progress
from tmdscope.stage import UserError, say
from tmdscope.tracking.models import load_program
from tmdscope.tracking.predictions import resolve_model
from tmdscope.tracking.store import connect
from tmdscope.vision.targets import Multilabel


@dataclass(frozen=True)
class Predicted:
    """How a command ended.

    Attributes
    ----------
    model : str
        The model, in words.
    images : int
        Files that were predicted.
    unusable : int
        Files that were not.
    unfamiliar : int
        Images unlike those the model was trained on.
    can_flag : bool
        Whether the model can tell.
    """

    model: str
    images: int
    unusable: int
    unfamiliar: int
    can_flag: bool

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
        return ", ".join(parts)


def predict_files(
    paths: Sequence[Path],
    model: str,
    registered: str,
    form: Form,
    heights: bool,
    out: TextIO,
    channel: str | None = None,
) -> Predicted:
    """Predict files with a registered model and write a line about each as soon as it is known.

    Parameters
    ----------
    paths : sequence of Path
        Files; folders stand for the pictures below them.
    model : str
        Version, alias or address.
    registered : str
        Registered model of a bare version or alias.
    form : {"table", "csv", "json"}
        How lines are written.
    heights : bool
        Whether files hold heights, which are levelled first.
    out : file object
        Gets the lines. Beside CSV and JSON a file that cannot be used is named on standard error too.
    channel : str, optional
        Name of the channel of instrument files; without one that of the heights is found.

    Returns
    -------
    Predicted
        Counts.

    Raises
    ------
    UserError
        There is no such model, it cannot be loaded, or nothing was given to predict.
    """
    files = find_files(paths)
    found = resolve_model(connect(), model, registered)
    if found.uri is None:
        raise UserError(f"{found.title} has no model; name a registered version, see `tmdscope models`")
    program = load_program(found.uri)
    predictor = Predictor(program, found.title)
    target = program.config.make_target()
    atoms = target.atoms if isinstance(target, Multilabel) else ()
    head, write = writer(form, program.config.classes, atoms)
    out.write(head)
    counts: Counter[str] = Counter()
    stream = predictor.stream(files, heights, channel)
    for prediction in stream if out.isatty() else progress(stream, len(files), "predict"):
        out.write(write(prediction))
        counts["unusable" if prediction.problem else "images"] += 1
        counts["unfamiliar"] += prediction.unfamiliar
        if prediction.problem and form != "table":
            say(f"not used: {prediction.file}: {prediction.problem}")
    return Predicted(
        found.title,
        counts["images"],
        counts["unusable"],
        counts["unfamiliar"],
        predictor.reliability.can_flag,
    )
