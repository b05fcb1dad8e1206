from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.cohorts import make_cohort
from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.checkpoint import EpochScores
from tmdscope.learn.crossval import FoldResult
from tmdscope.learn.fit import FitResult
from tmdscope.learn.summary import (
    PARTS,
    confusion_pairs,
    decoded_confusion,
    decoded_scores,
    mean_confusion,
    mean_history,
    out_of_fold,
    predictions_table,
    summarise,
)
from tmdscope.materials import INVALID
from tmdscope.params.common import ScoringParams
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.intervals import estimate
from tmdscope.scores.task import CLASSES, MACRO_F1

LABELS = np.array([0, 1] * 6)
MANIFEST = pd.DataFrame(
    {
        "image_id": [f"i{k}" for k in range(12)],
        "sample_id": [f"s{k // 2}" for k in range(12)],
        "label": ["a", "b"] * 6,
        "image_sha256": [f"{k:064x}" for k in range(12)],
    }
)
FOLDS = [
    FoldParts(np.arange(7, 12), np.arange(2, 7), np.arange(2)),
    FoldParts(np.arange(2, 7), np.arange(7, 12), np.arange(2)),
]


METRICS = ("loss", "accuracy", "macro_f1")


def result(fold: int, wrong: list[int]) -> FoldResult:
    probabilities = np.eye(2, dtype=np.float32)[LABELS] * 0.8 + 0.1
    probabilities[wrong] = probabilities[wrong][:, ::-1]
    history = tuple(EpochScores(1.0 / (k + 1), 0.5, 2.0 / (k + 1), 0.25 * (k + 1 + fold)) for k in range(2))
    scores = {f"{part}_{metric}": 0.5 + 0.1 * fold for part in PARTS for metric in METRICS}
    decoded = probabilities.argmax(axis=1)
    return FoldResult(fold, FitResult(2, history), scores, probabilities, decoded)


RESULTS = [result(0, wrong=[2, 8]), result(1, wrong=[3, 7])]


SCORING = ScoringParams(bootstrap=200, seed=1)


def cohort(distinct: list[int]) -> Cohort:
    """Images after the first of these that are none of them are that one again."""
    hashes = np.array([str(k) if k in distinct or k < distinct[0] else str(distinct[0]) for k in range(12)])
    return make_cohort(None, [f"s{k // 2}" for k in range(12)], LABELS, ("a", "b"), hashes=hashes)


def test_validation_predictions_are_pooled_fold_by_fold() -> None:
    rows, predicted = out_of_fold(RESULTS, FOLDS)
    assert rows.tolist() == list(range(2, 12))
    assert np.flatnonzero(predicted != LABELS[rows]).tolist() == [0, 5]  # rows 2 and 7; 8 and 3 were training


def test_the_summary_holds_folds_pool_and_ensemble() -> None:
    summary = summarise(RESULTS, FOLDS, cohort(list(range(12))), SCORING)
    assert summary["val"]["accuracy"] == {"mean": pytest.approx(0.55), "std": pytest.approx(0.05)}
    assert summary["best_fold"] == 1
    pooled = summary["out_of_fold"]
    assert (pooled["images"], pooled["samples"], pooled["accuracy"]) == (10, 5, 0.8)
    assert pooled["accuracy_ci95"][0] <= 0.8 <= pooled["accuracy_ci95"][1]
    assert summary["ensemble_test"]["accuracy"] == 1.0


def test_recall_is_a_mean_over_the_folds_that_hold_the_class() -> None:
    recalls = [{"test_recall.a": 0.5, "val_recall.a": 0.25}, {"test_recall.a": 1.0, "test_recall.b": 0.75}]
    scored = [replace(one, scores={**one.scores, **more}) for one, more in zip(RESULTS, recalls, strict=True)]
    summary = summarise(scored, FOLDS, cohort(list(range(12))), SCORING)
    assert summary["test"]["recall"] == {
        "a": {"mean": 0.75, "std": 0.25},
        "b": {"mean": 0.75, "std": 0.0},
    }
    assert summary["val"]["recall"] == {"a": {"mean": 0.25, "std": 0.0}}
    assert "recall" not in summary["train"]


def test_intervals_are_those_of_the_bootstrap_by_sample() -> None:
    rows, predicted = np.arange(2, 12), LABELS[2:].copy()
    predicted[[0, 1, 5]] = 1 - predicted[[0, 1, 5]]
    scores = cohort([2, 3, 4, 5, 6, 7]).pooled(rows, predicted, SCORING)
    names = np.array([f"s{k // 2}" for k in range(12)])
    expected = estimate(CLASSES, LABELS[rows], predicted, names[rows], resamples=200, seed=1)
    assert scores["accuracy_ci95"] == list(expected.bounds["accuracy"])
    assert scores["macro_f1_ci95"] == list(expected.bounds["macro_f1"])
    assert scores["accuracy_ci95"][0] < scores["accuracy"] < scores["accuracy_ci95"][1]
    first = estimate(CLASSES, LABELS[2:8], predicted[:6], names[2:8], resamples=200, seed=1)
    assert scores["distinct"]["accuracy_ci95"] == list(first.bounds["accuracy"])
    assert scores["distinct"]["samples"] == 3


