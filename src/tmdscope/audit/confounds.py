"""What a score could come from without any look at the surface: order, nuisance columns, image statistics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from tmdscope.audit.kernel import Learner, OrderPredictor
from tmdscope.audit.scores import Scores
from tmdscope.params.common import ScoringParams
from tmdscope.scores.cohort import Cohort, Rows, Targets

FEATURES = "features"
"""Name of the predictor that sees the images."""

_TREES = 200


class ForestPredictor:
    """A random forest on a few columns, see `Learner`; for metadata, whose scales and kinds differ.

    Text becomes a column for each word, a missing number its column's lowest less 1.
    """

    def __init__(self, columns: pd.DataFrame, cohort: Cohort, seed: int) -> None:
        wide = pd.get_dummies(columns, dtype=float).astype(float)
        self.values = wide.fillna(wide.min() - 1).fillna(0.0).to_numpy()
        self.targets = cohort.targets
        self.kind = RandomForestClassifier if cohort.classes else RandomForestRegressor
        self.seed = seed

    def predict(self, train: Rows, test: Rows) -> Targets:
        """Ask 200 trees, see `Learner.predict`."""
        forest = self.kind(_TREES, random_state=self.seed, n_jobs=1)
        fitted = forest.fit(self.values[train], self.targets[train])
        return np.asarray(fitted.predict(self.values[test]))


@dataclass(frozen=True)
class Confound:
    """How far a predictor gets that sees ``features``, ``order``, ``nuisance`` or ``statistics``.

    `score` is on all images, each predicted by a model that never saw its sample, `distinct` on distinct ones
    only; `beyond` is the features' score less this one, paired by image (None of the features themselves);
    `test` is on the held-out test, trained on all other images (None without a split).
    """

    name: str
    columns: list[str]
    score: Scores
    distinct: Scores
    beyond: Scores | None
    test: Scores | None


def metadata_predictors(cohort: Cohort, seed: int) -> dict[str, Learner]:
    """Make, where they are known, the predictors that see ``order``, ``nuisance`` or ``statistics``."""
    made: dict[str, Learner] = {}
    if cohort.order is not None:
        made["order"] = OrderPredictor(cohort.order, cohort.targets)
    for name, columns in (("nuisance", cohort.nuisance), ("statistics", cohort.statistics)):
        if columns is not None and len(columns.columns):
            made[name] = ForestPredictor(columns, cohort, seed)
    return made


def predict_all(cohort: Cohort, predictor: Learner, folds: Sequence[tuple[Rows, Rows]]) -> Targets:
    """Predict every image by a model that never saw its sample; folds test every row once."""
    predicted = np.empty_like(cohort.targets)
    for train, test in folds:
        predicted[test] = predictor.predict(train, test)
    return predicted


def compare_confounds(
    cohort: Cohort,
    predictors: Mapping[str, Learner],
    predictions: Mapping[str, Targets],
    test: Rows | None,
    scoring: ScoringParams,
) -> list[Confound]:
    """Score every predictor, the features first, under the same split.

    `predictions` are of every image by a model that never saw its sample, `test` the rows of the held-out
    test.
    """
    everything, distinct = np.arange(len(cohort.targets)), np.flatnonzero(cohort.distinct)
    columns = {"nuisance": cohort.nuisance, "statistics": cohort.statistics}

    def describe(name: str, predicted: Targets) -> Confound:
        seen, held_out, beyond = columns.get(name), None, None
        if test is not None:
            told = predictors[name].predict(np.setdiff1d(everything, test), test)
            held_out = cohort.estimate(test, told, scoring)
        if name != FEATURES:
            beyond = cohort.difference(everything, predictions[FEATURES], predicted, scoring)
        return Confound(
            name=name,
            columns=[] if seen is None else list(seen.columns),
            score=cohort.estimate(everything, predicted, scoring),
            distinct=cohort.estimate(distinct, predicted[distinct], scoring),
            beyond=beyond,
            test=held_out,
        )

    return [describe(name, predicted) for name, predicted in predictions.items()]
