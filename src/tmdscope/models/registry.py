"""Methods on features by name: settings, what fits them, what predicts classes or numbers.

Fixed runs and searches share them: each is a family of `tmdscope.params.families.FAMILIES` with its
transforms of the features before it.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.class_weight import compute_sample_weight
from threadpoolctl import ThreadpoolController

from tmdscope.models.neighbours import MeanWithinRadius, WithinRadius, make_nearest
from tmdscope.models.networks import NetworkClassifier, NetworkRegressor
from tmdscope.models.ordered import Cumulative
from tmdscope.models.scales import (
    FamilyError,
    Features,
    Labels,
    Targets,
    kernel_width,
    median_distance,
)
from tmdscope.params.families import (
    AnyFamily,
    Framing,
    GaussianProcessFamily,
    KernelParams,
    KernelRidgeFamily,
    MlpFamily,
    SvcFamily,
)

_MAX_ITERATIONS = 3000
_LEAST = 1e-6  # of a share of votes, before its logarithm


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator and the transforms before it; `dtype` is that of the targets."""

    transforms: Pipeline
    estimator: Any
    dtype: np.dtype[Any]

    def predict(self, features: Features) -> Targets:
        """Predict the target of each image, shape (images,)."""
        return np.asarray(self.estimator.predict(self.transforms.transform(features)), dtype=self.dtype)

    def probabilities(self, features: Features, classes: int) -> NDArray[np.float64]:
        """Give what speaks for each class as probabilities, not calibrated, shape (images, classes).

        Those of a margin are its softmax. A class that no training image showed has none to speak of.
        """
        inputs, own = self.transforms.transform(features), self.estimator
        if hasattr(own, "predict_proba"):
            outputs = np.log(np.maximum(own.predict_proba(inputs), _LEAST))
        else:
            outputs = np.asarray(own.decision_function(inputs), dtype=np.float64)
            if outputs.ndim == 1:
                outputs = np.stack([-outputs, outputs], axis=1)
        found = np.full((len(outputs), classes), np.log(_LEAST))
        found[:, np.asarray(own.classes_, dtype=np.int64)] = outputs
        return np.asarray(np.exp(log_softmax(found, axis=1)))

    def decode(self, features: Features) -> Targets | None:
        """Give classes as the authors of an encoding decode them; None where there is no encoding."""
        decode = getattr(self.estimator, "decode", None)
        return None if decode is None else np.asarray(decode(self.transforms.transform(features)))


class Transformed:
    """Features of training images, (N, F): what transforms make of them is kept for whoever fits again."""

    def __init__(self, features: Features) -> None:
        self._features = features
        self._known: dict[tuple[Any, ...], tuple[Pipeline, Features]] = {}

    def by(self, family: AnyFamily) -> tuple[Pipeline, Features]:
        """Give a family's transforms, fitted, and the features that they make."""
        asked = (family.power, family.l2, family.standardise, family.pca)
        if asked not in self._known:
            transforms = make_transforms(family)
            self._known[asked] = (transforms, transforms.fit_transform(self._features))
        return self._known[asked]


def fit_family(
    family: AnyFamily,
    features: Features | Transformed,
    targets: Targets,
    classes: Sequence[str],
    seed: int = 0,
    ordered: bool = False,
) -> Fitted:
    """Fit transforms and estimator; the seed is of networks and trees, the other families draw nothing.

    Targets are labels of classes, or numbers where there are none. Classes that rise may be framed as
    `ordered`: each threshold between them is asked for itself.

    One thread, because a fit of this size spends its time waiting when BLAS threads share busy cores
    (measured: 0.1 s becomes 5 s), and because the result then does not depend on their number.
    """
    checked = config_context(skip_parameter_validation=True)  # by `AnyFamily`; a twentieth of a small fit
    with _threads().limit(limits=1), checked, warnings.catch_warnings():
        if getattr(family, "steps", -1) != -1:
            warnings.simplefilter("ignore", ConvergenceWarning)  # it was asked to stop there
        known = features if isinstance(features, Transformed) else Transformed(features)
        transforms, inputs = known.by(family)
        makers, what = (_CLASSIFIERS, "classes") if classes else (_REGRESSORS, "numbers")
        make = makers.get(family.family)
        if make is None:
            raise FamilyError(f"{family.family} does not predict {what}: take {', '.join(makers)}")
        if ordered and isinstance(family, MlpFamily):
            estimator: Any = NetworkClassifier(family, classes, seed, ordered=True)
        elif ordered:
            estimator = Cumulative(make(family, inputs, ("below", "reached"), seed), len(classes))
        else:
            estimator = make(family, inputs, classes, seed)
        return Fitted(transforms, estimator.fit(inputs, targets), targets.dtype)


