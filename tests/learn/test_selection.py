"""The selection score is earned alike by candidates of few and of many choices."""

import numpy as np
import pytest

from tmdscope.errors import UserError
from tmdscope.learn.checkpoint import CheckpointRule, EpochScores, kept_epoch
from tmdscope.learn.selection import (
    LeftOutFold,
    choose_best,
    describe_selection,
    leave_out_each,
    selection_score,
)
from tmdscope.scores.task import MACRO_F1

BOTH, LAST = CheckpointRule.IMPROVES_BOTH, CheckpointRule.LAST
SEEDS = 200


def histories(*curves: list[float]) -> list[list[EpochScores]]:
    """Folds by their macro F1 epoch by epoch; the loss falls as it rises."""
    return [[EpochScores(1.0, 0.5, 1 - f1, f1) for f1 in curve] for curve in curves]


def test_each_fold_scores_the_epoch_that_the_others_choose() -> None:
    found = leave_out_each(histories([0.9, 0.1, 0.2], [0.3, 0.6, 0.4], [0.3, 0.4, 0.8]), BOTH, MACRO_F1)
    assert [(fold.others, fold.own) for fold in found] == [
        (pytest.approx(0.6), 0.2),  # epoch 3 is best for folds 1 and 2
        (pytest.approx(0.6), 0.3),  # epoch 1 for folds 0 and 2
        (pytest.approx(0.6), 0.3),  # epoch 1 for folds 0 and 1
    ]


def test_a_fold_that_stopped_early_stands_where_it_stopped() -> None:
    (short, long) = leave_out_each(histories([0.2, 0.5], [0.1, 0.3, 0.4]), BOTH, MACRO_F1)
    assert (short.others, short.own) == (0.4, 0.5)
    assert (long.others, long.own) == (0.5, 0.3)


def test_rule_last_has_no_epoch_to_choose() -> None:
    found = leave_out_each(histories([0.9, 0.1], [0.2, 0.4]), LAST, MACRO_F1)
    assert [fold.own for fold in found] == [0.1, 0.4]


def test_each_fold_scores_the_candidate_that_the_others_choose() -> None:
    one = [LeftOutFold(0.5, 0.1), LeftOutFold(0.2, 0.9)]
    two = [LeftOutFold(0.4, 0.7), LeftOutFold(0.2, 0.3)]
    assert selection_score([one, two], MACRO_F1) == pytest.approx((0.1 + 0.9) / 2)
    assert selection_score([two], MACRO_F1) == pytest.approx(0.5)


def drawn(rng: np.random.Generator, epochs: int) -> list[list[EpochScores]]:
    """Five folds that tell nothing: macro F1 and loss of every epoch are luck."""
    luck = rng.normal(0.2, 0.04, (5, epochs))
    return [[EpochScores(1.0, 0.5, 1 - f1, f1) for f1 in fold] for fold in luck.tolist()]


def validation(folds: list[list[EpochScores]]) -> float:
    return float(np.mean([fold[kept_epoch(BOTH, MACRO_F1, fold) - 1].val_score for fold in folds]))


def score(candidates: list[list[list[EpochScores]]]) -> float:
    return selection_score([leave_out_each(folds, BOTH, MACRO_F1) for folds in candidates], MACRO_F1)


@pytest.mark.parametrize(("trials", "epochs"), [(1, 60), (20, 3), (20, 60)])
def test_on_luck_alone_whoever_chose_more_wins_no_more(trials: int, epochs: int) -> None:
    """Against one experiment of three epochs; by validation scores it loses nearly always."""
    wins, before = 0, 0
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        few, many = drawn(rng, 3), [drawn(rng, epochs) for _ in range(trials)]
        before += max(map(validation, many)) > validation(few)
        wins += score(many) > score([few])
    assert before > 0.9 * SEEDS
    assert 0.4 * SEEDS < wins < 0.6 * SEEDS


def test_what_is_better_wins_still() -> None:
    rng = np.random.default_rng(1)
    better = [[EpochScores(1.0, 0.5, 1 - f1, f1) for f1 in fold] for fold in rng.normal(0.5, 0.04, (5, 20))]
    many = [leave_out_each(drawn(rng, 20), BOTH, MACRO_F1) for _ in range(19)]
    assert selection_score([*many, leave_out_each(better, BOTH, MACRO_F1)], MACRO_F1) > 0.4


def test_optimism_is_validation_less_selection() -> None:
    found = describe_selection(0.5, {"val": {"macro_f1": {"mean": 0.7, "std": 0.1}}}, MACRO_F1)
    assert found == {"macro_f1": 0.5, "optimism": pytest.approx(0.2)}


def test_the_best_has_the_highest_selection_score_whatever_the_validation_score() -> None:
    scores = {
        name: {"selection": {"macro_f1": score}, "val": {"macro_f1": {"mean": 1 - score}}}
        for name, score in {"a": 0.3, "b": 0.6, "c": 0.6}.items()
    }
    assert choose_best(scores, MACRO_F1) == "b"


@pytest.mark.parametrize("score", [None, float("nan"), float("inf"), 1.2, -0.1, "0.9", True])
def test_nothing_is_chosen_by_what_is_no_score(score: object) -> None:
    scores = {"a": {"selection": {"macro_f1": 0.5}}, "b": {"selection": {"macro_f1": score}}}
    with pytest.raises(UserError, match=r"facts.json of experiment 'b': .*dvc repro --force"):
        choose_best(scores, MACRO_F1)
    with pytest.raises(UserError, match="is None"):
        choose_best({"a": {}}, MACRO_F1)
