"""Two models compared image by image, on images that neither was trained on."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from tmdscope.dataset.store import classes_of
from tmdscope.errors import UserError
from tmdscope.scores.intervals import Estimate
from tmdscope.scores.paired import IMAGE_FACTS, PairedScores, Pairs, held_out
from tmdscope.scores.scored import classes_of_predictions
from tmdscope.scores.task import Task
from tmdscope.tracking.predictions import ScoredModel, read_predictions
from tmdscope.tracking.registry import Client, Version

HELD_OUT = {"val": "out-of-fold", "test": "held-out test"}
"""Part of a split to what its images are called."""

_REASONS = (
    "in the table of one model only",
    "other content under the same name",
    "another label or sample",
    "a class that one model does not know",
    "not held out in the same part by both",
)


@dataclass(frozen=True)
class Comparison:
    """Two models on the images that both held out.

    `held_out` has ``out-of-fold`` and ``held-out test``, each where the two have such images in common.
    `compared` has a row per image, by name: ``image_id, sample_id, label, image_sha256, part`` (a value of
    `HELD_OUT`), ``first, second`` (what each says) and ``p_first, p_second`` (the probability of that).
    `left_out` is why images were not compared to their number; `classes` are those that each model knows.
    """

    held_out: list[PairedScores]
    compared: pd.DataFrame
    left_out: dict[str, int]
    classes: tuple[tuple[str, ...], tuple[str, ...]]
    task: Task

    @property
    def disagreements(self) -> pd.DataFrame:
        """The images of which the two say different things, those first of which both are surest."""
        table = self.compared[self.compared["first"] != self.compared["second"]]
        sureness = table[["p_first", "p_second"]].min(axis=1)
        order = sureness.sort_values(ascending=False, kind="stable").index
        return table.loc[order].reset_index(drop=True)

    def to_dict(self) -> dict[str, Any]:
        """Give ``held_out`` by name, the number of ``disagreements``, ``left_out`` and ``classes``."""
        return {
            "held_out": {scores.name: _record(scores) for scores in self.held_out},
            "disagreements": len(self.disagreements),
            "left_out": self.left_out,
            "classes": self.classes,
        }


def _record(scores: PairedScores) -> dict[str, Any]:
    one, other = scores.both
    return {
        "name": scores.name,
        "images": one.images,
        "samples": one.samples,
        **{name: [value, other.values[name]] for name, value in one.values.items()},
        "intervals": [
            {**side.bounds, "samples": side.samples, "scores": list(side.values.values())}
            for side in scores.both
        ],
        "difference": scores.difference.record(),
        "distinct": scores.distinct.record(),
        "mcnemar": asdict(scores.mcnemar),
        "per_class": [{"name": c.name, "images": c.images, **c.scores} for c in scores.per_class],
    }


def figures_of(difference: Estimate) -> dict[str, float]:
    """Give a difference as metrics of a run: ``NAME_difference``, with ``_low`` and ``_high`` where known."""
    figures: dict[str, float] = {}
    for name, value in difference.values.items():
        figures[f"{name}_difference"] = value
        if bounds := difference.bounds[name]:
            figures[f"{name}_difference_low"], figures[f"{name}_difference_high"] = bounds
    return figures


def common_task(first: Task, second: Task) -> Task:
    """Give the task of two models; `UserError` where each has another: their scores cannot be compared."""
    if first.record() != second.record():
        raise UserError(
            f"one model predicts {first.record()}, the other {second.record()}: compare models of one task"
        )
    return first


Compared = Version | ScoredModel
"""What can be compared: it has a run that keeps predictions, and a task."""


def compare_versions(
    client: Client, first: Compared, second: Compared, resamples: int, seed: int
) -> Comparison:
    """Compare two models, first less second, by the predictions that their runs keep."""
    task = common_task(first.task, second.task)
    one, other = (read_predictions(client, model.run_id) for model in (first, second))
    return compare_predictions(one, other, task, resamples, seed)


def compare_predictions(
    first: pd.DataFrame, second: pd.DataFrame, task: Task, resamples: int, seed: int
) -> Comparison:
    """Compare two models, first less second, by what their folds say.

    Images are matched by name and content. Only those count that both models held out in the same part, and
    whose class both know; `UserError` where there are none. The tables are those of
    `tmdscope.tracking.predictions.read_predictions`.
    """
    one, other = (classes_of_predictions(table) for table in (first, second))
    sides = [held_out(table).add_suffix(f"_{side}") for table, side in ((first, "first"), (second, "second"))]
    joined = sides[0].join(sides[1], how="outer").sort_index()  # empty where a model does not list an image
    reasons = _reasons(joined, set(one) & set(other))
    counts = reasons.value_counts()
    left_out = {reason: int(counts[reason]) for reason in _REASONS if reason in counts}
    common = joined[reasons == ""]
    if common.empty:
        told = "; ".join(f"{reason}: {count}" for reason, count in left_out.items())
        raise UserError(
            f"the two models held out no image in common ({told or 'no images'}); compare models that were "
            "scored on the same data and split"
        )
    classes = classes_of(one + other)
    scores = [
        _pairs(common[common["part_first"] == part], classes, task).scores(name, resamples, seed)
        for part, name in HELD_OUT.items()
        if (common["part_first"] == part).any()
    ]
    return Comparison(scores, _compared(common), left_out, (tuple(one), tuple(other)), task)


def _reasons(joined: pd.DataFrame, known: set[str]) -> pd.Series:
    """Say of each image why it is not compared; an empty text where it is."""
    differs = {fact: joined[f"{fact}_first"] != joined[f"{fact}_second"] for fact in (*IMAGE_FACTS, "part")}
    found = [
        joined["part_first"].isna() | joined["part_second"].isna(),
        differs["image_sha256"],
        differs["label"] | differs["sample_id"],
        ~joined["label_first"].isin(known),
        differs["part"] | ~joined["part_first"].isin(list(HELD_OUT)),
    ]
    return pd.Series(np.select(found, _REASONS, ""), joined.index)


def _pairs(images: pd.DataFrame, classes: tuple[str, ...], task: Task) -> Pairs:
    names = pd.Index(classes)
    labels, one, other = (
        names.get_indexer(images[column]).astype(np.int64)
        for column in ("label_first", "predicted_first", "predicted_second")
    )
    return Pairs(
        labels=labels,
        first=one,
        second=other,
        sample_ids=images["sample_id_first"].to_numpy(dtype=str),
        distinct=~images["image_sha256_first"].duplicated().to_numpy(),
        classes=classes,
        task=task,
    )


def _compared(common: pd.DataFrame) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            **{fact: common[f"{fact}_first"] for fact in IMAGE_FACTS},
            "part": common["part_first"].map(HELD_OUT),
            "first": common["predicted_first"],
            "second": common["predicted_second"],
            "p_first": common["probability_first"],
            "p_second": common["probability_second"],
        }
    )
    return table.rename_axis("image_id").reset_index()
