"""What a cross-validated experiment left on disk, read back and held against its predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from tmdscope.dataset.label import take_label
from tmdscope.dataset.store import digest_of
from tmdscope.files import broken, read_table
from tmdscope.run_record import ExperimentRun
from tmdscope.scores.facts import Facts
from tmdscope.scores.folds import PARTS, mean_over_folds
from tmdscope.scores.records import ExperimentScores
from tmdscope.scores.task import CLASSES

SCORES = "scores.json"
PREDICTIONS = "predictions.parquet"
FACTS = "facts.json"
RUN = "run.json"

IDENTITY = ("image_id", "sample_id", "label", "image_sha256")
"""Columns of a table of predictions that say which image it is."""

PROBABILITY = "p_"
"""Before a class name: the column of its probability."""

_PROBABILITIES = r"^p_.+"
_WHOLE = 1e-3  # of a sum of probabilities
_ROUNDING = 1e-6
_SCHEMA = pa.DataFrameSchema(
    {
        "fold": pa.Column(int, pa.Check.ge(0), coerce=True),
        "image_id": pa.Column(str),
        "sample_id": pa.Column(str),
        "label": pa.Column(str),
        "image_sha256": pa.Column(str, pa.Check.str_matches(r"^[0-9a-f]{64}$")),
        "part": pa.Column(str, pa.Check.isin(PARTS)),
        _PROBABILITIES: pa.Column(float, pa.Check.in_range(0, 1.001), coerce=True, regex=True),
    },
    checks=[
        pa.Check(
            lambda table: (table.filter(regex=_PROBABILITIES).sum(axis=1) - 1).abs() < _WHOLE,
            name="probabilities sum to 1",
        ),
        pa.Check(
            lambda table: not table[table["part"] == "val"]["image_id"].duplicated().any(),
            name="an image validates in one fold",
        ),
    ],
    unique=["fold", "image_id"],
)


@dataclass(frozen=True)
class Scored:
    """What a cross-validated experiment left: its JSON files and its `summary.predictions_table`."""

    scores: ExperimentScores
    facts: Facts
    run: ExperimentRun
    predictions: pd.DataFrame

    @classmethod
    def read(cls, folder: Path, of: Mapping[str, str], files: Sequence[Path] = ()) -> "Scored":
        """Read an experiment's folder; its scores are those of its predictions, all folds of all images.

        It must be of `of` (``data`` and ``split`` to a SHA-256); `files` must be those that were written with
        it.
        """
        scores_path, facts_path, path = folder / SCORES, folder / FACTS, folder / PREDICTIONS
        run = ExperimentRun.read(folder / RUN, of, [path, *files])
        if run.experiment != folder.name:
            raise broken(folder / RUN, f"is of experiment {run.experiment!r}, not of {folder.name!r}")
        scores, facts = ExperimentScores.read(scores_path, of), Facts.read(facts_path, of)
        predictions = take_label(path, read_table(path))
        problems = find_problems(predictions)
        if not problems and not set(predictions["label"]) <= set(classes_of_predictions(predictions)):
            problems = ["a class has no probability"]
        if problems:
            raise broken(path, "is no table of predictions: " + "; ".join(problems))
        for number, fold in predictions.groupby("fold"):
            if digest_of(fold) != of["data"]:
                raise broken(path, f"does not hold every image once, in order, for fold {number}")
        placed = predictions.pivot_table(index="fold", columns="part", values="image_id", aggfunc=tuple)
        if placed.empty or set(placed) != set(PARTS) or placed.isna().any(axis=None):
            raise broken(path, "does not hold train, val and test of every fold")
        if len(set(placed["test"])) > 1:
            raise broken(path, "does not hold one test for all folds")
        for where, found in ((scores_path, scores.to_dict()), (facts_path, facts.scores)):
            wrong = find_contradictions(found, predictions)
            if wrong:
                raise broken(where, f"is not of {PREDICTIONS} beside it: {'; '.join(wrong)}")
        return cls(scores, facts, run, predictions)


def find_problems(predictions: pd.DataFrame) -> list[str]:
    """Find what keeps a table from being one of predictions: columns that lack, values that cannot be."""
    lacking = [name for name in _SCHEMA.columns if name != _PROBABILITIES and name not in predictions]
    if lacking:
        return [f"it has no column {name}" for name in lacking]
    try:
        _SCHEMA.validate(predictions, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases.drop_duplicates(["column", "check"])
        return [f"{case.column}: {case.check} (got {case.failure_case!r})" for case in cases.itertuples()]
    return []


def find_contradictions(scores: Mapping[str, Any], predictions: pd.DataFrame) -> list[str]:
    """Compare scores, as `summarise` gives them, with the predictions that they are of; lists what differs.

    Every fold lists all images in one order.
    """
    recomputed = _recompute(predictions)
    stored = {key: _at(scores, key) for key in recomputed}
    return [
        f"{key} is {stored[key]}, the predictions give {value:.6g}"
        for key, value in recomputed.items()
        if not isinstance(stored[key], int | float) or not abs(stored[key] - value) <= _ROUNDING
    ]


def _recompute(predictions: pd.DataFrame) -> dict[str, float]:
    classes = pd.Index(classes_of_predictions(predictions))
    values = predictions.filter(regex=_PROBABILITIES).to_numpy()
    labels, predicted = classes.get_indexer(predictions["label"]), values.argmax(axis=1)
    fold, part = predictions["fold"].to_numpy(), predictions["part"].to_numpy()
    folds = np.unique(fold)
    found: dict[str, float] = {}
    for name in PARTS:
        rows = [(fold == number) & (part == name) for number in folds]
        each = [CLASSES.scores(labels[own], predicted[own]) for own in rows]
        for metric, over in mean_over_folds(each).items():
            found |= {f"{name}.{metric}.{key}": value for key, value in over.items()}
    validated = part == "val"
    test = [(fold == number) & (part == "test") for number in folds]
    together = np.mean([values[own] for own in test], axis=0, dtype=np.float64).argmax(axis=1)
    for key, scores in (
        ("out_of_fold", CLASSES.scores(labels[validated], predicted[validated])),
        ("ensemble_test", CLASSES.scores(labels[test[0]], together)),
    ):
        found |= {f"{key}.{metric}": value for metric, value in scores.items()}
    own = [(fold == number) & (part == "val") for number in folds]
    found["best_fold"] = int(np.argmax([CLASSES.score(labels[rows], predicted[rows]) for rows in own]))
    return found


def classes_of_predictions(predictions: pd.DataFrame) -> list[str]:
    """List the classes that a model knows, in the order of the columns of its `predictions_table`."""
    return [name.removeprefix(PROBABILITY) for name in predictions if name.startswith(PROBABILITY)]


def _at(content: Any, key: str) -> Any:
    for name in key.split("."):
        content = content.get(name) if isinstance(content, Mapping) else None
    return content
