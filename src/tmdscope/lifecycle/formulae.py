"""`tmdscope predict` of a model of formulae: formulae in, a line about each out."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TextIO

import numpy as np

from tmdscope.composition.formulae import read_formula, reduced
from tmdscope.errors import UserError
from tmdscope.names import cell, shown
from tmdscope.stage import say
from tmdscope.tracking.estimators import FormulaModel, load_estimator
from tmdscope.tracking.registry import PRODUCTION, read_standing, resolve
from tmdscope.tracking.store import connect

Form = Literal["table", "csv", "json"]

LEVEL = 0.9
"""Of the intervals that are told."""

_FORMULA_WIDTH = 24


@dataclass(frozen=True)
class FormulaPrediction:
    """What a model says of a formula; `notes` are what is doubtful, `problem` why nothing is said.

    `cheap` is the cheap property where the model's table has it.
    """

    formula: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    cheap: float | None = None
    notes: tuple[str, ...] = ()
    problem: str = ""


def predict_formulae(model: FormulaModel, formulae: Sequence[str]) -> list[FormulaPrediction]:
    """Predict formulae, in their order; of one that cannot be read its problem."""
    problems = {}
    for formula in formulae:
        try:
            read_formula(formula)
        except UserError as error:
            problems[formula] = str(error)
    asked = [formula for formula in formulae if formula not in problems]
    said = iter(model.predict(asked, LEVEL).tolist() if asked else ())
    cheap = iter(model.cheap(asked).tolist() if asked else ())
    found = []
    for formula in formulae:
        if formula in problems:
            found.append(FormulaPrediction(formula, problem=problems[formula]))
            continue
        known, (value, low, high) = next(cheap), next(said)
        found.append(
            FormulaPrediction(
                formula=formula,
                value=value,
                low=low,
                high=high,
                cheap=None if np.isnan(known) else known,
                notes=_notes(model, formula),
            )
        )
    return found


def _notes(model: FormulaModel, formula: str) -> tuple[str, ...]:
    unknown = [symbol for symbol, _ in read_formula(formula) if symbol not in model.about.elements]
    strange = f"UNFAMILIAR: no compound that it learnt from has {', '.join(unknown)}"
    learnt = "it learnt from this very compound" if reduced(formula) in model.learnt else ""
    return tuple(filter(None, (strange if unknown else "", learnt)))


def write_predictions(
    found: Sequence[FormulaPrediction], model: FormulaModel, form: Form, out: TextIO
) -> None:
    """Write a line about each: columns for a terminal, CSV, or one JSON object per line."""
    about = model.about
    names = ("formula", "value", "low", "high", "cheap", "unit", "notes", "problem")
    if form == "csv":
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(names)
        for one in found:
            numbers = [one.value, one.low, one.high, one.cheap]
            told = ["" if number is None else f"{number:.6f}" for number in numbers]
            row = [one.formula, *told, about.unit, "; ".join(one.notes), one.problem]
            writer.writerow(map(cell, row))
    elif form == "json":
        for one in found:
            content: dict[str, Any] = {"unit": about.unit, **asdict(one)}
            kept = {key: value for key, value in content.items() if value not in (None, "", ())}
            out.write(json.dumps(kept) + "\n")
    else:
        title = f"{about.prop} ({about.unit})"
        out.write(f"{'formula':{_FORMULA_WIDTH}}  {title:>14}  {LEVEL:.0%} interval   computed\n")
        for one in found:
            out.write(_line(one))


def _line(one: FormulaPrediction) -> str:
    name = f"{shown(one.formula):{_FORMULA_WIDTH}}"
    if one.problem:
        return f"{name}  not used: {shown(one.problem)}\n"
    cheap = "predicted" if one.cheap is None else f"{one.cheap:.2f}"
    notes = f"  {'; '.join(one.notes)}" if one.notes else ""
    return f"{name}  {one.value:14.2f}  {one.low:5.2f} to {one.high:5.2f}  {cheap:>9}{notes}\n"


@dataclass(frozen=True)
class Told:
    """How a command ended."""

    model: str
    formulae: int
    unusable: int
    source: str

    @property
    def text(self) -> str:
        """A line for the person who waited."""
        made = "it was trained on made compounds: no claim about nature" if self.source == "simulated" else ""
        unusable = f"{self.unusable} not used" if self.unusable else ""
        return ", ".join(filter(None, (f"{self.model}: {self.formulae} predicted", unusable, made)))


def predict_with(
    uri: str, formulae: Sequence[str], form: Form, out: TextIO, sha256: str | None = None
) -> Told:
    """Predict formulae with a registered model and write a line about each.

    `sha256` is the hash that its files must have. `UserError` as for `load_estimator`.
    """
    client = connect()
    version = resolve(client, uri)
    title = f"{version.name} version {version.number}"
    if uri.rpartition("@")[2] == PRODUCTION and not read_standing(client, version.name).is_reviewed:
        say(f"{title} was made production by hand: no decision vouches for its files")
    model = load_estimator(version.uri, sha256)
    found = predict_formulae(model, formulae)
    write_predictions(found, model, form, out)
    for one in found:
        if one.problem and form != "table":
            say(f"not used: {one.problem}")
    unusable = sum(bool(one.problem) for one in found)
    return Told(title, len(found) - unusable, unusable, model.about.source)
