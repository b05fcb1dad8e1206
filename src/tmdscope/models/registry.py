"""Methods on features by name: settings, what fits them, what predicts classes or numbers.

Fixed runs and searches share them: each is a family of `tmdscope.params.families.FAMILIES` with its
transforms of the features before it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler
from sklearn.svm import SVC
from sklearn.utils.class_weight import compute_sample_weight
from threadpoolctl import threadpool_limits
from torch import nn

from tmdscope.errors import UserError
from tmdscope.learn.fit import Examples, predict_logits
from tmdscope.learn.recorder import Silent
from tmdscope.models.cnn import MIN_SIDE, train_cnn
from tmdscope.models.mlp import train_mlp
from tmdscope.params.families import (
    AnyFamily,
    CnnFamily,
    KernelRidgeFamily,
    KnnFamily,
    LogisticFamily,
    MlpFamily,
    SvcFamily,
)
from tmdscope.vision.targets import Multiclass

Features = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]
Targets = NDArray[Any]

_MAX_ITERATIONS = 3000


class FamilyError(UserError):
    """A method cannot be fitted with its settings; the message names the family and says why."""


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator and the transforms before it; `dtype` is that of the targets."""

    transforms: Pipeline
    estimator: Any
    dtype: np.dtype[Any]

    def predict(self, features: Features) -> Targets:
        """Predict the target of each image, shape (images,)."""
        return np.asarray(self.estimator.predict(self.transforms.transform(features)), dtype=self.dtype)


def fit_family(
    family: AnyFamily, features: Features, targets: Targets, classes: Sequence[str], seed: int = 0
) -> Fitted:
    """Fit transforms and estimator; the seed is of networks, the other families draw nothing.

    Targets are labels of classes, or numbers where there are none.

    One thread, because a fit of this size spends its time waiting when BLAS threads share busy cores
    (measured: 0.1 s becomes 5 s), and because the result then does not depend on their number.
    """
    with threadpool_limits(1):
        transforms = make_transforms(family)
        inputs = transforms.fit_transform(features)
        makers, what = (_CLASSIFIERS, "classes") if classes else (_REGRESSORS, "numbers")
        make = makers.get(family.family)
        if make is None:
            raise FamilyError(f"{family.family} does not predict {what}: take {', '.join(makers)}")
        return Fitted(transforms, make(family, inputs, classes, seed).fit(inputs, targets), targets.dtype)


def make_transforms(family: AnyFamily) -> Pipeline:
    """Make the transforms, unfitted: a power, then unit length, then mean 0 and variance 1 of each value."""
    power = FunctionTransformer(lambda features: features**family.power)
    wanted = {"power": family.power != 1, "l2": family.l2, "standardise": family.standardise}
    steps = {"power": power, "l2": Normalizer(), "standardise": StandardScaler()}
    return make_pipeline("passthrough", *(steps[name] for name, is_wanted in wanted.items() if is_wanted))


class _KernelRidgeClassifier:
    """Ridge regression on -1 and +1 for each class; the largest output is the class."""

    def __init__(self, family: KernelRidgeFamily, gamma: float, classes: int) -> None:
        self.balanced = family.balanced
        self.classes = classes
        self.machine = KernelRidge(alpha=family.alpha, kernel="rbf", gamma=gamma)

    def fit(self, inputs: Features, labels: Labels) -> Self:
        targets = np.where(labels[:, None] == np.arange(self.classes), 1.0, -1.0)
        weights = compute_sample_weight("balanced", labels) if self.balanced else None
        self.machine.fit(inputs, targets, sample_weight=weights)
        return self

    def predict(self, inputs: Features) -> NDArray[Any]:
        outputs = self.machine.predict(inputs)
        if not np.isfinite(outputs).all():
            raise FamilyError("kernel_ridge: an output is no number")
        largest: NDArray[Any] = outputs.argmax(axis=1)
        return largest


Train = Callable[[int, Multiclass, Examples, torch.Tensor], nn.Module]
"""Trains a network from a seed, on some rows of the examples."""


