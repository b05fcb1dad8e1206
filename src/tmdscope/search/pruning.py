"""When a trial is given up: within a fold by its epochs, and from fold to fold.

A trial reports one series of values to Optuna. Here it holds two: the scores of fold f after its epochs
1..E at steps f (E + 2) + epoch, and the fold's own score at step f (E + 2) + E + 1. Each of Optuna's pruners
is shown the one that it understands: `MedianPruner` and `SuccessiveHalvingPruner` the epochs of one fold,
`WilcoxonPruner` the folds, which it compares pair by pair with those of the best trial.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState

from tmdscope.params.search import SearchParams, SpaceParams
from tmdscope.search.storage import quiet

_QUIET_TRIALS = 4
"""Complete trials that the median must rest on."""
_QUIET_EPOCHS = 3
"""Epochs after which the median is asked first."""


class Steps:
    """Where the scores of epochs and folds stand in a trial's one series."""

    def __init__(self, epochs: int) -> None:
        self.stride = epochs + 2

    def of_epoch(self, fold: int, epoch: int) -> int:
        """Give the step of an epoch, from 1, of a fold, from 0."""
        return fold * self.stride + epoch

    def of_fold(self, fold: int) -> int:
        """Give the step of a fold's own score."""
        return (fold + 1) * self.stride - 1

    def is_fold(self, step: int) -> bool:
        """Say whether a step holds a fold's own score."""
        return step % self.stride == self.stride - 1

    def fold_scores(self, values: dict[int, float]) -> dict[int, float]:
        """Pick the scores of folds from those of steps."""
        return {step // self.stride: value for step, value in values.items() if self.is_fold(step)}

    def epoch_scores(self, values: dict[int, float], fold: int) -> dict[int, float]:
        """Pick the scores after the epochs, from 1, of one fold from those of steps."""
        return {
            step % self.stride: value
            for step, value in values.items()
            if step // self.stride == fold and not self.is_fold(step)
        }


@dataclass
class FoldAndEpochPruner(BasePruner):
    """Two pruners: one for a fold's epochs (halving: of fold 0 only, it promotes once), one for folds."""

    steps: Steps
    epochs: BasePruner
    folds: BasePruner
    first_fold_only: bool

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Say whether to give a trial up, see `BasePruner.prune`."""
        step = trial.last_step
        if step is None:
            return False
        if self.steps.is_fold(step):
            return _ask(self.folds, study, trial, self.steps.fold_scores)
        fold = step // self.steps.stride
        if fold and self.first_fold_only:
            return False
        return _ask(self.epochs, study, trial, lambda values: self.steps.epoch_scores(values, fold))


def make_pruner(params: SpaceParams, steps: Steps) -> FoldAndEpochPruner:
    """Make the pruner of a search; one without epochs (`SpaceParams` itself) prunes over folds only."""
    kind = params.prune_epochs if isinstance(params, SearchParams) else "none"
    makers: dict[str, Callable[[], BasePruner]] = {
        "median": lambda: optuna.pruners.MedianPruner(
            n_startup_trials=_QUIET_TRIALS, n_warmup_steps=_QUIET_EPOCHS
        ),
        "halving": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=2, reduction_factor=3),
        "none": optuna.pruners.NopPruner,
    }
    with quiet():
        folds = (
            optuna.pruners.WilcoxonPruner(p_threshold=params.prune_folds, n_startup_steps=2)
            if params.prune_folds
            else optuna.pruners.NopPruner()
        )
    return FoldAndEpochPruner(steps, makers[kind](), folds, first_fold_only=kind == "halving")


_Pick = Callable[[dict[int, float]], dict[int, float]]


def _ask(pruner: BasePruner, study: optuna.Study, trial: FrozenTrial, pick: _Pick) -> bool:
    return pruner.prune(cast("optuna.Study", _Shown(study, pick)), _picked(trial, pick))


def _picked(trial: FrozenTrial, pick: _Pick) -> FrozenTrial:
    shown = copy.copy(trial)
    shown.intermediate_values = pick(trial.intermediate_values)
    return shown


@dataclass
class _Shown:
    """A study whose trials show one of their two series."""

    _study: optuna.Study
    _pick: _Pick

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def get_trials(
        self, deepcopy: bool = True, states: Sequence[TrialState] | None = None
    ) -> list[FrozenTrial]:
        found = self._study.get_trials(deepcopy=deepcopy, states=states)
        return [_picked(trial, self._pick) for trial in found]

    @property
    def best_trial(self) -> FrozenTrial:
        return _picked(self._study.best_trial, self._pick)
