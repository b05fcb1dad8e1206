"""Methods on features by name: settings, what fits them, what predicts classes or numbers.

Fixed runs and searches share them: each is a family of `tmdscope.params.families.FAMILIES` with its
transforms of the features before it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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

from tmdscope.errors import UserError
from tmdscope.learn.fit import Examples, predict_logits
from tmdscope.learn.recorder import Silent
from tmdscope.models.mlp import Mlp, train_mlp
from tmdscope.params.families import (
    AnyFamily,
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


class _MlpClassifier:
    """A network that trains for all epochs and keeps the last, so that no image chooses one."""

    def __init__(self, family: MlpFamily, classes: Sequence[str], seed: int) -> None:
        self.family = family
        self.target = Multiclass(tuple(classes))
        self.seed = seed
        self.model: Mlp | None = None

    def fit(self, inputs: Features, labels: Labels) -> Self:
        examples = Examples(torch.tensor(inputs, dtype=torch.float32), torch.tensor(labels))
        rows = torch.arange(len(labels))  # scores after each epoch are of training images
        self.model = train_mlp(self.family, self.seed, self.target, examples, rows, rows, Silent())
        return self

    def predict(self, inputs: Features) -> NDArray[Any]:
        assert self.model is not None
        logits = predict_logits(self.model, torch.tensor(inputs, dtype=torch.float32))
        labels: NDArray[Any] = logits.argmax(dim=1).numpy()
        return labels


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
    "mlp": lambda family, _, classes, seed: _MlpClassifier(family, classes, seed),
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
