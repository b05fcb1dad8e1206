import numpy as np
import pytest

from tests.support.cohorts import make_cohort
from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.recorder import Silent
from tmdscope.models.tabular import (
    Method,
    MlpMethod,
    SampleIdMethod,
    make_methods,
    pooled_predictions,
    score_parts,
)
from tmdscope.params.families import MethodsParams, MlpParams
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.folds import mean_over_folds
from tmdscope.scores.task import CLASSES, quantity

PLAIN = {"power": 1.0, "l2": False, "standardise": True}
MLP = MlpParams(hidden=[16, 8], epochs=15, batch_size=16, learning_rate=0.01, dropout=0.1, checkpoint="paper")
FAMILIES = {
    "svc": {**PLAIN, "family": "svc", "svc_c": 10.0, "gamma": 1.0, "balanced": True},
    "logistic": {**PLAIN, "family": "logistic", "logistic_c": 0.1, "balanced": True},
}
OF_NUMBERS = {
    "ridge": {**PLAIN, "family": "ridge", "ridge_alpha": 1.0},
    "kernel_ridge": {**PLAIN, "family": "kernel_ridge", "alpha": 0.1, "gamma": 0.3, "balanced": False},
    "knn": {**PLAIN, "family": "knn", "neighbours": 3, "votes": "distance"},
}
NAMES = ("mlp", "sample_id_only", *FAMILIES)


@pytest.fixture(scope="module")
def table() -> Cohort:
    """Two classes grown in two campaigns; two images a sample; features tell them apart."""
    rng = np.random.default_rng(4)
    labels = np.repeat([0, 1], 40)
    features = rng.normal(size=(80, 12)).astype(np.float32) + 1.5 * labels[:, None].astype(np.float32)
    samples = np.array([f"S{100 + k // 2:04d}" for k in range(80)])
    return make_cohort(features, samples, labels.astype(np.int64), ("a", "b"))


def methods(table: Cohort, families: dict[str, dict[str, object]] = FAMILIES) -> dict[str, Method]:
    named = make_methods(table, MethodsParams.model_validate({"families": families, "seed": 1}))
    return {"mlp": MlpMethod(table, MLP, 1), "sample_id_only": SampleIdMethod(table), **named}


def folds() -> list[FoldParts]:
    rows, group = np.arange(80), np.arange(80) // 2 % 5
    return [
        FoldParts(rows[(group != k) & (group != 4)], rows[group == k], rows[group == 4]) for k in range(2)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_methods_learn_and_repeat(name: str, table: Cohort) -> None:
    predicted = [methods(table)[name].predict_fold(folds()[0], 0, Silent()) for _ in range(2)]
    np.testing.assert_array_equal(*predicted)
    assert score_parts(CLASSES, table.targets, predicted[0], folds()[0])["test_accuracy"] > 0.8


@pytest.mark.parametrize("name", NAMES)
def test_pooled_predictions_cover_every_image(name: str, table: Cohort) -> None:
    predicted = pooled_predictions(methods(table)[name], table, 4, 3)
    assert set(predicted) <= {0, 1}
    assert (predicted == table.targets).mean() > 0.8


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_numbers_are_predicted_for_every_image(name: str, table: Cohort) -> None:
    task, numbers = quantity("eV"), table.inputs[:, :4].sum(axis=1).astype(np.float64)
    cohort = make_cohort(table.inputs, table.sample_ids, numbers, (), task)
    params = MethodsParams.model_validate({"families": OF_NUMBERS, "seed": 1})
    predicted = pooled_predictions(make_methods(cohort, params)[name], cohort, 4, 3)
    assert predicted.dtype == np.float64
    assert task.scores(numbers, predicted)["r2"] > 0.3


def test_means_over_folds_use_the_population_deviation() -> None:
    means = mean_over_folds([{"f1": 0.0}, {"f1": 1.0}])
    assert means == {"f1": {"mean": 0.5, "std": 0.5}}
