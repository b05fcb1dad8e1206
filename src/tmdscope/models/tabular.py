"""Methods on the features of a cohort under one face: predict a fold, and predict what no fold has seen."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.neighbors import KNeighborsClassifier

from tmdscope.dataset.columns import sample_numbers
from tmdscope.dataset.splits import FoldParts, outer_folds
from tmdscope.errors import UserError
from tmdscope.learn.crossval import fold_seed
from tmdscope.learn.fit import Examples, predict_logits
from tmdscope.learn.recorder import FoldRecorder, Silent
from tmdscope.models.mlp import train_mlp
from tmdscope.models.registry import fit_family
from tmdscope.models.scales import Labels, Targets
from tmdscope.params.families import AnyFamily, MethodsParams, MlpParams
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.folds import PARTS, mean_over_folds
from tmdscope.scores.task import CLASSES, Task
from tmdscope.vision.targets import Multiclass

SAMPLE_ID_ONLY = "sample_id_only"
"""Name of `SampleIdMethod`."""


class Method(Protocol):
    """A way to predict the targets of images by their features or by their sample's number."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it is, JSON-like."""

    def predict_fold(self, parts: FoldParts, number: int, listener: FoldRecorder) -> Targets:
        """Train on a fold and predict every image, shape (N,); its number, from 0, seeds what is random."""

    def predict_unseen(self, seen: Labels, unseen: Labels, number: int, inner_folds: int) -> Targets:
        """Train on some images (rows) as well as the method can and predict others.

        `number` is that of the outer fold and seeds what is random; methods that need a validation part cut
        `seen` into `inner_folds`.
        """


class MlpMethod:
    """A network with hidden layers, of classes, whose epoch the validation part chooses; see `Method`."""

    def __init__(self, cohort: Cohort, params: MlpParams, seed: int) -> None:
        self.cohort = cohort
        self.params = params
        self.seed = seed
        self.settings = params.model_dump(mode="json")
        self.target = Multiclass(cohort.classes)
        self.examples = Examples(torch.tensor(cohort.inputs), torch.tensor(cohort.targets))

    def predict_fold(self, parts: FoldParts, number: int, listener: FoldRecorder) -> Labels:
        """Train one network, see `Method.predict_fold`."""
        return self._predict(parts, fold_seed(self.seed, number), listener)

    def predict_unseen(self, seen: Labels, unseen: Labels, number: int, inner_folds: int) -> Labels:
        """Train one network on all but the first inner fold, which validates, see `Method.predict_unseen`."""
        own = self.cohort.take(seen)
        train, val = outer_folds(own.stratum, own.sample_ids.tolist(), inner_folds)[0]
        parts = FoldParts(seen[train], seen[val], unseen)
        return self._predict(parts, fold_seed(self.seed, 1000 + number), Silent())[unseen]

    def _predict(self, parts: FoldParts, seed: int, listener: FoldRecorder) -> Labels:
        train, val = torch.from_numpy(parts.train), torch.from_numpy(parts.val)
        model = train_mlp(self.params, seed, self.target, self.examples, train, val, listener)
        labels: Labels = predict_logits(model, self.examples.inputs).argmax(dim=1).numpy()
        return labels


class FixedMethod:
    """A family with settings that nothing chooses, so that it needs no validation part; see `Method`."""

    def __init__(self, cohort: Cohort, family: AnyFamily, seed: int = 0) -> None:
        self.cohort = cohort
        self.family = family
        self.seed = seed
        self.settings: Mapping[str, Any] = family.model_dump(mode="json")

    def predict_fold(self, parts: FoldParts, number: int, listener: FoldRecorder) -> Targets:  # noqa: ARG002
        """Fit on the training part, see `Method.predict_fold`."""
        return self._predict(parts.train, np.arange(len(self.cohort)), fold_seed(self.seed, number))

    def predict_unseen(self, seen: Labels, unseen: Labels, number: int, inner_folds: int) -> Targets:  # noqa: ARG002
        """Fit on all that is seen, see `Method.predict_unseen`."""
        return self._predict(seen, unseen, fold_seed(self.seed, 1000 + number))

    def _predict(self, train: Labels, rows: Labels, seed: int) -> Targets:
        cohort = self.cohort
        fitted = fit_family(self.family, cohort.inputs[train], cohort.targets[train], cohort.classes, seed)
        return fitted.predict(cohort.inputs[rows])


