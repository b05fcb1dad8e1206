import numpy as np
import pytest

from tmdscope.learn.checkpoint import EpochScores
from tmdscope.learn.crossval import FoldParts, FoldResult
from tmdscope.learn.fit import FitResult
from tmdscope.learn.summary import (
    METRICS,
    PARTS,
    Cohort,
    confusion_pairs,
    mean_confusion,
    mean_history,
    out_of_fold,
    predictions_table,
    summarise,
)

LABELS = np.array([0, 1] * 6)
FOLDS = [
    FoldParts(np.arange(7, 12), np.arange(2, 7), np.arange(2)),
    FoldParts(np.arange(2, 7), np.arange(7, 12), np.arange(2)),
]


def result(fold: int, wrong: list[int]) -> FoldResult:
    probabilities = np.eye(2, dtype=np.float32)[LABELS] * 0.8 + 0.1
    probabilities[wrong] = probabilities[wrong][:, ::-1]
    history = tuple(EpochScores(1.0 / (k + 1), 0.5, 2.0 / (k + 1), 0.25 * (k + 1 + fold)) for k in range(2))
    scores = {f"{part}_{metric}": 0.5 + 0.1 * fold for part in PARTS for metric in METRICS}
    decoded = probabilities.argmax(axis=1)
    return FoldResult(fold, FitResult(2, history), scores, probabilities, decoded)


RESULTS = [result(0, wrong=[2, 8]), result(1, wrong=[3, 7])]


def cohort(distinct: list[int]) -> Cohort:
    keep = np.isin(np.arange(12), distinct)
    return Cohort(LABELS, np.array([f"s{k // 2}" for k in range(12)]), keep, resamples=200, seed=1)


def test_validation_predictions_are_pooled_fold_by_fold() -> None:
    rows, predicted = out_of_fold(RESULTS, FOLDS)
    assert rows.tolist() == list(range(2, 12))
    assert np.flatnonzero(predicted != LABELS[rows]).tolist() == [0, 5]  # rows 2 and 7; 8 and 3 were training


def test_the_summary_holds_folds_pool_and_ensemble() -> None:
    summary = summarise(RESULTS, FOLDS, cohort(list(range(12))))
    assert summary["val"]["accuracy"] == {"mean": pytest.approx(0.55), "std": pytest.approx(0.05)}
    assert summary["best_fold"] == 1
    pooled = summary["out_of_fold"]
    assert (pooled["images"], pooled["samples"], pooled["accuracy"]) == (10, 5, 0.8)
    assert pooled["accuracy_ci95"][0] <= 0.8 <= pooled["accuracy_ci95"][1]
    assert summary["ensemble_test"]["accuracy"] == 1.0


def test_duplicates_are_left_out_of_the_distinct_score() -> None:
    rows = np.arange(4)
    scores = cohort([0, 1, 3]).pooled(rows, np.array([0, 1, 1, 1]))
    assert (scores["images"], scores["accuracy"]) == (4, 0.75)
    assert (scores["distinct"]["images"], scores["distinct"]["accuracy"]) == (3, 1.0)


def test_histories_and_confusion_are_means_over_folds() -> None:
    history = mean_history(RESULTS)
    assert history["epoch"].tolist() == [1, 2]
    assert history["val_macro_f1"].tolist() == [0.375, 0.625]
    counts = mean_confusion(RESULTS, LABELS, np.arange(12), 2)
    assert counts.tolist() == [[5.0, 1.0], [1.0, 5.0]]
    pairs = confusion_pairs(counts, ("a", "b"))
    assert len(pairs) == 12
    assert (pairs["true"] != pairs["predicted"]).sum() == 2


def test_every_fold_and_image_has_a_prediction() -> None:
    table = predictions_table(RESULTS, FOLDS, [f"i{k}" for k in range(12)], ("a", "b"))
    assert len(table) == 24
    assert table.groupby("fold")["part"].value_counts().to_dict() == {
        (fold, part): count for fold in (0, 1) for part, count in (("train", 5), ("val", 5), ("test", 2))
    }
    np.testing.assert_allclose(table[["p_a", "p_b"]].sum(axis=1), 1, rtol=1e-6)
