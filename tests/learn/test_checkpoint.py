import pytest

from tmdscope.learn.checkpoint import CheckpointRule, EpochScores, keeps

BOTH, PAPER, LAST = CheckpointRule.IMPROVES_BOTH, CheckpointRule.PAPER, CheckpointRule.LAST
KEPT = EpochScores(train_loss=1.0, train_macro_f1=0.5, val_loss=0.9, val_macro_f1=0.6)


@pytest.mark.parametrize("rule", list(CheckpointRule))
def test_the_first_epoch_is_kept(rule: CheckpointRule) -> None:
    assert keeps(rule, EpochScores(9.0, 0.0, 9.0, 0.0), None)


@pytest.mark.parametrize(
    ("scores", "both", "paper"),
    [
        pytest.param(EpochScores(0.8, 0.7, 0.8, 0.7), True, True, id="all four hold"),
        pytest.param(EpochScores(0.8, 0.7, 0.8, 0.6), False, False, id="validation F1 only equal"),
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
    assert keeps(BOTH, scores, KEPT) is both
    assert keeps(PAPER, scores, KEPT) is paper
    assert keeps(LAST, scores, KEPT)
