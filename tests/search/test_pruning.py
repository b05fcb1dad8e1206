"""A trial is given up when it is clearly worse: within a fold by its epochs, across folds by their scores."""

from collections.abc import Sequence
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from tests.search.conftest import SPACE, search_of
from tmdscope.params.search import SpaceParams
from tmdscope.search.pruning import Steps, make_pruner

EPOCHS, FOLDS = 9, 5
STEPS = Steps(EPOCHS)
GOOD = 0.8


@given(st.integers(1, 300), st.integers(1, 20))
def test_epochs_and_folds_keep_their_steps_apart(epochs: int, folds: int) -> None:
    steps = Steps(epochs)
    series = {steps.of_fold(fold): -float(fold) - 1 for fold in range(folds)}
    series |= {
        steps.of_epoch(fold, epoch): fold + epoch / 1000
        for fold in range(folds)
        for epoch in range(1, epochs + 1)
    }
    assert len(series) == folds * (epochs + 1)
    assert sorted(series) == [
        step
        for fold in range(folds)
        for step in (*(steps.of_epoch(fold, n + 1) for n in range(epochs)), steps.of_fold(fold))
    ]
    assert steps.fold_scores(series) == {fold: -float(fold) - 1 for fold in range(folds)}
    for fold in range(folds):
        wanted = {epoch: fold + epoch / 1000 for epoch in range(1, epochs + 1)}
        assert steps.epoch_scores(series, fold) == wanted


def study_with(params: SpaceParams, scores: Sequence[float]) -> optuna.Study:
    """A study with complete trials that had these scores after every epoch and fold."""
    study = optuna.create_study(direction="maximize", pruner=make_pruner(params, STEPS))
    for score in scores:
        trial = study.ask()
        for fold in range(FOLDS):
            for epoch in range(1, EPOCHS + 1):
                trial.report(score, STEPS.of_epoch(fold, epoch))
                trial.should_prune()
            trial.report(score, STEPS.of_fold(fold))
        study.tell(trial, score)
    return study


def pruned_at(study: optuna.Study, score: float, fold: int = 0) -> int:
    """The epoch of a fold after which a new trial is given up; 0 is never."""
    trial = study.ask()
    for before in range(fold):
        trial.report(GOOD, STEPS.of_fold(before))
    for epoch in range(1, EPOCHS + 1):
        trial.report(score, STEPS.of_epoch(fold, epoch))
        if trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return epoch
    study.tell(trial, state=TrialState.FAIL)
    return 0


@pytest.mark.parametrize("fold", [0, 2])
def test_median_gives_up_what_is_worse_within_a_fold(fold: int) -> None:
    study = study_with(search_of(prune_epochs="median"), [0.4, 0.5, 0.6, 0.7])
    assert pruned_at(study, 0.3, fold) == 3
    assert pruned_at(study, 0.9, fold) == 0


def test_median_waits_for_trials_to_rest_on() -> None:
    assert pruned_at(study_with(search_of(prune_epochs="median"), [0.4, 0.5, 0.6]), 0.0) == 0


def test_median_compares_epochs_of_one_fold_only() -> None:
    """Epochs of a hard fold are no worse than those of the same fold, though worse than those of another."""
    study = optuna.create_study(
        direction="maximize", pruner=make_pruner(search_of(prune_epochs="median"), STEPS)
    )
    for _ in range(5):
        trial = study.ask()
        for fold, score in enumerate([0.9, 0.1]):
            for epoch in range(1, EPOCHS + 1):
                trial.report(score, STEPS.of_epoch(fold, epoch))
            trial.report(score, STEPS.of_fold(fold))
        study.tell(trial, 0.5)
    assert pruned_at(study, 0.2, fold=1) == 0
    assert pruned_at(study, 0.2, fold=0) == 3


def test_halving_promotes_in_the_first_fold_only() -> None:
    study = study_with(search_of(prune_epochs="halving"), [0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    assert pruned_at(study, 0.3) == 2
    assert pruned_at(study, 0.95) == 0
    assert pruned_at(study, 0.3, fold=1) == 0


@pytest.mark.parametrize("fold", [0, 1])
def test_none_gives_nothing_up_within_a_fold(fold: int) -> None:
    assert pruned_at(study_with(search_of(prune_epochs="none"), [0.7] * 6), 0.0, fold) == 0


def folds_until_pruned(study: optuna.Study, scores: Sequence[float]) -> int:
    """Folds after which a new trial is given up; 0 is never."""
    trial = study.ask()
    for fold, score in enumerate(scores):
        trial.report(0.0, STEPS.of_epoch(fold, 1))  # a bad first epoch is no bad fold
        trial.report(score, STEPS.of_fold(fold))
        if trial.should_prune():
            return fold + 1
    return 0


@pytest.mark.parametrize(("threshold", "folds"), [(0.3, 2), (0.2, 3), (0.1, 4), (0.05, 5), (0.0, 0)])
def test_enough_worse_folds_end_a_trial(threshold: float, folds: int) -> None:
    """Of n folds that are all worse Wilcoxon's test gives p = 2**-n."""
    study = study_with(search_of(prune_folds=threshold), [0.5, GOOD, 0.6])
    assert folds_until_pruned(study, [0.7, 0.69, 0.68, 0.67, 0.66]) == folds


@pytest.mark.parametrize(
    "scores", [[0.9, 0.9, 0.9, 0.9, 0.9], [GOOD] * 5, [0.7, 0.9, 0.7, 0.9, 0.85]], ids=str
)
def test_folds_that_are_not_all_worse_go_on(scores: list[float]) -> None:
    assert folds_until_pruned(study_with(search_of(prune_folds=0.2), [0.5, GOOD, 0.6]), scores) == 0


def test_the_first_trial_has_nothing_to_be_worse_than() -> None:
    study = study_with(search_of(prune_folds=0.2, prune_epochs="median"), [])
    assert folds_until_pruned(study, [0.0] * 5) == 0
    assert pruned_at(study, 0.0) == 0


def test_both_look_at_their_own_series() -> None:
    """Epochs end above the median while every fold is worse than the best trial's: folds decide, then."""
    study = study_with(search_of(prune_folds=0.2, prune_epochs="median"), [0.1, 0.2, 0.3, GOOD])
    trial = study.ask()
    ended: list[Any] = []
    for fold in range(FOLDS):
        for epoch in range(1, EPOCHS + 1):
            trial.report(0.7, STEPS.of_epoch(fold, epoch))
            ended += [(fold, epoch)] if trial.should_prune() else []
        trial.report(0.7 - fold / 100, STEPS.of_fold(fold))
        ended += [fold] if trial.should_prune() else []
    assert ended == [2, 3, 4]


def test_a_trial_that_has_reported_nothing_goes_on() -> None:
    study = study_with(search_of(prune_folds=0.2, prune_epochs="median"), [0.5] * 5)
    assert not study.ask().should_prune()


def test_a_search_without_epochs_looks_at_folds_only() -> None:
    params = SpaceParams(trials=9, sampler="random", startup=1, seed=1, prune_folds=0.2, space=SPACE)
    study = study_with(params, [0.5, GOOD, 0.6, 0.7, 0.7])
    assert pruned_at(study, 0.0) == 0
    assert folds_until_pruned(study, [0.1] * 5) == 3
