import numpy as np
import pytest

from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.recorder import Silent
from tmdscope.models.tabular import METHODS, make_method, mean_over_folds, pooled_predictions, score_parts
from tmdscope.params.families import ClassifiersParams
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.task import CLASSES

PARAMS = ClassifiersParams.model_validate(
    {
        "mlp": {
            "hidden": [16, 8],
            "epochs": 15,
            "batch_size": 16,
            "learning_rate": 0.01,
            "dropout": 0.1,
            "checkpoint": "paper",
        },
        "svc": {"c": 10.0},
        "logistic": {"c": 0.1},
        "seed": 1,
    }
)


@pytest.fixture(scope="module")
def table() -> Cohort:
    """Two classes grown in two campaigns; two images a sample; features tell them apart."""
    rng = np.random.default_rng(4)
    labels = np.repeat([0, 1], 40)
    features = rng.normal(size=(80, 12)).astype(np.float32) + 1.5 * labels[:, None].astype(np.float32)
    samples = np.array([f"S{100 + k // 2:04d}" for k in range(80)])
    return Cohort(features, samples, labels.astype(np.int64), ("a", "b"))


def folds() -> list[FoldParts]:
    rows, group = np.arange(80), np.arange(80) // 2 % 5
    return [
        FoldParts(rows[(group != k) & (group != 4)], rows[group == k], rows[group == 4]) for k in range(2)
    ]


@pytest.mark.parametrize("name", METHODS)
def test_methods_learn_and_repeat(name: str, table: Cohort) -> None:
    predicted = [make_method(name, table, PARAMS).predict_fold(folds()[0], 0, Silent()) for _ in range(2)]
    np.testing.assert_array_equal(*predicted)
    assert score_parts(CLASSES, table.labels, predicted[0], folds()[0])["test_accuracy"] > 0.8


@pytest.mark.parametrize("name", METHODS)
def test_pooled_predictions_cover_every_image(name: str, table: Cohort) -> None:
    predicted = pooled_predictions(make_method(name, table, PARAMS), table, 4, 3)
    assert set(predicted) <= {0, 1}
    assert (predicted == table.labels).mean() > 0.8


def test_means_over_folds_use_the_population_deviation() -> None:
    means = mean_over_folds([{"f1": 0.0}, {"f1": 1.0}])
    assert means == {"f1": {"mean": 0.5, "std": 0.5}}
