"""Two models on the same held-out images: what each says of them, and how far apart the two are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from tmdscope.scores.intervals import Difference, Intervals, bootstrap_by_sample, paired_difference
from tmdscope.scores.metrics import confusion_matrix, recall_per_class
from tmdscope.scores.scored import IDENTITY, PARTS

FACTS = IDENTITY[1:]
"""What a table of predictions knows of an image beside its name."""

PROBABILITY = "p_"
"""Before a class name: the column of its probability."""

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


@dataclass(frozen=True)
class ClassChange:
    """What two models, the first and the second, make of one class; scores in 0..1."""

    name: str
    images: int
    recall: tuple[float, float]
    f1: tuple[float, float]

    @property
    def recall_change(self) -> float:
        """Recall of the first model less that of the second."""
        return self.recall[0] - self.recall[1]

    @property
    def f1_change(self) -> float:
        """F1 of the first model less that of the second."""
        return self.f1[0] - self.f1[1]


@dataclass(frozen=True)
class PairedScores:
    """Scores, in 0..1, of two models on the same images, ``out-of-fold`` or ``held-out test``.

    `difference` is first less second, `distinct` the same on the first of identical images only; `mcnemar`
    takes all images. `per_class` has the classes with images here, in label order.
    """

    name: str
    images: int
    samples: int
    accuracy: tuple[float, float]
    macro_f1: tuple[float, float]
    intervals: tuple[Intervals, Intervals]
    difference: Difference
    distinct: Difference
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

    def scores(self, name: str, resamples: int, seed: int) -> PairedScores:
        """Score both models, with intervals bootstrapped by sample."""
        labels, samples, both = self.labels, self.sample_ids, (self.first, self.second)
        one, other = (bootstrap_by_sample(labels, said, samples, resamples, seed) for said in both)
        keep = self.distinct
        return PairedScores(
            name=name,
            images=len(labels),
            samples=one.samples,
            accuracy=(one.scores[0], other.scores[0]),
            macro_f1=(one.scores[1], other.scores[1]),
            intervals=(one, other),
            difference=paired_difference(labels, *both, samples, resamples, seed),
            distinct=paired_difference(
                labels[keep], self.first[keep], self.second[keep], samples[keep], resamples, seed
            ),
            mcnemar=mcnemar(labels, *both),
            per_class=self._per_class(),
        )

    def _per_class(self) -> list[ClassChange]:
        count = len(self.classes)
        images = np.bincount(self.labels, minlength=count)
        both = (self.first, self.second)
        recall = [recall_per_class(self.labels, said, count) for said in both]
        f1 = [f1_per_class(self.labels, said, count) for said in both]
        return [
            ClassChange(
                name=name,
                images=int(images[k]),
                recall=(float(recall[0][k]), float(recall[1][k])),
                f1=(float(f1[0][k]), float(f1[1][k])),
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


def f1_per_class(labels: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.float64]:
    """Compute F1 = 2 TP / (2 TP + FP + FN), shape (classes,); 0 for a class neither true nor predicted.

    Labels and predictions are int, shape (images,), in 0..classes - 1.
    """
    counts = confusion_matrix(labels, predicted, classes)
    total = counts.sum(axis=0) + counts.sum(axis=1)
    hits = 2.0 * np.diagonal(counts)
    scores: NDArray[np.float64] = np.divide(hits, total, out=np.zeros(classes), where=total > 0)
    return scores


def classes_of_predictions(predictions: pd.DataFrame) -> list[str]:
    """List the classes that a model knows, in the order of the columns of its `predictions_table`."""
    return [name.removeprefix(PROBABILITY) for name in predictions if name.startswith(PROBABILITY)]


def held_out(predictions: pd.DataFrame) -> pd.DataFrame:
    """Give what a model says of the images that it was not trained on, from its `predictions_table`.

    One row per image, by ``image_id``: `FACTS`; ``part``; ``predicted``, the most probable class; and
    ``probability`` of it. Part ``test`` is judged by the mean of all folds' probabilities, ``val`` by
    the fold that held the image out. All other images have an empty part and no prediction: those that
    are only trained on, that a fold of several validates on, that are tested by some folds only, or
    whose content or sample is also in another part of the same fold.
    """
    columns = [PROBABILITY + name for name in classes_of_predictions(predictions)]
    table = predictions.astype(dict.fromkeys(columns, np.float64))
    facts = table.drop_duplicates("image_id").set_index("image_id")[list(FACTS)].sort_index()
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
) -> dict[str, Difference]:
    """Compare two experiments of one study, first less second, from their `predictions_table`.

    ``ensemble_test`` is on the held-out test, by the mean of the folds' probabilities; ``out_of_fold`` on the
    images that folds validate on, each by the fold that did. `ValueError` where the images are not the same.
    """
    sides, names, found = [held_out(first), held_out(second)], pd.Index(classes), {}
    for name, part in (("ensemble_test", "test"), ("out_of_fold", "val")):
        one, other = (side[side["part"] == part] for side in sides)
        if not one.index.equals(other.index):
            raise ValueError(f"{name}: the two experiments were scored on different images")
        found[name] = paired_difference(
            names.get_indexer(one["material"]),
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
