"""The predictors that an audit asks: one that sees features, one that sees the order alone.

Kernel ridge regression is chosen because leaving images out of it costs no new fit: what the model would say
of images R had they not trained follows from the fit on all, ``f_R = y_R - (G_RR)^-1 (G y)_R`` with
``G = (K + alpha I)^-1`` (Rifkin & Lippert, *Notes on Regularized Least Squares*, MIT-CSAIL-TR-2007-025,
section 4, by blocks). So an audit can leave out thousands of sets of samples, exactly.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.preprocessing import normalize

from tmdscope.scores.cohort import Cohort, Rows, Targets, Values

ALPHA = 0.1
"""Strength of the ridge, in units of the kernel's diagonal."""


class Learner(Protocol):
    """Whatever can be trained on some images and asked about others."""

    def predict(self, train: Rows, test: Rows) -> Targets:
        """Train on some images and predict others; rows have none in common."""


class KernelRidge:
    """Kernel ridge regression of any targets, (N, T), that leaves images out in closed form.

    Features, (N, F), are those of `standardised`; the kernel is ``exp(-d^2 / F)`` with the squared distance
    d^2 over F features.
    """

    def __init__(self, features: NDArray[Any]) -> None:
        self.kernel: Values = rbf_kernel(standardised(features))
        ridge = self.kernel.copy()
        np.fill_diagonal(ridge, ridge.diagonal() + ALPHA)
        self.inverse: Values = np.asarray(np.linalg.inv(ridge), dtype=np.float64)

    def fitted(self, targets: Values) -> Values:
        """Fit to the targets of all images, (N, T), once for whatever `outputs` leaves out."""
        found: Values = self.inverse @ targets
        return found

    def outputs(self, train: Rows, test: Rows, targets: Values, fitted: Values) -> Values:
        """Fit to targets, (N, T), and give the outputs of other images, shape (len(test), T).

        Train and test have no row in common; targets outside of `train` are not read in effect. `fitted` is
        `KernelRidge.fitted` of these targets.
        """
        if 2 * len(train) <= len(self.kernel):
            return self.fit_outputs(train, test, targets)
        trains = np.zeros(len(self.kernel), dtype=bool)
        trains[train] = True
        left_out = np.flatnonzero(~trains)
        error = np.linalg.solve(self.inverse[np.ix_(left_out, left_out)], fitted[left_out])
        place = np.searchsorted(left_out, test)
        found: Values = targets[test] - error[place]
        return found

    def fit_outputs(self, train: Rows, test: Rows, targets: Values) -> Values:
        """Do the same as `outputs` by a fit of its own: faster where few images train."""
        ridge = self.kernel[np.ix_(train, train)] + ALPHA * np.eye(len(train))
        found: Values = self.kernel[np.ix_(test, train)] @ np.linalg.solve(ridge, targets[train])
        return found


class KernelPredictor(KernelRidge):
    """`KernelRidge` on a cohort's targets, see `Learner`.

    Of classes on -1 and +1 for each, and the largest output is the class; of numbers less the mean of those
    that train.
    """

    def __init__(self, cohort: Cohort) -> None:
        super().__init__(cohort.inputs)
        targets, classes = cohort.targets[:, None], np.arange(len(cohort.classes))
        self.of_classes = bool(cohort.classes)
        self.columns: Values = (
            np.where(targets == classes, 1.0, -1.0)
            if self.of_classes
            else np.hstack([targets, np.ones(targets.shape)]).astype(np.float64)
        )
        self.all_fitted = self.fitted(self.columns)

    def predict(self, train: Rows, test: Rows) -> Targets:
        """Give the class, or the number, see `Learner.predict`."""
        outputs = self.outputs(train, test, self.columns, self.all_fitted)
        if self.of_classes:
            return np.asarray(outputs.argmax(axis=1).astype(np.int64))
        numbers, ones = outputs.T  # linear in targets, whose mean is taken off after
        return np.asarray(numbers + self.columns[train, 0].mean() * (1 - ones))


class OrderPredictor:
    """The target of the training sample nearest in order, see `Learner`; it sees no image."""

    def __init__(self, order: Values, targets: Targets) -> None:
        self.order = order
        self.targets = targets

    def predict(self, train: Rows, test: Rows) -> Targets:
        """Give the target of the nearest, of two as near the earlier, see `Learner.predict`."""
        sequence = train[np.argsort(self.order[train], kind="stable")]
        known, asked = self.order[sequence], self.order[test]
        after = np.searchsorted(known, asked).clip(0, len(known) - 1)
        before = (after - 1).clip(0)
        nearest = np.where(asked - known[before] <= np.abs(known[after] - asked), before, after)
        return np.asarray(self.targets[sequence[nearest]])


def standardised(features: NDArray[Any]) -> Values:
    """Bring each image's features to unit length, then each feature to mean 0 and variance 1 over all images.

    No target is read. Features that do not vary but for rounding are dropped; at least one column is left.
    """
    values = normalize(np.asarray(features, dtype=np.float64))
    spread = values.std(axis=0)
    varies = spread > 1e-12 * np.abs(values).max(axis=0, initial=0)
    if not varies.any():
        return np.zeros((len(values), 1))
    kept: Values = (values[:, varies] - values[:, varies].mean(axis=0)) / spread[varies]
    return kept
