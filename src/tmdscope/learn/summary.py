"""What a cross-validation amounts to: means over folds, pooled scores with intervals, confusion matrices."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.crossval import FoldResult
from tmdscope.materials import INVALID
from tmdscope.params.common import ScoringParams
from tmdscope.scores.classes import confusion_matrix, invalid_count
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.folds import PARTS, mean_over_folds
from tmdscope.scores.scored import IDENTITY, PROBABILITY
from tmdscope.scores.task import Metric, Task

Labels = NDArray[np.int64]


def summarise(
    results: Sequence[FoldResult], folds: Sequence[FoldParts], cohort: Cohort, scoring: ScoringParams
) -> dict[str, Any]:
    """Summarise a cross-validation.

    ``train``, ``val`` and ``test`` have each score's mean and population standard deviation over folds, of
    ``key.CLASS`` under ``key`` over the folds whose part holds some of the class; ``best_fold`` is the number
    of the fold with the best validation score; ``out_of_fold`` pools the validation predictions of all folds;
    ``ensemble_test`` is of the mean of the folds' probabilities on the held-out test.
    """
    primary = cohort.task.primary
    validated = [result.scores[f"val_{primary.name}"] for result in results]
    rows, predicted = out_of_fold(results, folds)
    test = folds[0].test
    together = np.mean([result.probabilities[test] for result in results], axis=0, dtype=np.float64)
    return {
        **{part: _over_folds(results, part) for part in PARTS},
        "best_fold": int(np.argmax([primary.gain(value, 0) for value in validated])),
        "out_of_fold": cohort.pooled(rows, predicted, scoring),
        "ensemble_test": cohort.pooled(test, together.argmax(axis=1), scoring),
    }


def _over_folds(results: Sequence[FoldResult], part: str) -> dict[str, Any]:
    scores: dict[str, Any] = {}
    for key, found in mean_over_folds([result.scores for result in results]).items():
        if not key.startswith(f"{part}_"):
            continue
        name, _, label = key.removeprefix(f"{part}_").partition(".")
        if label:
            scores.setdefault(name, {})[label] = found
        else:
            scores[name] = found
    return scores


def out_of_fold(results: Sequence[FoldResult], folds: Sequence[FoldParts]) -> tuple[Labels, Labels]:
    """Pool each fold's predictions on the images it validates on: rows in the data set and classes, int64."""
    rows = np.concatenate([fold.val for fold in folds])
    pairs = zip(results, folds, strict=True)
    return rows, np.concatenate([result.probabilities[fold.val].argmax(axis=1) for result, fold in pairs])


def mean_confusion(
    results: Sequence[FoldResult], labels: Labels, rows: Labels, classes: int
) -> NDArray[np.float64]:
    """Average the folds' confusion matrices on the same images: rows true, columns most probable.

    `labels` are of all images of the data set, `rows` the images to count.
    """
    counted = [
        confusion_matrix(labels[rows], result.probabilities[rows].argmax(axis=1), classes)
        for result in results
    ]
    mean: NDArray[np.float64] = np.mean(counted, axis=0)
    return mean


def mean_history(results: Sequence[FoldResult], metric: Metric) -> pd.DataFrame:
    """Average the folds' training curves: per ``epoch`` losses and scores over the folds still training."""
    curves = [pd.DataFrame([scores.named(metric) for scores in result.fit.history]) for result in results]
    mean = pd.concat(curves).groupby(level=0).mean()
    mean.insert(0, "epoch", np.arange(1, len(mean) + 1))
    return mean


def decoded_confusion(
    predictions: pd.DataFrame, labels: Labels, classes: Sequence[str]
) -> tuple[NDArray[np.float64], float]:
    """Average the folds' confusion matrices on the held-out test, by the paper's decoding.

    Every fold of the `predictions_table` lists all images in the order of the labels. Gives mean counts, rows
    true, and the mean number of outputs that stand for no class, which are in no column.
    """
    counted, invalid = [], []
    for _, fold in predictions.groupby("fold"):
        held_out = (fold["part"] == "test").to_numpy()
        decoded = _decoded(fold, classes)[held_out]
        counted.append(confusion_matrix(labels[held_out], decoded, len(classes)))
        invalid.append(invalid_count(decoded))
    return np.mean(counted, axis=0), float(np.mean(invalid))


def decoded_scores(
    predictions: pd.DataFrame, labels: Labels, classes: Sequence[str], task: Task
) -> dict[str, Any]:
    """Score every fold by the paper's decoding: an output that stands for no class is wrong.

    Every fold of the `predictions_table` lists all images in the order of the labels. Gives for each part and
    metric mean and population standard deviation over folds.
    """
    folds = [fold for _, fold in predictions.groupby("fold")]
    scores: dict[str, Any] = {}
    for part in PARTS:
        each = []
        for fold in folds:
            rows = (fold["part"] == part).to_numpy()
            each.append(task.scores(labels[rows], _decoded(fold, classes)[rows]))
        scores[part] = mean_over_folds(each)
    return scores


def _decoded(fold: pd.DataFrame, classes: Sequence[str]) -> Labels:
    labels = pd.Index(classes).get_indexer(fold["decoded"])
    return np.where(labels < 0, INVALID, labels)


def confusion_pairs(counts: NDArray[np.float64], classes: Sequence[str]) -> pd.DataFrame:
    """Write a confusion matrix (rows true) as one row per image, the form that DVC plots.

    Columns are ``true`` and ``predicted``; counts are rounded to whole images.
    """
    true, predicted = (np.asarray(classes, dtype=object)[place] for place in np.indices(counts.shape))
    times = np.rint(counts).astype(int).ravel()
    columns = {"true": true.ravel(), "predicted": predicted.ravel()}
    return pd.DataFrame(columns).loc[lambda table: table.index.repeat(times)].reset_index(drop=True)


def predictions_table(
    results: Sequence[FoldResult],
    folds: Sequence[FoldParts],
    manifest: pd.DataFrame,
    classes: Sequence[str],
) -> pd.DataFrame:
    """List every fold's prediction of every image that is in one of its parts.

    The manifest has the columns `IDENTITY` of all images. Gives one row per fold and image: ``fold``, these
    columns, ``part, decoded`` (class name by the paper's decoding, empty where the output stands for no
    class), and ``p_<class>``.
    """
    rows, parts = [], []
    for fold in folds:
        part = np.full(len(manifest), "", dtype=object)
        for name in PARTS:
            part[getattr(fold, name)] = name
        rows.append(np.flatnonzero(part != ""))
        parts.append(part[rows[-1]])
    table = manifest[list(IDENTITY)].take(np.concatenate(rows)).reset_index(drop=True)
    table.insert(0, "fold", np.repeat([result.fold for result in results], [len(own) for own in rows]))
    pairs = list(zip(results, rows, strict=True))
    decoded = np.concatenate([result.decoded[own] for result, own in pairs])
    table["part"] = np.concatenate(parts)
    table["decoded"] = [classes[label] if label >= 0 else "" for label in decoded]
    for k, name in enumerate(classes):
        table[PROBABILITY + name] = np.concatenate([result.probabilities[own, k] for result, own in pairs])
    return table
