"""Which epoch of a training is kept."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tmdscope.scores.task import Metric


class CheckpointRule(StrEnum):
    """Rules for keeping an epoch's weights.

    ``improves-both`` keeps an epoch whose validation loss is lower than that of the epoch kept so far and
    whose validation score is better, or as good. ``paper`` is the rule of the TMD paper's code: the score
    must be better, and in addition the training score must exceed, and the training loss undercut, the
    *validation* values kept so far. ``last`` keeps every epoch, so the last one remains.
    """

    IMPROVES_BOTH = "improves-both"
    PAPER = "paper"
    LAST = "last"


_SAME = 1e-9
"""Scores nearer than this are the same: rounding, which differs between ways to sum, tells them apart."""


@dataclass(frozen=True)
class EpochScores:
    """What the rules look at: mean losses of an epoch, and scores by the task's primary `Metric`."""

    train_loss: float
    train_score: float
    val_loss: float
    val_score: float

    def named(self, metric: Metric) -> dict[str, float]:
        """Give the scores under the metric's name: ``train_loss, train_NAME, val_loss, val_NAME``."""
        return {
            "train_loss": self.train_loss,
            f"train_{metric.name}": self.train_score,
            "val_loss": self.val_loss,
            f"val_{metric.name}": self.val_score,
        }

    @property
    def is_finite(self) -> bool:
        """Whether both losses are finite numbers."""
        return math.isfinite(self.train_loss) and math.isfinite(self.val_loss)


def keeps(rule: CheckpointRule, metric: Metric, now: EpochScores, kept: EpochScores | None) -> bool:
    """Decide whether an epoch replaces the one kept so far.

    The first is always kept, so that a training never ends without a model.
    """
    if kept is None or rule is CheckpointRule.LAST:
        return True
    if now.val_loss >= kept.val_loss:
        return False
    if rule is CheckpointRule.IMPROVES_BOTH:
        return metric.gain(now.val_score, kept.val_score) > -_SAME
    learnt = metric.gain(now.train_score, kept.val_score) > 0 and now.train_loss < kept.val_loss
    return learnt and metric.gain(now.val_score, kept.val_score) > 0


def kept_epoch(rule: CheckpointRule, metric: Metric, history: Sequence[EpochScores]) -> int:
    """Say which epoch of a training, from 1, a rule keeps in the end; the history has at least one."""
    kept = 0
    for number, scores in enumerate(history):
        if keeps(rule, metric, scores, history[kept] if number else None):
            kept = number
    return kept + 1