def test_duplicates_are_left_out_of_the_distinct_score() -> None:
    rows = np.arange(4)
    scores = cohort([0, 1, 3]).pooled(rows, np.array([0, 1, 1, 1]), SCORING)
    assert (scores["images"], scores["accuracy"]) == (4, 0.75)
    assert (scores["distinct"]["images"], scores["distinct"]["accuracy"]) == (3, 1.0)


def test_histories_and_confusion_are_means_over_folds() -> None:
    history = mean_history(RESULTS, MACRO_F1)
    assert history["epoch"].tolist() == [1, 2]
    assert history["val_macro_f1"].tolist() == [0.375, 0.625]
    counts = mean_confusion(RESULTS, LABELS, np.arange(12), 2)
    assert counts.tolist() == [[5.0, 1.0], [1.0, 5.0]]
    pairs = confusion_pairs(counts, ("a", "b"))
    assert len(pairs) == 12
    assert (pairs["true"] != pairs["predicted"]).sum() == 2


def test_a_fold_that_stopped_early_leaves_the_mean_curve_to_the_others() -> None:
    stopped = replace(RESULTS[0], fit=FitResult(1, RESULTS[0].fit.history[:1]))
    history = mean_history([stopped, RESULTS[1]], MACRO_F1)
    assert history["epoch"].tolist() == [1, 2]
    assert history["val_macro_f1"].tolist() == [0.375, 0.75]
    assert history.notna().all(axis=None)


def table_of(results: list[FoldResult]) -> pd.DataFrame:
    return predictions_table(results, FOLDS, MANIFEST, ("a", "b"))


def test_decoded_outputs_are_counted_and_invalid_ones_beside_them() -> None:
    decoded = [RESULTS[0].decoded.copy(), RESULTS[1].decoded.copy()]
    decoded[0][0] = INVALID
    decoded[0][5] = INVALID  # not of the test
    decoded[1][1] = 0
    results = [replace(one, decoded=labels) for one, labels in zip(RESULTS, decoded, strict=True)]
    counts, invalid = decoded_confusion(table_of(results), LABELS, ("a", "b"))
    assert counts.tolist() == [[0.5, 0.0], [0.5, 0.5]]
    assert invalid == 0.5


def test_decoded_scores_take_an_invalid_output_for_wrong() -> None:
    decoded = RESULTS[0].decoded.copy()
    decoded[0] = INVALID
    scores = decoded_scores(
        table_of([replace(RESULTS[0], decoded=decoded), RESULTS[1]]), LABELS, ("a", "b"), CLASSES
    )
    assert scores["test"]["accuracy"] == {"mean": 0.75, "std": 0.25}
    assert scores["test"]["macro_f1"] == {"mean": 0.75, "std": 0.25}
    assert scores["val"]["accuracy"]["mean"] == pytest.approx(0.8)  # row 2 of fold 0, row 7 of fold 1
    assert scores["train"]["accuracy"]["mean"] == pytest.approx(0.8)


def test_every_fold_and_image_has_a_prediction() -> None:
    table = predictions_table(RESULTS, FOLDS, MANIFEST, ("a", "b"))
    assert len(table) == 24
    assert table.groupby("fold")["part"].value_counts().to_dict() == {
        (fold, part): count for fold in (0, 1) for part, count in (("train", 5), ("val", 5), ("test", 2))
    }
    np.testing.assert_allclose(table[["p_a", "p_b"]].sum(axis=1), 1, rtol=1e-6)
    assert table["image_id"].tolist() == [f"i{k}" for k in range(12)] * 2
    assert set(table.query("fold == 0 and image_id == 'i2'")["decoded"]) == {"b"}  # a wrong one


def test_images_of_no_part_are_left_out() -> None:
    folds = [replace(fold, train=fold.train[1:]) for fold in FOLDS]
    table = predictions_table(RESULTS, folds, MANIFEST, ("a", "b"))
    assert len(table) == 22
    assert table.loc[table["fold"] == 0, "image_id"].tolist() == [f"i{k}" for k in range(12) if k != 7]


def test_an_output_that_stands_for_no_class_has_no_name() -> None:
    unread = replace(RESULTS[0], decoded=np.where(np.arange(12) == 4, INVALID, RESULTS[0].decoded))
    table = predictions_table([unread], FOLDS[:1], MANIFEST, ("a", "b"))
    assert table.index[table["decoded"] == ""].tolist() == [4]


@given(st.lists(st.integers(0, 6), min_size=9, max_size=9))
def test_pairs_count_up_to_the_matrix_again(cells: list[int]) -> None:
    counts = np.array(cells, dtype=float).reshape(3, 3)
    pairs = confusion_pairs(counts, ("a", "b", "c"))
    again = pd.crosstab(pairs["true"], pairs["predicted"])
    again = again.reindex(index=list("abc"), columns=list("abc"), fill_value=0)
    np.testing.assert_array_equal(again.to_numpy(), counts)
