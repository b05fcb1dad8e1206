"""A warning: what hidden layers that are carried over from fold to fold do to validation scores.

The TMD paper's released code makes its backbone once and replaces only the last part of it for a fold, in
place (`model_from_pretrain` in `Train/Res*.py`, called by `multiclass_train_folds` in `codes/utils.py`,
commit 152a18b of their repository, doi:10.5281/zenodo.13961220). Fold k then starts from what fold k - 1
kept, and fold k - 1 was trained on all of fold k's validation images. No other module of this package
does so: `tmdscope.learn.crossval` builds a fresh model for every fold.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import nn

from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.crossval import FoldResult, cross_validate
from tmdscope.learn.fit import Examples
from tmdscope.learn.recorder import Recorder
from tmdscope.models.mlp import Mlp, mlp_settings
from tmdscope.record import JsonRecord
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.folds import MeanStd, mean_std
from tmdscope.scores.task import CLASSES
from tmdscope.studies.published_features.params import CarryoverParams
from tmdscope.vision.targets import Multiclass

Series = Literal["fresh", "carried"]
"""How a fold's model begins: all layers new, or all but the last as the fold before left them."""

SERIES: tuple[Series, ...] = ("fresh", "carried")

COMPARED = tuple(f"{part}_{CLASSES.plain.name}" for part in ("val", "test"))
"""What is compared, in [0, 1]."""

Trial = Mapping[str, Mapping[str, Sequence[float]]]
"""Series to score to its values, one per fold."""


@dataclass(frozen=True)
class OverFolds(MeanStd):
    """A score of every fold, and over folds."""

    folds: list[float]


@dataclass(frozen=True)
class SeedScores:
    """Both series of one seed: `COMPARED` to its values."""

    seed: int
    fresh: dict[str, OverFolds]
    carried: dict[str, OverFolds]

    @property
    def series(self) -> dict[Series, dict[str, OverFolds]]:
        """Both, by name."""
        return {"fresh": self.fresh, "carried": self.carried}


@dataclass(frozen=True)
class Carryover(JsonRecord):
    """``carryover.json``; `gain` is the carried mean less the fresh mean, over seeds."""

    enabled: bool
    trials: list[SeedScores] = field(default_factory=list)
    gain: dict[str, MeanStd] = field(default_factory=dict)


class CarriedLayers:
    """Builds models whose layers, all but the last, are those of the model built before, as it is now."""

    def __init__(self, build: Callable[[], nn.Sequential]) -> None:
        self.build = build
        self.last: nn.Sequential | None = None

    def __call__(self) -> nn.Sequential:
        """Make the next model; its weights are its own: training it leaves the one before alone."""
        model = self.build()
        if self.last is not None:
            for layer, before in zip(list(model)[:-1], list(self.last)[:-1], strict=True):
                layer.load_state_dict(before.state_dict())
        self.last = model
        return model


def run_series(
    series: Series,
    seed: int,
    table: Cohort,
    folds: Sequence[FoldParts],
    params: CarryoverParams,
    recorder: Recorder,
) -> list[FoldResult]:
    """Cross-validate the paper's ImageNet* network, with the authors' slip or without.

    Both series draw the same numbers in every fold, so that fold 0, which nothing is carried into, gives the
    same in both. Every fold has an optimiser of its own; layers are carried in the order of `folds`.
    """
    target = Multiclass(table.classes)

    def build() -> Mlp:
        return Mlp(table.inputs.shape[1], params.hidden, target.outputs, params.dropout)

    examples = Examples(torch.tensor(table.inputs), torch.tensor(table.targets))
    make = CarriedLayers(build) if series == "carried" else build
    settings = replace(mlp_settings(params, seed), early_stopping=params.early_stopping)
    return cross_validate(make, target, examples, folds, settings, recorder, at_once=1)


def fold_scores(results: Sequence[FoldResult]) -> dict[str, list[float]]:
    """Gather what is compared: each of `COMPARED` for every fold."""
    return {name: [result.scores[name] for result in results] for name in COMPARED}


def compare(trials: Mapping[int, Trial]) -> Carryover:
    """Say what carrying over adds, from every seed's scores; `ValueError` without trials."""
    described = [
        SeedScores(seed, *(_over_folds(trial[series]) for series in SERIES)) for seed, trial in trials.items()
    ]
    gain = {
        name: MeanStd(**mean_std([one.carried[name].mean - one.fresh[name].mean for one in described]))
        for name in COMPARED
    }
    return Carryover(enabled=True, trials=described, gain=gain)


def _over_folds(scores: Mapping[str, Sequence[float]]) -> dict[str, OverFolds]:
    return {name: OverFolds(**mean_std(scores[name]), folds=list(scores[name])) for name in COMPARED}
