"""Nearest neighbours, by number or within a radius."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)

from tmdscope.materials import INVALID
from tmdscope.models.scales import FamilyError, Features, Labels, Targets, distances, median_of
from tmdscope.params.families import KnnFamily, RadiusFamily


def make_nearest(family: KnnFamily, inputs: Features, classes: Sequence[str]) -> Any:
    """Make nearest neighbours of classes or, without any, of numbers."""
    if family.neighbours > len(inputs):
        raise FamilyError(f"knn: {family.neighbours} neighbours, but {len(inputs)} images to learn from")
    kind = KNeighborsClassifier if classes else KNeighborsRegressor
    return kind(family.neighbours, weights=family.votes, p=family.minkowski)


class _Within(BaseEstimator):
    """What both kinds share: the radius in the unit of the training images, and who has neighbours."""

    machine_: Any
    inputs_: Features
    radius_: float

    def __init__(self, family: RadiusFamily) -> None:
        self.family = family

    def _learn(self, machine: Callable[..., Any], inputs: Features, targets: Targets) -> None:
        family = self.family
        self.inputs_, apart = inputs, distances(inputs, inputs, family.minkowski)
        self.radius_ = family.radius * median_of(apart[np.triu_indices(len(inputs), 1)])
        made = machine(radius=self.radius_, weights=family.votes, metric="precomputed")
        self.machine_ = made.fit(apart, targets)

    def _among_others(self, inputs: Features, ask: Callable[[Features], Targets], alone: Targets) -> Targets:
        """Ask the images that have neighbours; the others get what is said of one that is `alone`."""
        apart = distances(inputs, self.inputs_, self.family.minkowski)
        found = np.repeat(alone[None], len(inputs), axis=0)
        crowded = (apart <= self.radius_).any(axis=1)
        if crowded.any():
            found[crowded] = ask(apart[crowded])
        return found


class WithinRadius(ClassifierMixin, _Within):
    """The vote of all images within a radius; `INVALID` where there are none."""

    def fit(self, inputs: Features, labels: Labels) -> Self:
        """Keep the training images."""
        self._learn(RadiusNeighborsClassifier, inputs, labels)
        self.classes_ = self.machine_.classes_
        return self

    def predict(self, inputs: Features) -> Labels:
        """Give the class, or `INVALID`, shape (N,)."""
        return self._among_others(inputs, self.machine_.predict, np.array(INVALID))

    def predict_proba(self, inputs: Features) -> Targets:
        """Give the shares of votes, shape (N, classes seen); all alike without neighbours."""
        alike = np.full(len(self.classes_), 1 / len(self.classes_))
        return self._among_others(inputs, self.machine_.predict_proba, alike)


class MeanWithinRadius(RegressorMixin, _Within):
    """The mean of all images within a radius; that of all training images where there are none."""

    def fit(self, inputs: Features, numbers: Targets) -> Self:
        """Keep the training images."""
        self._learn(RadiusNeighborsRegressor, inputs, numbers)
        self.mean_ = np.array(np.mean(numbers, dtype=np.float64))
        return self

    def predict(self, inputs: Features) -> Targets:
        """Give the number, shape (N,)."""
        return self._among_others(inputs, self.machine_.predict, self.mean_)
