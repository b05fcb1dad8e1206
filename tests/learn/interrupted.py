"""A tiny cross-validation that tests interrupt."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.checkpoint import CheckpointRule, EpochScores
from tmdscope.learn.crossval import cross_validate
from tmdscope.learn.fit import Examples, FitSettings
from tmdscope.learn.recorder import Silent
from tmdscope.learn.resume import Resume
from tmdscope.vision.targets import Multiclass

FOLDS = 3
SETTINGS = FitSettings(5, 8, 0.01, CheckpointRule.IMPROVES_BOTH, "weighted", seed=1, symmetries=4)


@dataclass
class Result:
    """What must not depend on interruptions."""

    scores: dict[str, float]
    history: tuple[EpochScores, ...]
    probabilities: np.ndarray[Any, Any]
    weights: dict[str, Tensor]


class Listener(Silent):
    """Keeps every fold's weights and tells of every epoch."""

    def __init__(self, on_epoch: Callable[[], None]) -> None:
        self.on_epoch = on_epoch
        self.weights: dict[int, dict[str, Tensor]] = {}

    def fold(self, number: int) -> AbstractContextManager["OfFold"]:  # type: ignore[override]
        return nullcontext(OfFold(self, number))


@dataclass
class OfFold(Silent):
    """Passes on what one fold tells."""

    listener: Listener
    number: int

    def epoch(self, number: int, scores: Mapping[str, float], kept: bool) -> None:
        self.listener.on_epoch()

    def finish(self, scores: Mapping[str, float], model: nn.Module | None) -> None:
        assert model is not None
        weights = {name: value.clone() for name, value in model.state_dict().items()}
        self.listener.weights[self.number] = weights


def fold_parts(of: np.ndarray[Any, Any]) -> list[FoldParts]:
    """Folds of images 12 to 47 by the number each is validated in; the others are the test."""
    rest = np.arange(12, 48)
    return [FoldParts(rest[of != k], rest[of == k], np.arange(12)) for k in range(FOLDS)]


class Net(nn.Sequential):
    """Convolution, batch normalisation and dropout: all that has a state of its own."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.4),
            nn.Linear(4 * 36, 3),
        )

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = super().forward(images.float().div(255).unsqueeze(1))
        return logits


def run(
    resume: Resume | None,
    settings: FitSettings,
    on_epoch: Callable[[], None] = lambda: None,
    at_once: int | None = None,
    build: Callable[[], nn.Module] = Net,
    folds: Sequence[FoldParts] = fold_parts(np.arange(36) % FOLDS),
) -> list[Result]:
    """Cross-validate three folds of 48 images."""
    generator = torch.Generator().manual_seed(9)
    images = torch.randint(0, 256, (48, 8, 8), dtype=torch.uint8, generator=generator)
    listener = Listener(on_epoch)
    examples = Examples(images, torch.arange(48) % 3)
    target = Multiclass(("a", "b", "c"))
    results = cross_validate(
        build, target, examples, folds, settings, listener, resume=resume, at_once=at_once
    )
    return [
        Result(result.scores, result.fit.history, result.probabilities, listener.weights[result.fold])
        for result in results
    ]