class _NetworkClassifier:
    """A network that trains for all epochs and keeps the last, so that no image chooses one.

    `shape` is that of one image's features, as the network takes them.
    """

    def __init__(self, train: Train, shape: Sequence[int], classes: Sequence[str], seed: int) -> None:
        self.train, self.shape, self.seed = train, shape, seed
        self.target = Multiclass(tuple(classes))
        self.model: nn.Module | None = None

    def fit(self, inputs: Features, labels: Labels) -> Self:
        examples = Examples(self._shaped(inputs), torch.tensor(labels))
        self.model = self.train(self.seed, self.target, examples, torch.arange(len(labels)))
        return self

    def predict(self, inputs: Features) -> NDArray[Any]:
        assert self.model is not None
        labels: NDArray[Any] = predict_logits(self.model, self._shaped(inputs)).argmax(dim=1).numpy()
        return labels

    def _shaped(self, inputs: Features) -> torch.Tensor:
        return torch.tensor(inputs, dtype=torch.float32).reshape(-1, *self.shape)


def _make_mlp(family: MlpFamily, inputs: Features, classes: Sequence[str], seed: int) -> Any:
    def train(seed: int, target: Multiclass, examples: Examples, rows: torch.Tensor) -> nn.Module:
        return train_mlp(
            family, seed, target, examples, rows, rows, Silent()
        )  # scores are of training images

    return _NetworkClassifier(train, inputs.shape[1:], classes, seed)


def _make_cnn(family: CnnFamily, inputs: Features, classes: Sequence[str], seed: int) -> Any:
    side = math.isqrt(inputs.shape[1])
    if side * side != inputs.shape[1] or side < MIN_SIDE:
        told = f"{inputs.shape[1]} features are no square image of {MIN_SIDE} x {MIN_SIDE} px or more"
        raise FamilyError(f"cnn: {told}; take another family")
    return _NetworkClassifier(partial(train_cnn, family), (side, side), classes, seed)


def _make_knn(family: KnnFamily, inputs: Features, classes: Sequence[str], _: int) -> Any:
    if family.neighbours > len(inputs):
        raise FamilyError(f"knn: {family.neighbours} neighbours, but {len(inputs)} images to learn from")
    kind = KNeighborsClassifier if classes else KNeighborsRegressor
    return kind(family.neighbours, weights=family.votes)


def _kernel_ridge(family: KernelRidgeFamily, inputs: Features, *_: Any) -> Any:
    if family.balanced:
        raise FamilyError("kernel_ridge: balanced is of classes; set it to false for numbers")
    return KernelRidge(alpha=family.alpha, kernel="rbf", gamma=_gamma(family, inputs))


Maker = Callable[[Any, Features, Sequence[str], int], Any]

_CLASSIFIERS: Mapping[str, Maker] = {
    "mlp": _make_mlp,
    "cnn": _make_cnn,
    "logistic": lambda family, *_: LogisticRegression(
        C=family.logistic_c, class_weight=_weight(family), max_iter=_MAX_ITERATIONS
    ),
    "svc": lambda family, inputs, *_: SVC(
        C=family.svc_c, kernel="rbf", gamma=_gamma(family, inputs), class_weight=_weight(family)
    ),
    "kernel_ridge": lambda family, inputs, classes, _: _KernelRidgeClassifier(
        family, _gamma(family, inputs), len(classes)
    ),
    "knn": _make_knn,
}
"""Families by name: what makes an unfitted classifier from its settings, for inputs, classes and a seed."""

_REGRESSORS: Mapping[str, Maker] = {
    "ridge": lambda family, *_: Ridge(family.ridge_alpha),
    "kernel_ridge": _kernel_ridge,
    "knn": _make_knn,
}
"""The same of numbers."""


def _weight(family: LogisticFamily | SvcFamily) -> str | None:
    return "balanced" if family.balanced else None


def _gamma(family: SvcFamily | KernelRidgeFamily, inputs: Features) -> float:
    """Give a kernel's gamma, in units of scikit-learn's `scale`: 1 / (values x variance)."""
    spread: float = inputs.shape[1] * float(inputs.astype(np.float64).var())
    if spread == 0:
        raise FamilyError("all features are equal: the kernel has no width")
    return family.gamma / spread
