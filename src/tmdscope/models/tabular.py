"""Classifiers of stored features under one face: predict a fold, and predict what no fold has seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tmdscope.dataset.splits import Split, outer_folds
from tmdscope.errors import UserError
from tmdscope.learn.crossval import FoldParts, fold_seed
from tmdscope.learn.fit import Examples, predict_logits
from tmdscope.learn.recorder import FoldRecorder, Silent
from tmdscope.materials import nearest
from tmdscope.models.mlp import train_mlp
from tmdscope.models.registry import FIXED, Labels, fit_family
from tmdscope.models.sample_id import SAMPLE_ID_ONLY, make_sample_id_classifier
from tmdscope.params.published_study import ClassifiersParams
from tmdscope.scores.folds import PARTS, mean_std
from tmdscope.scores.task import Task
from tmdscope.vision.targets import Multiclass

METHODS = ("mlp", *FIXED, SAMPLE_ID_ONLY)
"""Names that `make_method` knows."""


@dataclass(frozen=True)
class FeatureTable:
    """Stored features, (N, F), of images with samples and labels, (N,); `classes` in label order."""

    features: NDArray[np.float32]
    sample_ids: NDArray[Any]
    labels: Labels
    classes: tuple[str, ...]

    def take(self, rows: Labels) -> Self:
        """Copy some rows."""
        return replace(
            self, features=self.features[rows], sample_ids=self.sample_ids[rows], labels=self.labels[rows]
        )


def table_folds(split: Split, image_ids: Sequence[str]) -> list[FoldParts]:
    """Turn a split's image ids into the rows of a table."""
    row = {image: number for number, image in enumerate(image_ids)}
    return [
        FoldParts(*(np.array([row[image] for image in part]) for part in (fold.train, fold.val, split.test)))
        for fold in split.folds
    ]


class Method(Protocol):
    """A way to classify images by their features or by their sample's number."""

    def predict_fold(self, parts: FoldParts, number: int, listener: FoldRecorder) -> Labels:
        """Train on a fold and predict every image, shape (N,); its number, from 0, seeds what is random."""

    def predict_unseen(self, seen: Labels, unseen: Labels, number: int, inner_folds: int) -> Labels:
        """Train on some images (rows) as well as the method can and predict others.

        `number` is that of the outer fold and seeds what is random; methods that need a validation part cut
        `seen` into `inner_folds`.
        """


class MlpMethod:
    """The paper's ImageNet* classifier, see `Method`."""

    def __init__(self, table: FeatureTable, params: ClassifiersParams) -> None:
        self.table = table
        self.params = params
        self.target = Multiclass(table.classes)
        self.examples = Examples(torch.tensor(table.features), torch.tensor(table.labels))

    def predict_fold(self, parts: FoldParts, number: int, listener: FoldRecorder) -> Labels:
        """Train one network, see `Method.predict_fold`."""
        labels: Labels = self._logits(parts, fold_seed(self.params.seed, number), listener).argmax(1).numpy()
        return labels

    def predict_unseen(self, seen: Labels, unseen: Labels, number: int, inner_folds: int) -> Labels:
        """Train one network on all but the first inner fold, which validates, see `Method.predict_unseen`."""
        train, val = outer_folds(self.table.labels[seen], self.table.sample_ids[seen].tolist(), inner_folds)[
            0
        ]
        parts = FoldParts(seen[train], seen[val], unseen)
        logits = self._logits(parts, fold_seed(self.params.seed, 1000 + number), Silent())
        labels: Labels = logits[torch.from_numpy(unseen)].argmax(dim=1).numpy()
        return labels

    def _logits(self, parts: FoldParts, seed: int, listener: FoldRecorder) -> Tensor:
        train, val = torch.from_numpy(parts.train), torch.from_numpy(parts.val)
        model = train_mlp(self.params.mlp, seed, self.target, self.examples, train, val, listener)
        return predict_logits(model, self.examples.inputs)


class FixedMethod:
    """A classifier with settings of its own, see `Method`; it needs no validation part."""

    def __init__(self, name: str, table: FeatureTable, params: ClassifiersParams) -> None:
        self.table = table
        self.family = FIXED[name](params) if name != SAMPLE_ID_ONLY else None

    def predict_fold(self, parts: FoldParts, number: int, listener: FoldRecorder) -> Labels:  # noqa: ARG002
        """Fit on the training part, see `Method.predict_fold`."""
        return self._predict(parts.train, np.arange(len(self.table.labels)))

    def predict_unseen(self, seen: Labels, unseen: Labels, number: int, inner_folds: int) -> Labels:  # noqa: ARG002
        """Fit on all that is seen, see `Method.predict_unseen`."""
        return self._predict(seen, unseen)

    def _predict(self, train: Labels, rows: Labels) -> Labels:
        table, labels = self.table, self.table.labels[train]
        if self.family is not None:
            fitted = fit_family(self.family, table.features[train], labels, table.classes)
            return fitted.predict(table.features[rows])
        baseline = make_sample_id_classifier().fit(table.sample_ids[train], labels)
        predicted: Labels = baseline.predict(table.sample_ids[rows]).astype(np.int64)
        return predicted


def make_method(name: str, table: FeatureTable, params: ClassifiersParams) -> Method:
    """Make one of `METHODS` by name."""
    if name not in METHODS:
        raise UserError(f"unknown classifier {name!r}; {nearest(name, METHODS)}")
    return MlpMethod(table, params) if name == "mlp" else FixedMethod(name, table, params)


def pooled_predictions(method: Method, table: FeatureTable, folds: int, inner_folds: int) -> Labels:
    """Predict every image, shape (N,), by a model that has seen no image of its sample.

    The outer folds are stratified and grouped by sample.
    """
    predicted = np.full(len(table.labels), -1, dtype=np.int64)
    for number, (seen, unseen) in enumerate(outer_folds(table.labels, table.sample_ids.tolist(), folds)):
        predicted[unseen] = method.predict_unseen(seen, unseen, number, inner_folds)
    return predicted


def score_parts(task: Task, labels: Labels, predicted: Labels, parts: FoldParts) -> dict[str, float]:
    """Give ``PART_METRIC`` of predictions for every image, shape (N,)."""
    return {
        f"{part}_{name}": value
        for part in PARTS
        for name, value in task.scores(labels[getattr(parts, part)], predicted[getattr(parts, part)]).items()
    }


def mean_over_folds(scores: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Give ``mean`` and population ``std`` of each score over the folds that have it."""
    names = dict.fromkeys(name for fold in scores for name in fold)
    return {name: mean_std([fold[name] for fold in scores if name in fold]) for name in names}
