"""Two models on the same held-out images: what each says of them, and how far apart the two are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from tmdscope.scores.classes import f1_per_class
from tmdscope.scores.folds import PARTS
from tmdscope.scores.intervals import Estimate, difference, estimate
from tmdscope.scores.scored import IDENTITY, PROBABILITY, classes_of_predictions
from tmdscope.scores.task import CLASSES, RECALL, Metric, Task

IMAGE_FACTS = IDENTITY[1:]
"""What a table of predictions knows of an image beside its name."""

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class McNemar:
    """McNemar's exact test of two models on the same images.

    The test takes images as independent. Those of one sample are not, so its p-value is too small wherever
    samples hold several images; the interval by sample of `PairedScores.difference` is the one to trust. It
    is two-sided, from the binomial distribution of the smaller number of images that only one model has right
    at equal odds; 1 where both numbers are 0.
    """

    first_only: int
    second_only: int
    p_value: float


PER_CLASS = (RECALL, Metric("f1", "F1", f1_per_class))
"""What is told of every class, from counts of pairs: shape (..., K, K + 1) to (..., K)."""


@dataclass(frozen=True)
class ClassChange:
    """What two models, the first and the second, make of one class: two scores by name of `PER_CLASS`."""

    name: str
    images: int
    scores: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class PairedScores:
    """Scores of two models on the same images, ``out-of-fold`` or ``held-out test``.

    `difference` is first less second, `distinct` the same on the first of identical images only; `mcnemar`
    takes all images. `per_class` has the classes with images here, in label order.
    """

    name: str
    both: tuple[Estimate, Estimate]
    difference: Estimate
    distinct: Estimate
    mcnemar: McNemar
    per_class: list[ClassChange]


@dataclass(frozen=True)
class Pairs:
    """Images and what two models say of them; arrays of shape (N,).

    `first` and `second` hold the class that each finds most probable, `distinct` is True for the first of
    identical images, `classes` is in label order.
    """

    labels: Labels
    first: Labels
    second: Labels
    sample_ids: NDArray[Any]
    distinct: NDArray[np.bool_]
    classes: Sequence[str]
    task: Task = CLASSES

    def scores(self, name: str, resamples: int, seed: int) -> PairedScores:
        """Score both models, with intervals bootstrapped by sample."""
        labels, samples, draws = self.labels, self.sample_ids, (resamples, seed)
        one, other = (
            estimate(self.task, labels, said, samples, *draws) for said in (self.first, self.second)
        )
        keep = self.distinct
        distinct = (labels[keep], self.first[keep], self.second[keep], samples[keep])
        return PairedScores(
            name=name,
            both=(one, other),
            difference=difference(self.task, labels, self.first, self.second, samples, *draws),
            distinct=difference(self.task, *distinct, *draws),
            mcnemar=mcnemar(labels, self.first, self.second),
            per_class=self._per_class(),
        )

    def _per_class(self) -> list[ClassChange]:
        together = np.zeros(self.labels.shape, dtype=np.int64)
        (both,) = self.task.paired_counts(self.labels, self.first, self.second, together)
        images = np.bincount(self.labels, minlength=len(self.classes))
        told = {metric.name: metric.of(both) for metric in PER_CLASS}
        return [
            ClassChange(
                name=name,
                images=int(images[k]),
                scores={key: (float(found[0, k]), float(found[1, k])) for key, found in told.items()},
            )
            for k, name in enumerate(self.classes)
            if images[k]
        ]


def mcnemar(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> McNemar:
    """Test whether two models are wrong equally often (McNemar, Psychometrika 12, 1947, exact form)."""
    true = np.asarray(labels)
    right, other_right = np.asarray(first) == true, np.asarray(second) == true
    one = int(np.count_nonzero(right & ~other_right))
    other = int(np.count_nonzero(other_right & ~right))
    p_value = float(binomtest(one, one + other, 0.5).pvalue) if one + other else 1.0
    return McNemar(one, other, p_value)


def held_out(predictions: pd.DataFrame) -> pd.DataFrame:
    """Give what a model says of the images that it was not trained on, from its `predictions_table`.

    One row per image, by ``image_id``: `IMAGE_FACTS`; ``part``; ``predicted``, the most probable class; and
    ``probability`` of it. Part ``test`` is judged by the mean of all folds' probabilities, ``val`` by
    the fold that held the image out. All other images have an empty part and no prediction: those that
    are only trained on, that a fold of several validates on, that are tested by some folds only, or
    whose content or sample is also in another part of the same fold.
    """
    columns = [PROBABILITY + name for name in classes_of_predictions(predictions)]
    table = predictions.astype(dict.fromkeys(columns, np.float64))
    facts = table.drop_duplicates("image_id").set_index("image_id")[list(IMAGE_FACTS)].sort_index()
    part = _roles(table)
    judged = table[table["part"] == table["image_id"].map(part)]
    mean = judged.groupby("image_id")[columns].mean()
    said = pd.DataFrame(
        {
            "predicted": np.array(classes_of_predictions(table))[mean.to_numpy().argmax(axis=1)],
            "probability": mean.to_numpy().max(axis=1),
        },
        index=mean.index,
    )
    return facts.join(part).join(said)


def compare(
    first: pd.DataFrame, second: pd.DataFrame, classes: Sequence[str], resamples: int, seed: int
) -> dict[str, Estimate]:
    """Compare two experiments of one study, first less second, from their `predictions_table`.

    ``ensemble_test`` is on the held-out test, by the mean of the folds' probabilities; ``out_of_fold`` on the
    images that folds validate on, each by the fold that did. `ValueError` where the images are not the same.
    """
    sides, names, found = [held_out(first), held_out(second)], pd.Index(classes), {}
    for name, part in (("ensemble_test", "test"), ("out_of_fold", "val")):
        one, other = (side[side["part"] == part] for side in sides)
        if not one.index.equals(other.index):
            raise ValueError(f"{name}: the two experiments were scored on different images")
        found[name] = difference(
            CLASSES,
            names.get_indexer(one["label"]),
            names.get_indexer(one["predicted"]),
            names.get_indexer(other["predicted"]),
            one["sample_id"].to_numpy(dtype=str),
            resamples,
            seed,
        )
    return found


def _roles(table: pd.DataFrame) -> pd.Series:
    """Give each image the one part in which all folds may judge it, or an empty text."""
    placed = table[table["part"].isin(PARTS)]
    folds = {part: (placed["part"] == part).groupby(placed["image_id"]).sum() for part in PARTS}
    counts = pd.DataFrame(folds)
    tested = counts["test"] == table["fold"].nunique()
    validated = (counts["val"] == 1) & (counts["test"] == 0)
    for key in ("image_id", "image_sha256", "sample_id"):
        parts = placed.groupby(["fold", key])["part"].transform("nunique")
        leaking = counts.index.isin(placed.loc[parts > 1, "image_id"])
        tested, validated = tested & ~leaking, validated & ~leaking
    roles = np.select([tested, validated], ["test", "val"], "")
    return pd.Series(roles, counts.index, name="part").reindex(table["image_id"].unique(), fill_value="")
