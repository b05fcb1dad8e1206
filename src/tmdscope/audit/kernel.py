"""The classifiers that an audit asks: one that sees features, one that sees the order alone.

Kernel ridge regression is chosen because leaving images out of it costs no new fit: what the classifier would
say of images R had they not trained follows from the fit on all, ``f_R = y_R - (G_RR)^-1 (G y)_R`` with
``G = (K + alpha I)^-1`` (Rifkin & Lippert, *Notes on Regularized Least Squares*, MIT-CSAIL-TR-2007-025,
section 4, by blocks). So an audit can leave out thousands of sets of samples, exactly.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tmdscope.audit.table import Labels, Rows, Values

ALPHA = 0.1
"""Strength of the ridge, in units of the kernel's diagonal."""


class Predictor(Protocol):
    """Whatever can be trained on some images and asked about others."""

    def predict(self, train: Rows, test: Rows) -> Labels:
        """Train on some images and predict others; rows have none in common."""


class KernelPredictor:
    """Kernel ridge regression on -1 and +1 for each class; the largest output is the class, see `Predictor`.

    Every image's features, (N, F), are brought to unit length, then each feature to mean 0 and variance 1
    over all images, which reads no label; the kernel is ``exp(-d^2 / F)`` with the squared distance d^2 over
    F features.
    """

    def __init__(self, features: NDArray[Any], labels: Labels, classes: int) -> None:
        self.kernel = gaussian_kernel(standardised(unit_length(features)))
        self.targets: Values = np.where(labels[:, None] == np.arange(classes), 1.0, -1.0)
        self.inverse = np.asarray(np.linalg.inv(self.kernel + ALPHA * np.eye(len(labels))), dtype=np.float64)

    def predict(self, train: Rows, test: Rows) -> Labels:
        """Give the class with the largest output, see `Predictor.predict`."""
        predicted: Labels = self.outputs(train, test, self.targets).argmax(axis=1).astype(np.int64)
        return predicted

    def outputs(self, train: Rows, test: Rows, targets: Values) -> Values:
        """Fit to any targets, (N, T), and give the outputs of other images, shape (len(test), T).

        Train and test have no row in common; targets outside of `train` are not read in effect.
        """
        if 2 * len(train) <= len(self.kernel):
            return self.fit_outputs(train, test, targets)
        trains = np.zeros(len(self.kernel), dtype=bool)
        trains[train] = True
        left_out = np.flatnonzero(~trains)
        error = np.linalg.solve(self.inverse[np.ix_(left_out, left_out)], self.inverse[left_out] @ targets)
        place = np.searchsorted(left_out, test)
        found: Values = targets[test] - error[place]
        return found

    def fit_outputs(self, train: Rows, test: Rows, targets: Values) -> Values:
        """Do the same as `outputs` by a fit of its own: faster where few images train."""
        ridge = self.kernel[np.ix_(train, train)] + ALPHA * np.eye(len(train))
        found: Values = self.kernel[np.ix_(test, train)] @ np.linalg.solve(ridge, targets[train])
        return found


class OrderPredictor:
    """The class of the training sample nearest in order, see `Predictor`; it sees no image."""

    def __init__(self, order: Values, labels: Labels) -> None:
        self.order = order
        self.labels = labels

    def predict(self, train: Rows, test: Rows) -> Labels:
        """Give the class of the nearest, of two as near the earlier, see `Predictor.predict`."""
        sequence = train[np.argsort(self.order[train], kind="stable")]
        known, asked = self.order[sequence], self.order[test]
        after = np.searchsorted(known, asked).clip(0, len(known) - 1)
        before = (after - 1).clip(0)
        nearest = np.where(asked - known[before] <= np.abs(known[after] - asked), before, after)
        return self.labels[sequence[nearest]]


def unit_length(features: NDArray[Any]) -> Values:
    """Bring each image's features (a row) to unit length; a row of zeros stays."""
    values: Values = np.asarray(features, dtype=np.float64)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(length > 0, length, 1.0)


def standardised(values: Values) -> Values:
    """Bring each feature to mean 0 and variance 1 over all images, and drop those that do not vary.

    At least one column is left.
    """
    spread = values.std(axis=0)
    varies = spread > 1e-12 * np.abs(values).max(axis=0, initial=0)
    if not varies.any():
        return np.zeros((len(values), 1))
    kept: Values = (values[:, varies] - values[:, varies].mean(axis=0)) / spread[varies]
    return kept


def gaussian_kernel(values: Values) -> Values:
    """Compute ``exp(-d^2 / F)`` between all images, (N, N), from standardised features, (N, F)."""
    squared = (values**2).sum(axis=1)
    distance = squared[:, None] + squared - 2 * values @ values.T
    kernel: Values = np.exp(-np.maximum(distance, 0) / values.shape[1])
    return kernel
