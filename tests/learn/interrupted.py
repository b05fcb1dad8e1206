"""A tiny cross-validation that tests interrupt."""

from collections.abc import Callable, Mapping
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
        self.weights: list[dict[str, Tensor]] = []

    def fold(self, number: int) -> AbstractContextManager["Listener"]:  # type: ignore[override]
        return nullcontext(self)

    def epoch(self, number: int, scores: Mapping[str, float], kept: bool) -> None:
        self.on_epoch()

    def finish(self, scores: Mapping[str, float], model: nn.Module | None) -> None:
        assert model is not None
        self.weights.append({name: value.clone() for name, value in model.state_dict().items()})


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
    resume: Resume | None, settings: FitSettings, on_epoch: Callable[[], None] = lambda: None
) -> list[Result]:
    """Cross-validate three folds of 48 images."""
    generator = torch.Generator().manual_seed(9)
    images = torch.randint(0, 256, (48, 8, 8), dtype=torch.uint8, generator=generator)
    rows = np.arange(48)
    rest = rows[12:]
    folds = [FoldParts(rest[rest % FOLDS != k], rest[rest % FOLDS == k], rows[:12]) for k in range(FOLDS)]
    listener = Listener(on_epoch)
    examples = Examples(images, torch.arange(48) % 3)
    target = Multiclass(("a", "b", "c"))
    results = cross_validate(Net, target, examples, folds, settings, listener, resume=resume)
    return [
        Result(result.scores, result.fit.history, result.probabilities, weights)
        for result, weights in zip(results, listener.weights, strict=True)
    ]
