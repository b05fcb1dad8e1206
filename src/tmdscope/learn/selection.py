"""A validation score that every candidate earns alike, however much was chosen by validation images.

The epoch kept, and the settings that a search found, were chosen by the very folds that score them: the more
was tried, the more of that score is luck. Here each fold in turn is left out of the choice and scores what
the others chose, with what the trainings have recorded already.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from tmdscope.learn.checkpoint import CheckpointRule, EpochScores, kept_epoch
from tmdscope.stage import UserError


@dataclass(frozen=True)
class LeftOut:
    """A candidate, one fold left out of the choice of its epoch.

    Attributes
    ----------
    others : float
        Mean validation macro F1 of the other folds at the epoch that they choose.
    own : float
        Validation macro F1 of the fold left out at that epoch.
    """

    others: float
    own: float


def leave_out_each(histories: Sequence[Sequence[EpochScores]], rule: CheckpointRule) -> list[LeftOut]:
    """Leave each fold out of the choice of an epoch in turn.

    Parameters
    ----------
    histories : sequence of sequence of EpochScores
        For each of at least two folds its epochs; a training that stopped early stands where it stopped.
    rule : CheckpointRule
        Keeps an epoch, here by the mean scores of the other folds.

    Returns
    -------
    list of LeftOut
        One per fold.
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
    """Score what the other folds choose, mean over the folds left out.

    Parameters
    ----------
    candidates : sequence of sequence of LeftOut
        For each candidate (an experiment alone, or the trials of a search) its folds.

    Returns
    -------
    float
        Macro F1. Of equal candidates the first is chosen.
    """
    folds = zip(*candidates, strict=True)
    return float(np.mean([max(fold, key=lambda entry: entry.others).own for fold in folds]))


def describe_selection(score: float, scores: Mapping[str, Any]) -> dict[str, float]:
    """Set the selection score beside the validation score.

    Parameters
    ----------
    score : float
        As `selection_score`.
    scores : mapping
        As `tmdscope.learn.summary.summarise`.

    Returns
    -------
    dict
        ``macro_f1``, and ``optimism``: by how much the mean validation macro F1 is above it.
    """
    return {"macro_f1": score, "optimism": scores["val"]["macro_f1"]["mean"] - score}


def choose_best(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """Choose the experiment with the highest selection score.

    Parameters
    ----------
    scores : mapping
        Experiment to its scores; ``selection`` as `describe_selection`.

    Returns
    -------
    str
        The experiment; of equal ones the first.

    Raises
    ------
    UserError
        One has no selection score, or one that is no number in 0..1: nothing is chosen then.
    """
    found = {name: entry.get("selection", {}).get("macro_f1") for name, entry in scores.items()}
    for name, score in found.items():
        if not isinstance(score, float) or not 0 <= score <= 1:
            raise UserError(
                f"facts.json of experiment {name!r}: selection macro F1 is {score}, no number in 0..1: no "
                "best can be chosen; train it again with `dvc repro --force`"
            )
    return max(found, key=lambda name: found[name])
