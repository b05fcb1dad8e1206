"""Which epoch of a training is kept."""

import math
from dataclasses import dataclass
from enum import StrEnum


class CheckpointRule(StrEnum):
    """Rules for keeping an epoch's weights.

    ``improves-both`` keeps an epoch whose validation macro F1 and validation loss are both better than
    those of the epoch kept so far. ``paper`` is the rule of the TMD paper's code: in addition the training
    macro F1 must exceed, and the training loss undercut, the *validation* values kept so far. ``last``
    keeps every epoch, so the last one remains.
    """

    IMPROVES_BOTH = "improves-both"
    PAPER = "paper"
    LAST = "last"


@dataclass(frozen=True)
class EpochScores:
    """What the rules look at.

    Attributes
    ----------
    train_loss, val_loss : float
        Mean loss of the epoch on the training and validation part.
    train_macro_f1, val_macro_f1 : float
        Macro F1 in [0, 1] of the epoch on the training and validation part.
    """

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

    Parameters
    ----------
    rule : CheckpointRule
        The rule.
    now : EpochScores
        Of the epoch just trained.
    kept : EpochScores or None
        Of the epoch kept so far; None before the first, which is always kept, so that a training never
        ends without a model.

    Returns
    -------
    bool
        True when the epoch is to be kept.
    """
    if kept is None or rule is CheckpointRule.LAST:
        return True
    better = now.val_macro_f1 > kept.val_macro_f1 and now.val_loss < kept.val_loss
    if rule is CheckpointRule.PAPER:
        return better and now.train_macro_f1 > kept.val_macro_f1 and now.train_loss < kept.val_loss
    return better
