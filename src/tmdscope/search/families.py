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
from scipy.linalg import LinAlgWarning
from threadpoolctl import threadpool_limits

from tmdscope.dataset.splits import outer_folds
from tmdscope.errors import UserError
from tmdscope.learn.crossval import fold_seed
from tmdscope.learn.fit import DivergedError
from tmdscope.models.registry import fit_family
from tmdscope.models.scales import FamilyError, Labels, Targets
from tmdscope.params.families import AnyFamily, CnnFamily, FamilySearchParams, MlpFamily, read_family
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.task import Metric, Task
from tmdscope.scores.text import plural
from tmdscope.search.outcome import SearchOutcome
from tmdscope.search.sampling import suggest
from tmdscope.search.trials import FoldOutcome, Job, OnEpoch, Settings

_WARNINGS: tuple[type[Warning], ...] = (RuntimeWarning, UserWarning, LinAlgWarning)
"""How a library says that a fit did not succeed; scikit-learn's ConvergenceWarning is a UserWarning."""
_FAULTS: tuple[type[Exception], ...] = (*_WARNINGS, np.linalg.LinAlgError, DivergedError)


class FamilyObjective:
    """Mean score of classifiers over inner folds, grouped by sample; only rows that are `seen` are kept."""

    together, epochs = 1, 1  # a fold is fitted in one piece: trials end between folds only

    def __init__(self, search: FamilySearchParams, table: Cohort, seen: Labels, folds: int) -> None:
        self.search = search
        self.table = table.take(seen)
        self.task, self.metric = table.task, table.task.primary
        self.parts = outer_folds(self.table.stratum, self.table.sample_ids.tolist(), folds)
        self.folds = len(self.parts)

    def settings(self, trial: optuna.Trial) -> Settings:
        """Draw the settings of a trial, see `Objective.settings`."""
        return suggest(trial, self.search.space, {})

    def run_fold(self, fold: int, jobs: Sequence[Job], on_epoch: Sequence[OnEpoch]) -> list[FoldOutcome]:  # noqa: ARG002
        """Run one inner fold of some trials, see `Objective.run_fold`."""
        return [self._score(fold, job) for job in jobs]

    def _score(self, fold: int, job: Job) -> FoldOutcome:
        train, val = self.parts[fold]
        family = read_family(job.settings)
        epochs = family.epochs if isinstance(family, MlpFamily | CnnFamily) else 1
        with job.recorder.fold(fold) as listener:
            try:
                predicted = predict_unseen(family, self.table, train, val, fold_seed(self.search.seed, fold))
            except FamilyError as error:
                listener.finish({"epochs": epochs}, None)
                return FoldOutcome("failed", epochs=epochs, error=str(error))
            found = self.task.scores(self.table.targets[val], predicted)
            scores = {f"val_{name}": value for name, value in found.items()}
            listener.finish({**scores, "epochs": epochs}, None)
        return FoldOutcome("scored", scores[f"val_{self.metric.name}"], epochs)


def predict_unseen(family: AnyFamily, table: Cohort, seen: Labels, unseen: Labels, seed: int) -> Targets:
    """Fit a method on some images, one thread, and predict others; `FamilyError` where that fails."""
    features, others = (table.inputs[rows].astype(np.float64) for rows in (seen, unseen))
    if family.power != 1 and not ((features >= 0).all() and (others >= 0).all()):
        raise UserError("a feature is negative or no number: its power is not defined; set power to 1")
    with threadpool_limits(1), faults(family.family):
        return fit_family(family, features, table.targets[seen], table.classes, seed).predict(others)


def describe_choice(found: SearchOutcome, task: Task, targets: Targets, predicted: Targets) -> dict[str, Any]:
    """Say what the search of one outer fold chose, and how that does on the images it never saw."""
    return {
        "family": found.settings["family"],
        "settings": {key: value for key, value in found.settings.items() if key != "family"},
        f"inner_{task.primary.name}": found.value,
        "inner_folds": found.folds,
        "images": len(targets),
        **task.scores(targets, predicted),
        "trial": found.trial,
        "trials": asdict(found.progress),
    }


def describe_method(
    search: FamilySearchParams, metric: Metric, folds: int, inner_folds: int, row: str
) -> str:
    """Say in words how the search is made; `row` is what a reader calls one."""
    families = ", ".join(map(str, search.space["family"].ends))
    p = search.prune_folds
    early = f", fewer where a Wilcoxon test gives one up (p < {p})" if p else ""
    return (
        f"Nested: one search of its own for each of {folds} outer folds, over families ({families}), "
        "transforms (power, unit length, standardised) and the families' settings at once; sampler "
        f"{search.sampler}, {search.trials} trials, the first {search.startup} drawn at random, seed "
        f"{search.seed}. A trial is scored by its mean {metric.title} over {inner_folds} inner "
        f"folds of the other {folds - 1} outer folds, grouped by sample{early}. The best trial's settings "
        f"are fitted once on all of these {plural(row)} and predict the outer fold, no {row}, label or "
        f"sample of which its search has seen; all outer folds pooled give one prediction for every {row}."
    )


def outer_seed(seed: int, fold: int) -> int:
    """Derive the seed, below 2**32, of an outer fold's search."""
    return fold_seed(seed, fold) % 2**32


@contextmanager
def faults(family: str) -> Iterator[None]:
    """Turn what a library says of a fit that did not succeed into an error."""
    with warnings.catch_warnings():
        for kind in _WARNINGS:
            warnings.simplefilter("error", kind)
        try:
            yield
        except _FAULTS as error:
            reason = str(error).strip().partition("\n")[0]
            raise FamilyError(f"{family}: {type(error).__name__}: {reason}") from error
