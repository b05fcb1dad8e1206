"""Classes in a rising order, asked one threshold after another (Frank & Hall 2001, ECML, LNAI 2167)."""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, clone

from tmdscope.models.scales import Features, Labels

Values = NDArray[np.float64]


class Cumulative(ClassifierMixin, BaseEstimator):
    """A copy of a two-class estimator for each threshold, which says whether the class is beyond it.

    The class is the number of thresholds that are more likely reached than not.
    """

    def __init__(self, estimator: BaseEstimator, classes: int) -> None:
        self.estimator = estimator
        self.classes = classes

    def fit(self, inputs: Features, labels: Labels) -> Self:
        """Fit all thresholds; one that all or no training images reach needs no estimator."""
        self.classes_ = np.arange(self.classes)
        self.thresholds_ = []
        for threshold in range(1, self.classes):
            reached = (labels >= threshold).astype(np.int64)
            share = float(reached.mean())
            self.thresholds_.append(
                share if share in (0.0, 1.0) else clone(self.estimator).fit(inputs, reached)
            )
        return self

    def predict(self, inputs: Features) -> Labels:
        """Count the thresholds that are reached, shape (N,)."""
        return np.asarray((self._reached(inputs) > 0.5).sum(axis=1), dtype=np.int64)

    def predict_proba(self, inputs: Features) -> Values:
        """Give probabilities of classes, shape (N, K): differences of thresholds, none above one before."""
        reached = np.minimum.accumulate(self._reached(inputs), axis=1)
        ends = np.pad(reached, ((0, 0), (1, 0)), constant_values=1.0)
        return np.asarray(-np.diff(ends, append=0.0, axis=1))

    def _reached(self, inputs: Features) -> Values:
        columns = [_chance(threshold, inputs) for threshold in self.thresholds_]
        return np.stack(columns, axis=1)


def _chance(threshold: float | BaseEstimator, inputs: Features) -> Values:
    """Give how likely a threshold is reached, shape (N,): 0.5 where an estimator says neither."""
    if isinstance(threshold, float):
        return np.full(len(inputs), threshold)
    if hasattr(threshold, "predict_proba"):
        return np.asarray(threshold.predict_proba(inputs)[:, 1], dtype=np.float64)
    return np.asarray(expit(threshold.decision_function(inputs)), dtype=np.float64)