@cache
def _threads() -> ThreadpoolController:
    """Find the libraries with threads, once: looking for them takes as long as a small fit."""
    return ThreadpoolController()


def framed(
    framing: Framing, targets: Targets, classes: Sequence[str], levels: Sequence[float]
) -> dict[str, Any]:
    """Say what `fit_family` is given of labels in a framing: ``targets``, ``classes`` and ``ordered``.

    `levels` are the numbers that the classes stand for.
    """
    if framing == "regression":
        return {"targets": np.asarray(levels, dtype=np.float64)[targets], "classes": ()}
    return {"targets": targets, "classes": classes, "ordered": framing == "ordinal"}


def make_transforms(family: AnyFamily) -> Pipeline:
    """Make the transforms, unfitted: a power, unit length, mean 0 and variance 1 of each value, PCA."""
    power = FunctionTransformer(lambda features: features**family.power)
    wanted = {
        "power": family.power != 1,
        "l2": family.l2,
        "standardise": family.standardise,
        "pca": family.pca is not None,
    }
    components = PCA(family.pca, svd_solver="full")
    steps = {"power": power, "l2": Normalizer(), "standardise": StandardScaler(), "pca": components}
    return make_pipeline("passthrough", *(steps[name] for name, is_wanted in wanted.items() if is_wanted))


class _KernelRidgeClassifier(ClassifierMixin, BaseEstimator):
    """Ridge regression on -1 and +1 for each class; the largest output is the class."""

    def __init__(self, machine: KernelRidge, balanced: bool, classes: int) -> None:
        self.machine = machine
        self.balanced = balanced
        self.classes = classes

    def fit(self, inputs: Features, labels: Labels) -> Self:
        self.classes_ = np.arange(self.classes)
        targets = np.where(labels[:, None] == self.classes_, 1.0, -1.0)
        weights = compute_sample_weight("balanced", labels) if self.balanced else None
        self.machine.fit(inputs, targets, sample_weight=weights)
        return self

    def decision_function(self, inputs: Features) -> NDArray[Any]:
        outputs = self.machine.predict(inputs)
        if not np.isfinite(outputs).all():
            raise FamilyError("kernel_ridge: an output is no number")
        found: NDArray[Any] = outputs if self.classes > 2 else (outputs[:, 1] - outputs[:, 0]) / 2
        return found

    def predict(self, inputs: Features) -> NDArray[Any]:
        outputs = self.decision_function(inputs)
        largest: NDArray[Any] = outputs.argmax(axis=1) if outputs.ndim > 1 else (outputs > 0).astype(int)
        return largest


def _standardised(regressor: Any) -> TransformedTargetRegressor:
    """Let a regressor see numbers of mean 0 and variance 1 over the training images."""
    return TransformedTargetRegressor(regressor, transformer=StandardScaler())


def _kernel_of(family: KernelParams, inputs: Features) -> dict[str, Any]:
    shape = {"degree": family.degree, "coef0": family.coef0}
    return {"kernel": family.kernel, "gamma": kernel_width(family.gamma, inputs), **shape}


def _svr(family: SvcFamily, inputs: Features, *_: Any) -> Any:
    _refuse_balanced(family)
    kernel = _kernel_of(family, inputs)
    return _standardised(SVR(C=family.svc_c, epsilon=family.epsilon, max_iter=family.steps, **kernel))


