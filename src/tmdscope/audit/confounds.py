"""What a score could come from without any look at the surface: order, nuisance columns, image statistics."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

from tmdscope.audit.kernel import KernelPredictor, OrderPredictor, Predictor
from tmdscope.audit.scores import Score, Scorer
from tmdscope.audit.table import AuditTable, Labels, Rows
from tmdscope.scores.intervals import Difference

FEATURES = "features"
"""Name of the classifier that sees the images."""

_TREES = 200


class ForestPredictor:
    """A random forest on a few columns, see `Predictor`; for metadata, whose scales and kinds differ.

    Text becomes a column for each word, a missing number its column's lowest less 1.
    """

    def __init__(self, columns: pd.DataFrame, labels: Labels, seed: int) -> None:
        wide = pd.get_dummies(columns, dtype=float).astype(float)
        self.values = wide.fillna(wide.min() - 1).fillna(0.0).to_numpy()
        self.labels = labels
        self.seed = seed

    def predict(self, train: Rows, test: Rows) -> Labels:
        """Ask 200 trees, see `Predictor.predict`."""
        forest = RandomForestClassifier(_TREES, random_state=self.seed, n_jobs=1)
        fitted = forest.fit(self.values[train], self.labels[train])
        predicted: Labels = fitted.predict(self.values[test]).astype(np.int64)
        return predicted


@dataclass(frozen=True)
class Confound:
    """How far a classifier gets that sees ``features``, ``order``, ``nuisance`` or ``statistics``.

    `score` is on all images, each predicted by a model that never saw its sample, `distinct` on distinct ones
    only; `beyond` is the features' score less this one, paired by image (None of the features themselves);
    `test` is on the held-out test, trained on all other images (None without a split).
    """

    name: str
    columns: list[str]
    score: Score
    distinct: Score
    beyond: Difference | None
    test: Score | None


def predictors_of(table: AuditTable, seed: int) -> dict[str, Predictor]:
    """Make ``features`` and, where known, the ``order``, ``nuisance`` and ``statistics`` classifiers."""
    made: dict[str, Predictor] = {FEATURES: KernelPredictor(table.features, table.labels, len(table.classes))}
    if table.order is not None:
        made["order"] = OrderPredictor(table.order, table.labels)
    for name, columns in (("nuisance", table.nuisance), ("statistics", table.statistics)):
        if columns is not None and len(columns.columns):
            made[name] = ForestPredictor(columns, table.labels, seed)
    return made


def predict_all(predictor: Predictor, folds: list[tuple[Rows, Rows]]) -> Labels:
    """Predict every image by a model that never saw its sample; folds test every row once."""
    predicted = np.full(sum(len(test) for _, test in folds), -1, dtype=np.int64)
    for train, test in folds:
        predicted[test] = predictor.predict(train, test)
    return predicted


def compare_confounds(
    scorer: Scorer,
    predictors: dict[str, Predictor],
    predictions: dict[str, Labels],
    test: Rows | None,
) -> list[Confound]:
    """Score every classifier, the features first, under the same split.

    `predictions` are of every image by a model that never saw its sample, `test` the rows of the held-out
    test.
    """
    table = scorer.table
    everything = np.arange(len(table.labels))
    distinct = np.flatnonzero(table.distinct)
    columns = {"nuisance": table.nuisance, "statistics": table.statistics}
    found = []
    for name, predicted in predictions.items():
        seen = columns.get(name)
        held_out = None
        if test is not None:
            held_out = scorer.score(test, predictors[name].predict(np.setdiff1d(everything, test), test))
        beyond = None
        if name != FEATURES:
            beyond = scorer.difference(everything, predictions[FEATURES], predicted)
        found.append(
            Confound(
                name=name,
                columns=[] if seen is None else list(seen.columns),
                score=scorer.score(everything, predicted),
                distinct=scorer.score(distinct, predicted[distinct]),
                beyond=beyond,
                test=held_out,
            )
        )
    return found