class EstimatorMethod(FixedMethod):
    """Any estimator of scikit-learn, which draws what is random from its own seed; see `Method`."""

    def __init__(self, cohort: Cohort, estimator: Any, settings: Mapping[str, Any]) -> None:
        self.cohort, self.estimator, self.settings, self.seed = cohort, estimator, settings, 0

    def _predict(self, train: Labels, rows: Labels, seed: int) -> Targets:  # noqa: ARG002
        inputs, targets = self.cohort.inputs, self.cohort.targets
        fitted = clone(self.estimator).fit(inputs[train], targets[train])
        return np.asarray(fitted.predict(inputs[rows]), dtype=targets.dtype)


class SampleIdMethod(FixedMethod):
    """The nearest neighbour by the number of the sample, which sees no image; see `Method`.

    Ids count up over the years and materials were grown in campaigns, so its score shows how much of a result
    the split could explain.
    """

    def __init__(self, cohort: Cohort) -> None:
        self.cohort, self.seed, self.settings = cohort, 0, {}

    def _predict(self, train: Labels, rows: Labels, seed: int) -> Labels:  # noqa: ARG002
        return _by_sample_number(self.cohort.sample_ids, self.cohort.targets, train, rows)


def _by_sample_number(sample_ids: NDArray[Any], labels: Labels, seen: Labels, unseen: Labels) -> Labels:
    nearest = KNeighborsClassifier(n_neighbors=1).fit(sample_numbers(sample_ids[seen]), labels[seen])
    predicted: Labels = nearest.predict(sample_numbers(sample_ids[unseen])).astype(np.int64)
    return predicted


def sample_id_baseline(
    sample_ids: NDArray[Any], labels: Labels, folds: Sequence[FoldParts]
) -> dict[str, dict[str, float]] | None:
    """Give `mean_over_folds` of `SampleIdMethod`; None when a sample has no number."""
    everything = np.arange(len(labels))
    try:
        predicted = [_by_sample_number(sample_ids, labels, fold.train, everything) for fold in folds]
    except UserError:
        return None
    pairs = zip(predicted, folds, strict=True)
    return mean_over_folds([score_parts(CLASSES, labels, said, fold) for said, fold in pairs])


def make_methods(cohort: Cohort, params: MethodsParams) -> dict[str, Method]:
    """Make what section `methods` names."""
    return {name: FixedMethod(cohort, family, params.seed) for name, family in params.families.items()}


def pooled_predictions(method: Method, cohort: Cohort, folds: int, inner_folds: int) -> Targets:
    """Predict every image, shape (N, ...), by a model that has seen no image of its sample.

    The outer folds are stratified and grouped by sample.
    """
    cut = outer_folds(cohort.stratum, cohort.sample_ids.tolist(), folds)
    said = [method.predict_unseen(*rows, number, inner_folds) for number, rows in enumerate(cut)]
    predicted = np.concatenate(said)
    predicted[np.concatenate([unseen for _, unseen in cut])] = predicted.copy()
    return predicted


def score_parts(task: Task, targets: Targets, predicted: Targets, parts: FoldParts) -> dict[str, float]:
    """Give ``PART_METRIC`` of predictions for every image, shape (N,)."""
    return {
        f"{part}_{name}": value
        for part in PARTS
        for name, value in task.scores(targets[getattr(parts, part)], predicted[getattr(parts, part)]).items()
    }


def fold_runners(
    methods: Mapping[str, Method], folds: Sequence[FoldParts]
) -> dict[str, Callable[[int], Targets]]:
    """Make what trains methods on one of these folds of their cohort, by number, and predicts all of it."""

    def run(method: Method, number: int) -> Targets:
        return method.predict_fold(folds[number], number, Silent())

    return {name: partial(run, method) for name, method in methods.items()}
