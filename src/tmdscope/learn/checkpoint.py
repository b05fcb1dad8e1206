"""Which epoch of a training is kept."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class CheckpointRule(StrEnum):
    """Rules for keeping an epoch's weights.

    ``improves-both`` keeps an epoch whose validation loss is lower than that of the epoch kept so far and
    whose validation macro F1 is higher, or as high. ``paper`` is the rule of the TMD paper's code: macro F1
    must be higher, and in addition the training macro F1 must exceed, and the training loss undercut, the
    *validation* values kept so far. ``last`` keeps every epoch, so the last one remains.
    """

    IMPROVES_BOTH = "improves-both"
    PAPER = "paper"
    LAST = "last"


_SAME_F1 = 1e-9
"""Macro F1 nearer than this is the same: only rounding, which differs between ways to sum, tells it apart."""


@dataclass(frozen=True)
class EpochScores:
    """What the rules look at: mean losses and macro F1 (in [0, 1]) of an epoch."""

    train_loss: float
    train_macro_f1: float
    val_loss: float
    val_macro_f1: float

    @property
    def is_finite(self) -> bool:
        """Whether both losses are finite numbers."""
        return math.isfinite(self.train_loss) and math.isfinite(self.val_loss)


def keeps(rule: CheckpointRule, now: EpochScores, kept: EpochScores | None) -> bool:
    """Decide whether an epoch replaces the one kept so far.

    The first is always kept, so that a training never ends without a model.
    """
    if kept is None or rule is CheckpointRule.LAST:
        return True
    if now.val_loss >= kept.val_loss:
        return False
    if rule is CheckpointRule.IMPROVES_BOTH:
        return now.val_macro_f1 > kept.val_macro_f1 - _SAME_F1
    learnt = now.train_macro_f1 > kept.val_macro_f1 and now.train_loss < kept.val_loss
    return learnt and now.val_macro_f1 > kept.val_macro_f1


def kept_epoch(rule: CheckpointRule, history: Sequence[EpochScores]) -> int:
    """Say which epoch of a training, from 1, a rule keeps in the end; the history has at least one."""
    kept = 0
    for number, scores in enumerate(history):
        if keeps(rule, scores, history[kept] if number else None):
            kept = number
    return kept + 1
