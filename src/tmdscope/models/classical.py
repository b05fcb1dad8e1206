"""Classical classifiers on stored features, and the baseline that sees no image at all."""

import re
from collections.abc import Sequence
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from tmdscope.errors import UserError
from tmdscope.materials import nearest
from tmdscope.params.published_study import ClassifiersParams

CLASSIFIERS = ("svc", "logistic", "sample_id_only")
"""Names that `make_classifier` knows."""

_MAX_ITERATIONS = 5000


class Classifier(Protocol):
    """What is asked of a scikit-learn classifier."""

    def fit(self, inputs: Any, labels: Any) -> Self:
        """Learn from one entry per image and the class of each, shape (images,)."""

    def predict(self, inputs: Any) -> NDArray[Any]:
        """Predict the class of each image, shape (images,)."""


def make_classifier(name: str, params: ClassifiersParams) -> Classifier:
    """Make an unfitted classifier, a scikit-learn pipeline, by its name.

    ``svc`` (each image's features to unit length, then standardised; RBF kernel, balanced classes) and
    ``logistic`` (standardised; balanced classes) take features, float, shape (images, values).
    ``sample_id_only`` takes the sample ids instead, shape (images,): the nearest neighbour by the number of
    the sample. Ids count up over the years and materials were grown in campaigns, so its score shows how much
    of a result the split could explain.
    """
    if name == "svc":
        machine = SVC(C=params.svc.c, kernel="rbf", gamma="scale", class_weight="balanced")
        return _pipeline(Normalizer("l2"), StandardScaler(), machine)
    if name == "logistic":
        regression = LogisticRegression(
            C=params.logistic.c, class_weight="balanced", max_iter=_MAX_ITERATIONS, random_state=params.seed
        )
        return _pipeline(StandardScaler(), regression)
    if name == "sample_id_only":
        return make_sample_id_classifier()
    raise UserError(f"unknown classifier {name!r}; {nearest(name, CLASSIFIERS)}")


def make_sample_id_classifier() -> Classifier:
    """Make the baseline that sees no image: the nearest neighbour by the number of the sample."""
    return _pipeline(FunctionTransformer(sample_numbers), KNeighborsClassifier(n_neighbors=1))


def fit_classifier(name: str, params: ClassifiersParams, inputs: Any, labels: NDArray[Any]) -> Classifier:
    """Make a classifier by its name (see `make_classifier`) and fit it on one thread.

    One thread, because a fit of this size spends its time waiting when BLAS threads share busy cores
    (measured: 0.1 s becomes 5 s), and because the result then does not depend on their number.
    """
    with threadpool_limits(1):
        return make_classifier(name, params).fit(inputs, labels)


def sample_numbers(sample_ids: Sequence[str] | NDArray[Any]) -> NDArray[np.float64]:
    """Read sample ids as numbers, float64, shape (images, 1); the last digits count: ``S0012`` is 12."""
    numbers = []
    for sample in sample_ids:
        digits = re.findall(r"[0-9]+", str(sample))
        if not digits:
            raise UserError(
                f"sample id {str(sample)!r} carries no number, so the baseline 'sample_id_only' "
                "has nothing to go by; leave it out for these samples"
            )
        numbers.append(float(digits[-1]))
    return np.array(numbers).reshape(-1, 1)


def _pipeline(*steps: Any) -> Classifier:
    made: Classifier = make_pipeline(*steps)
    return made
