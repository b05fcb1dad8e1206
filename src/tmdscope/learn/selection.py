"""A validation score that every candidate earns alike, however much was chosen by validation images.

The epoch kept, and the settings that a search found, were chosen by the very folds that score them: the more
was tried, the more of that score is luck. Here each fold in turn is left out of the choice and scores what
the others chose, with what the trainings have recorded already.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from tmdscope.errors import UserError
from tmdscope.learn.checkpoint import CheckpointRule, EpochScores, kept_epoch


@dataclass(frozen=True)
class LeftOut:
    """A candidate, one fold left out of the choice of its epoch.

    `others` is the mean validation macro F1 of the other folds at the epoch that they choose, `own` that of
    the fold left out at that epoch.
    """

    others: float
    own: float


def leave_out_each(histories: Sequence[Sequence[EpochScores]], rule: CheckpointRule) -> list[LeftOut]:
    """Leave each of at least two folds out of the choice of an epoch, by the others' mean scores, in turn.

    A training that stopped early stands where it stopped.
    """
    epochs = max(map(len, histories))
    curves = np.array([[astuple(h[min(k, len(h) - 1)]) for k in range(epochs)] for h in histories])
    found = []
    for fold, own in enumerate(curves):
        mean = np.delete(curves, fold, axis=0).mean(axis=0)
        others = [EpochScores(*scores) for scores in mean.tolist()]
        kept = kept_epoch(rule, others) - 1
        found.append(LeftOut(others[kept].val_macro_f1, EpochScores(*own[kept].tolist()).val_macro_f1))
    return found


def selection_score(candidates: Sequence[Sequence[LeftOut]]) -> float:
    """Score (macro F1) what the other folds choose, mean over the folds left out.

    A candidate is an experiment alone, or a trial of a search. Of equal ones the first is chosen.
    """
    folds = zip(*candidates, strict=True)
    return float(np.mean([max(fold, key=lambda entry: entry.others).own for fold in folds]))


def describe_selection(score: float, scores: Mapping[str, Any]) -> dict[str, float]:
    """Give ``macro_f1`` and ``optimism``: by how much `summarise`'s mean validation macro F1 is above it."""
    return {"macro_f1": score, "optimism": scores["val"]["macro_f1"]["mean"] - score}


def choose_best(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """Choose the experiment with the highest selection score, of equal ones the first.

    Where one has no score, or one that is no number in 0..1, nothing is chosen: `UserError`.
    """
    found = {name: entry.get("selection", {}).get("macro_f1") for name, entry in scores.items()}
    for name, score in found.items():
        if not isinstance(score, float) or not 0 <= score <= 1:
            raise UserError(
                f"facts.json of experiment {name!r}: selection macro F1 is {score}, no number in 0..1: no "
                "best can be chosen; train it again with `dvc repro --force`"
            )
    return max(found, key=lambda name: found[name])
