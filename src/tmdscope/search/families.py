"""Trials that are classifiers of stored features: a transform of them, a family, and the family's settings.

An objective is given the images that its search may see and copies them; it holds no others.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
import optuna
import torch
from numpy.typing import NDArray
from scipy.linalg import LinAlgWarning
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.svm import SVC
from sklearn.utils.class_weight import compute_sample_weight
from threadpoolctl import threadpool_limits

from tmdscope.dataset.splits import outer_folds
from tmdscope.errors import UserError
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.crossval import fold_seed
from tmdscope.learn.fit import DivergedError, Examples, FitSettings, fit, predict_logits
from tmdscope.learn.recorder import Silent
from tmdscope.models.classical import Classifier
from tmdscope.models.tabular import FeatureTable, Labels, Mlp
from tmdscope.params.published_study import (
    AnyFamily,
    FamilySearchParams,
    KernelRidgeFamily,
    KnnFamily,
    LogisticFamily,
    MlpFamily,
    SvcFamily,
    read_family,
)
from tmdscope.scores.metrics import accuracy, macro_f1
from tmdscope.search.outcome import SearchOutcome
from tmdscope.search.space import suggest
from tmdscope.search.trials import FoldOutcome, Job, OnEpoch, Settings
from tmdscope.vision.targets import Multiclass

Features = NDArray[np.float64]

_MAX_ITERATIONS = 3000
_WARNINGS: tuple[type[Warning], ...] = (RuntimeWarning, UserWarning, LinAlgWarning)
"""How a library says that a fit did not succeed; scikit-learn's ConvergenceWarning is a UserWarning."""
_FAULTS: tuple[type[Exception], ...] = (*_WARNINGS, np.linalg.LinAlgError, DivergedError)


class FamilyError(UserError):
    """A classifier cannot be fitted with its settings; the message names the family and says why."""


class FamilyObjective:
    """Mean macro F1 over inner folds of classifiers of several families, see `Objective`.

    Folds are stratified and grouped by sample; nothing is kept of rows that are not `seen`.
    """

    together = 1
    """Trials that run at once."""
    epochs = 1
    """A fold is fitted in one piece: trials end between folds only."""

    def __init__(self, search: FamilySearchParams, table: FeatureTable, seen: Labels, folds: int) -> None:
        self.search = search
        self.table = _rows(table, seen)
        self.parts = outer_folds(self.table.labels, self.table.sample_ids.tolist(), folds)

    @property
    def folds(self) -> int:
        """Number of inner folds."""
        return len(self.parts)

    def settings(self, trial: optuna.Trial) -> Settings:
        """Draw the settings of a trial, see `Objective.settings`."""
        return suggest(trial, self.search.space, {})

    def run_fold(self, fold: int, jobs: Sequence[Job], on_epoch: Sequence[OnEpoch]) -> list[FoldOutcome]:  # noqa: ARG002
        """Run one inner fold of some trials, see `Objective.run_fold`."""
        return [self._score(fold, job) for job in jobs]

    def _score(self, fold: int, job: Job) -> FoldOutcome:
        train, val = self.parts[fold]
        family = read_family(job.settings)
        epochs = family.epochs if isinstance(family, MlpFamily) else 1
        with job.recorder.fold(fold) as listener:
            try:
                predicted = predict_unseen(family, self.table, train, val, fold_seed(self.search.seed, fold))
            except FamilyError as error:
                listener.finish({"epochs": epochs}, None)
                return FoldOutcome("failed", epochs=epochs, error=str(error))
            true = self.table.labels[val]
            scores = {"val_macro_f1": macro_f1(true, predicted), "val_accuracy": accuracy(true, predicted)}
            listener.finish({**scores, "epochs": epochs}, None)
        return FoldOutcome("scored", scores["val_macro_f1"], epochs)


def predict_unseen(family: AnyFamily, table: FeatureTable, seen: Labels, unseen: Labels, seed: int) -> Labels:
    """Fit a classifier on some images, one thread, and predict others; labels of `seen` only are read.

    The seed is of networks; the other families draw nothing. `FamilyError` where the fit does not converge,
    is singular, overflows or asks for more neighbours than there are.
    """
    train, inputs = _rows(table, seen), table.features[unseen]
    with threadpool_limits(1), _faults(family.family):
        before, others = transform(family, train.features, inputs)
        if isinstance(family, MlpFamily):
            return _predict_mlp(family, before, train, others, seed)
        if isinstance(family, KernelRidgeFamily):
            return _predict_kernel_ridge(family, before, train, others)
        predicted: Labels = _classifier(family, before).fit(before, train.labels).predict(others)
        return predicted.astype(np.int64)


def transform(
    family: AnyFamily, seen: NDArray[np.float32], unseen: NDArray[np.float32]
) -> tuple[Features, Features]:
    """Transform features, >= 0: a power, then unit length, then the mean and variance of the seen images.

    `UserError` where a feature is negative or no number, so that it has no power.
    """
    parts = [np.asarray(part, dtype=np.float64) for part in (seen, unseen)]
    if not all((part >= 0).all() for part in parts):
        raise UserError("a feature is negative or no number: its power is not defined")
    parts = [part**family.power for part in parts]
    if family.l2:
        parts = [Normalizer().transform(part) for part in parts]
    if family.standardise:
        scaler = StandardScaler().fit(parts[0])
        parts = [scaler.transform(part) for part in parts]
    return parts[0], parts[1]


