from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdscope.learn.checkpoint import CheckpointRule, EpochScores, keeps, kept_epoch
from tmdscope.scores.task import MACRO_F1, quantity

BOTH, PAPER, LAST = CheckpointRule.IMPROVES_BOTH, CheckpointRule.PAPER, CheckpointRule.LAST
KEPT = EpochScores(train_loss=1.0, train_score=0.5, val_loss=0.9, val_score=0.6)


@pytest.mark.parametrize("rule", list(CheckpointRule))
def test_the_first_epoch_is_kept(rule: CheckpointRule) -> None:
    assert keeps(rule, MACRO_F1, EpochScores(9.0, 0.0, 9.0, 0.0), None)


@pytest.mark.parametrize(
    ("scores", "both", "paper"),
    [
        pytest.param(EpochScores(0.8, 0.7, 0.8, 0.7), True, True, id="all four hold"),
        pytest.param(EpochScores(0.8, 0.7, 0.8, 0.6), True, False, id="validation F1 only equal"),
        pytest.param(EpochScores(0.8, 0.7, 0.8, 0.6 - 1e-12), True, False, id="equal but for rounding"),
        pytest.param(EpochScores(0.8, 0.7, 0.8, 0.59), False, False, id="validation F1 lower"),
        pytest.param(EpochScores(0.8, 0.7, 0.9, 0.6), False, False, id="both only equal"),
        pytest.param(EpochScores(0.8, 0.7, 0.9, 0.7), False, False, id="validation loss only equal"),
        pytest.param(
            EpochScores(0.8, 0.6, 0.8, 0.7), True, False, id="train F1 not above kept validation F1"
        ),
        pytest.param(
            EpochScores(0.9, 0.7, 0.8, 0.7), True, False, id="train loss not below kept validation loss"
        ),
    ],
)
def test_rules(scores: EpochScores, both: bool, paper: bool) -> None:
    assert keeps(BOTH, MACRO_F1, scores, KEPT) is both
    assert keeps(PAPER, MACRO_F1, scores, KEPT) is paper
    assert keeps(LAST, MACRO_F1, scores, KEPT)


def kept_epochs(rule: CheckpointRule, epochs: list[EpochScores]) -> list[int]:
    """Numbers from 1 of the epochs that a training would keep in turn."""
    kept: list[int] = []
    for number, scores in enumerate(epochs, start=1):
        if keeps(rule, MACRO_F1, scores, epochs[kept[-1] - 1] if kept else None):
            kept.append(number)
    return kept


OVERFITTING = [
    EpochScores(1.5, 0.3, 1.4, 0.4),
    EpochScores(1.0, 0.5, 1.1, 0.5),  # better in all
    EpochScores(0.9, 0.7, 1.2, 0.6),  # validation loss rises
    EpochScores(0.8, 0.4, 1.0, 0.6),  # training F1 below the validation F1 kept so far
    EpochScores(0.7, 0.8, 0.9, 0.7),  # better in all
    EpochScores(0.2, 0.9, 0.9, 0.8),  # validation loss only equal
    EpochScores(0.1, 1.0, 2.0, 0.7),
]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [(BOTH, [1, 2, 4, 5]), (PAPER, [1, 2, 5]), (LAST, [1, 2, 3, 4, 5, 6, 7])],
    ids=lambda value: str(value),
)
def test_a_training_that_overfits_keeps(rule: CheckpointRule, expected: list[int]) -> None:
    assert kept_epochs(rule, OVERFITTING) == expected
    assert kept_epoch(rule, MACRO_F1, OVERFITTING) == expected[-1]


def test_of_a_plateau_of_f1_the_epoch_of_lowest_loss_is_kept() -> None:
    plateau = [EpochScores(1.0, 1.0, loss, 1.0) for loss in (0.98, 0.7, 0.4, 0.14, 0.2)]
    assert kept_epoch(BOTH, MACRO_F1, plateau) == 4
    assert kept_epoch(PAPER, MACRO_F1, plateau) == 1  # the paper's rule stays the paper's


SCORE = st.floats(0, 1)
EPOCHS = st.lists(st.builds(EpochScores, SCORE, SCORE, SCORE, SCORE), min_size=1, max_size=12)


@given(EPOCHS)
def test_kept_epochs_only_get_better(epochs: list[EpochScores]) -> None:
    for rule in (BOTH, PAPER):
        kept = [epochs[number - 1] for number in kept_epochs(rule, epochs)]
        for before, after in pairwise(kept):
            assert after.val_score > before.val_score - 1e-9
            assert after.val_loss < before.val_loss
            if rule is PAPER:
                assert after.val_score > before.val_score
                assert after.train_score > before.val_score
                assert after.train_loss < before.val_loss


def test_an_error_gets_better_by_falling() -> None:
    metric = quantity("eV").primary
    kept, now = EpochScores(1.0, 0.5, 0.9, 0.4), EpochScores(0.8, 0.3, 0.8, 0.3)
    for rule in (BOTH, PAPER):
        assert keeps(rule, metric, now, kept)
        assert not keeps(rule, metric, EpochScores(0.8, 0.5, 0.8, 0.5), kept)
