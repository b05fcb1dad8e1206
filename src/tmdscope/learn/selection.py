"""A validation score that every candidate earns alike, however much was chosen by validation images.

The epoch kept, and the settings that a search found, were chosen by the very folds that score them: the more
was tried, the more of that score is luck. Here each fold in turn is left out of the choice and scores what
the others chose, with what the trainings have recorded already.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from tmdscope.errors import UserError
from tmdscope.learn.checkpoint import CheckpointRule, EpochScores, kept_epoch
from tmdscope.scores.task import Metric

_SCORES = attrgetter(*EpochScores.__annotations__)


@dataclass(frozen=True)
class LeftOutFold:
    """A candidate, one fold left out of the choice of its epoch.

    `others` is the mean validation score of the other folds at the epoch that they choose, `own` that of the
    fold left out at that epoch; both by the primary metric.
    """

    others: float
    own: float


def leave_out_each(
    histories: Sequence[Sequence[EpochScores]], rule: CheckpointRule, metric: Metric
) -> list[LeftOutFold]:
    """Leave each of at least two folds out of the choice of an epoch, by the others' mean scores, in turn.

    A training that stopped early stands where it stopped.
    """
    epochs = max(map(len, histories))
    curves = np.array([[_SCORES(h[min(k, len(h) - 1)]) for k in range(epochs)] for h in histories])
    found = []
    for fold, own in enumerate(curves):
        mean = np.delete(curves, fold, axis=0).mean(axis=0)
        others = [EpochScores(*scores) for scores in mean.tolist()]
        kept = kept_epoch(rule, metric, others) - 1
        found.append(LeftOutFold(others[kept].val_score, EpochScores(*own[kept].tolist()).val_score))
    return found


def selection_score(candidates: Sequence[Sequence[LeftOutFold]], metric: Metric) -> float:
    """Score what the other folds choose, mean over the folds left out.

    A candidate is an experiment alone, or a trial of a search. Of equal ones the first is chosen.
    """
    folds = zip(*candidates, strict=True)
    return float(np.mean([max(fold, key=lambda entry: metric.gain(entry.others, 0)).own for fold in folds]))


def describe_selection(score: float, scores: Mapping[str, Any], metric: Metric) -> dict[str, float]:
    """Give it by the metric's name, and ``optimism``: how much better `summarise`'s validation score is."""
    return {metric.name: score, "optimism": metric.gain(scores["val"][metric.name]["mean"], score)}


def choose_best(scores: Mapping[str, Mapping[str, Any]], metric: Metric) -> str:
    """Choose the experiment with the best selection score, of equal ones the first.

    Where one has no score, or one that cannot be, nothing is chosen: `UserError`.
    """
    found = {name: entry.get("selection", {}).get(metric.name) for name, entry in scores.items()}
    for name, score in found.items():
        if not isinstance(score, float) or not metric.lowest <= score <= metric.highest:
            raise UserError(
                f"facts.json of experiment {name!r}: selection {metric.title} is {score}, no number in "
                f"{metric.lowest:g}..{metric.highest:g}: no best can be chosen; train it again with "
                "`dvc repro --force`"
            )
    return max(found, key=lambda name: metric.gain(found[name], 0))