def describe_choice(found: SearchOutcome, labels: Labels, predicted: Labels) -> dict[str, Any]:
    """Say what the search of one outer fold chose, and how that does on the images it never saw."""
    return {
        "family": found.settings["family"],
        "settings": {key: value for key, value in found.settings.items() if key != "family"},
        "inner_macro_f1": found.value,
        "inner_folds": found.folds,
        "images": len(labels),
        "accuracy": accuracy(labels, predicted),
        "macro_f1": macro_f1(labels, predicted),
        "trial": found.trial,
        "trials": asdict(found.progress),
    }


def describe_method(search: FamilySearchParams, folds: int, inner_folds: int) -> str:
    """Say in words how the search is made."""
    families = ", ".join(map(str, search.space["family"].ends))
    early = (
        f", fewer where a Wilcoxon test gives one up (p < {search.prune_folds})" if search.prune_folds else ""
    )
    return (
        f"Nested: one search of its own for each of {folds} outer folds, over families ({families}), "
        "transforms (power, unit length, standardised) and the families' settings at once; sampler "
        f"{search.sampler}, {search.trials} trials, the first {search.startup} drawn at random, seed "
        f"{search.seed}. A trial is scored by its mean macro F1 over {inner_folds} inner folds of the other "
        f"{folds - 1} outer folds, grouped by sample{early}. The best trial's settings are fitted once on "
        "all of these images and predict the outer fold, no image, label or sample of which its search has "
        "seen; all outer folds pooled give one prediction for every image."
    )


def outer_seed(seed: int, fold: int) -> int:
    """Derive the seed, below 2**32, of an outer fold's search."""
    return fold_seed(seed, fold) % 2**32


def _rows(table: FeatureTable, rows: Labels) -> FeatureTable:
    """Copy some rows."""
    return FeatureTable(table.features[rows], table.sample_ids[rows], table.labels[rows], table.classes)


@contextmanager
def _faults(family: str) -> Iterator[None]:
    """Turn what a library says of a fit that did not succeed into an error."""
    with warnings.catch_warnings():
        for kind in _WARNINGS:
            warnings.simplefilter("error", kind)
        try:
            yield
        except _FAULTS as error:
            reason = str(error).strip().partition("\n")[0]
            raise FamilyError(f"{family}: {type(error).__name__}: {reason}") from error


def _gamma(relative: float, inputs: Features) -> float:
    spread: float = inputs.shape[1] * float(inputs.var())
    if spread == 0:
        raise FamilyError("all features are equal: the kernel has no width")
    return relative / spread


def _classifier(family: LogisticFamily | SvcFamily | KnnFamily, inputs: Features) -> Classifier:
    made: Classifier
    if isinstance(family, KnnFamily):
        if family.neighbours > len(inputs):
            raise FamilyError(f"knn: {family.neighbours} neighbours, but {len(inputs)} images to learn from")
        made = KNeighborsClassifier(family.neighbours, weights=family.votes)
        return made
    weight = "balanced" if family.balanced else None
    if isinstance(family, LogisticFamily):
        made = LogisticRegression(C=family.logistic_c, class_weight=weight, max_iter=_MAX_ITERATIONS)
    else:
        made = SVC(C=family.svc_c, kernel="rbf", gamma=_gamma(family.gamma, inputs), class_weight=weight)
    return made


def _predict_kernel_ridge(
    family: KernelRidgeFamily, inputs: Features, train: FeatureTable, unseen: Features
) -> Labels:
    targets = np.where(train.labels[:, None] == np.arange(len(train.classes)), 1.0, -1.0)
    weights = compute_sample_weight("balanced", train.labels) if family.balanced else None
    machine = KernelRidge(alpha=family.alpha, kernel="rbf", gamma=_gamma(family.gamma, inputs))
    outputs = machine.fit(inputs, targets, sample_weight=weights).predict(unseen)
    if not np.isfinite(outputs).all():
        raise FamilyError("kernel_ridge: an output is no number")
    labels: Labels = outputs.argmax(axis=1).astype(np.int64)
    return labels


def _predict_mlp(
    family: MlpFamily, inputs: Features, train: FeatureTable, unseen: Features, seed: int
) -> Labels:
    """Train for all epochs and keep the last, so that no image chooses one; `fit` scores training images."""
    settings = FitSettings(
        epochs=family.epochs,
        batch_size=family.batch_size,
        learning_rate=family.learning_rate,
        checkpoint=CheckpointRule.LAST,
        sampling="oversampled",
        seed=seed,
    )
    torch.manual_seed(seed)
    model = Mlp(inputs.shape[1], [family.hidden], len(train.classes), family.dropout)
    examples = Examples(torch.tensor(inputs, dtype=torch.float32), torch.tensor(train.labels))
    everything = torch.arange(len(train.labels))
    fit(model, Multiclass(train.classes), examples, everything, everything, settings, Silent())
    labels: Labels = predict_logits(model, torch.tensor(unseen, dtype=torch.float32)).argmax(dim=1).numpy()
    return labels