def _kernel_ridge(family: KernelRidgeFamily, inputs: Features, *_: Any) -> Any:
    _refuse_balanced(family)
    return _standardised(KernelRidge(alpha=family.alpha, **_kernel_of(family, inputs)))  # it has no intercept


def _refuse_balanced(family: Any) -> None:
    if family.balanced:
        raise FamilyError(f"{family.family}: balanced is of classes; set it to false for numbers")


def _process_kernel(family: GaussianProcessFamily, inputs: Features) -> Any:
    length = family.length * median_distance(inputs)
    return ConstantKernel(family.amplitude, "fixed") * RBF(length, "fixed")


def _considered(family: Any) -> str | None:
    return None if family.considered == "all" else str(family.considered)


def _tree(family: Any, seed: int) -> dict[str, Any]:
    return {
        "min_samples_split": family.split_share,
        "max_features": _considered(family),
        "random_state": seed % 2**32,
    }


def _boosting(family: Any, seed: int) -> dict[str, Any]:
    return {
        "n_estimators": family.trees,
        "learning_rate": family.rate,
        "max_depth": family.depth,
        "min_samples_split": family.split_images,
        "max_features": _considered(family),
        "random_state": seed % 2**32,
    }


Maker = Callable[[Any, Features, Sequence[str], int], Any]

_CLASSIFIERS: Mapping[str, Maker] = {
    "mlp": lambda family, _, classes, seed: NetworkClassifier(family, classes, seed),
    "cnn": lambda family, _, classes, seed: NetworkClassifier(family, classes, seed),
    "logistic": lambda family, *_: LogisticRegression(
        C=family.logistic_c, class_weight=_weight(family), max_iter=_MAX_ITERATIONS
    ),
    "svc": lambda family, inputs, *_: SVC(
        C=family.svc_c, class_weight=_weight(family), max_iter=family.steps, **_kernel_of(family, inputs)
    ),
    "kernel_ridge": lambda family, inputs, classes, _: _KernelRidgeClassifier(
        KernelRidge(alpha=family.alpha, **_kernel_of(family, inputs)), family.balanced, len(classes)
    ),
    "knn": lambda family, inputs, classes, _: make_nearest(family, inputs, classes),
    "radius": lambda family, *_: WithinRadius(family),
    "ridge": lambda family, *_: RidgeClassifier(family.ridge_alpha, class_weight=_weight(family)),
    "gaussian_process": lambda family, inputs, *_: GaussianProcessClassifier(
        _process_kernel(family, inputs), optimizer=None
    ),
    "tree": lambda family, _, __, seed: DecisionTreeClassifier(
        criterion=family.criterion, class_weight=_weight(family), **_tree(family, seed)
    ),
    "boosting": lambda family, _, __, seed: GradientBoostingClassifier(**_boosting(family, seed)),
}
"""Families by name: what makes an unfitted classifier from its settings, for inputs, classes and a seed."""

_REGRESSORS: Mapping[str, Maker] = {
    "svc": _svr,
    "ridge": lambda family, *_: Ridge(family.ridge_alpha),
    "kernel_ridge": _kernel_ridge,
    "knn": lambda family, inputs, *_: make_nearest(family, inputs, ()),
    "radius": lambda family, *_: MeanWithinRadius(family),
    "gaussian_process": lambda family, inputs, *_: _standardised(
        GaussianProcessRegressor(_process_kernel(family, inputs), alpha=family.noise, optimizer=None)
    ),
    "tree": lambda family, _, __, seed: DecisionTreeRegressor(**_tree(family, seed)),
    "boosting": lambda family, _, __, seed: GradientBoostingRegressor(**_boosting(family, seed)),
    "mlp": lambda family, _, __, seed: NetworkRegressor(family, seed),
}
"""The same of numbers."""


def _weight(family: Any) -> str | None:
    return "balanced" if family.balanced else None
