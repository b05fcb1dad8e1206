"""A tiny study whose classes come one after another: 4 classes, 12 samples of each, 2 images of a sample."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.experiment import Trainable
from tmdscope.learn.fit import Examples, FitSettings
from tmdscope.learn.recorder import Recorder, Silent
from tmdscope.params.sequential import Encoding, SequenceParams
from tmdscope.sequential.plan import Plan, Training, make_plan
from tmdscope.sequential.run import Setup, StageResult
from tmdscope.vision.classifier import Head
from tmdscope.vision.targets import Target

CLASSES = ("MoS2", "WS2", "WSe2", "MoSe2")
"""As the data have them."""

ORDER = ("WSe2", "MoS2", "MoSe2", "WS2")
"""As they come; not the order of the data, so that names and positions differ."""

SAMPLES, IMAGES, FEATURES, FOLDS = 12, 2, 8, 3
SETTINGS = FitSettings(2, 16, 0.01, CheckpointRule.IMPROVES_BOTH, "weighted", seed=0)

NAMES = np.repeat(CLASSES, SAMPLES * IMAGES).tolist()
SAMPLE_IDS = np.array([f"s{number:02d}" for number in np.repeat(np.arange(4 * SAMPLES), IMAGES)])


def params(**changes: Any) -> SequenceParams:
    """Settings of a sequence: one encoding, full volume and 8 images."""
    content: dict[str, Any] = {
        "enabled": True,
        "order": list(ORDER),
        "first": 2,
        "encodings": ["multiclass"],
        "volumes": ["full", 8],
        "reduce_by": "sample",
        "draw_seed": 5,
        "start": "fold",
        "paper_fold": 1,
        "measure_leak": True,
        "head": "grow",
        "seeds": [1],
    }
    return SequenceParams(**{**content, **changes})


def plan_of(**changes: Any) -> Plan:
    """The plan of `params`."""
    return make_plan(params(**changes), CLASSES)


def folds() -> list[FoldParts]:
    """Of every class the first three samples are the test, the others are dealt to three folds."""
    place = np.repeat(np.tile(np.arange(SAMPLES), len(CLASSES)), IMAGES)
    rows = np.arange(len(place))
    test, rest = rows[place < 3], rows[place >= 3]
    return [
        FoldParts(rest[place[rest] % FOLDS != k], rest[place[rest] % FOLDS == k], test) for k in range(FOLDS)
    ]


def features() -> NDArray[np.float32]:
    """Images that lie around the centres of their classes."""
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(len(CLASSES), FEATURES))
    values = centres[[CLASSES.index(name) for name in NAMES]] + rng.normal(size=(len(NAMES), FEATURES))
    return values.astype(np.float32)


def setup_of(
    plan: Plan,
    heads: bool = True,
    settings: FitSettings = SETTINGS,
    dropout: float = 0.0,
    make_examples: Callable[[torch.Tensor, torch.Tensor], Examples] = Examples,
) -> Setup:
    """Heads on the features, trained many at once or as networks one after another."""
    examples = make_examples(torch.from_numpy(features()), torch.from_numpy(plan.label(NAMES)))

    def make(_: Encoding, target: Target) -> Trainable:
        return Trainable(target, examples, lambda: Head(FEATURES, target.outputs, dropout), settings)

    return Setup(make, folds(), SAMPLE_IDS, heads)


class SilentSequence:
    """A sequence recorder that keeps nothing."""

    def stage(self, training: Training) -> AbstractContextManager[Recorder]:
        return nullcontext(Silent())

    def finished(self, result: StageResult) -> None:
        pass


class Heard:
    """A sequence recorder, and its folds', that notes every word in order."""

    def __init__(self, on_word: Callable[[tuple[Any, ...]], None] = lambda word: None) -> None:
        self.words: list[tuple[Any, ...]] = []
        self.on_word = on_word
        self.training: Training | None = None
        self.fold: int | None = None

    def hear(self, *word: Any) -> None:
        self.words.append(word)
        self.on_word(word)

    def of(self, kind: str) -> list[Any]:
        """What was heard of one kind, such as `begun`."""
        return [word[1] for word in self.words if word[0] == kind]

    @contextmanager
    def stage(self, training: Training) -> Any:
        self.training = training
        self.hear("begun", training)
        yield _HeardFolds(self)
        self.hear("ended", training)
        self.training = None

    def finished(self, result: StageResult) -> None:
        self.hear("result", result)


class _HeardFolds:
    def __init__(self, heard: Heard) -> None:
        self.heard = heard

    def fold(self, number: int) -> AbstractContextManager[Any]:
        self.heard.fold = number
        self.heard.hear("fold", number)
        return nullcontext(_HeardEpochs(self.heard))


class _HeardEpochs(Silent):
    def __init__(self, heard: Heard) -> None:
        self.heard = heard

    def epoch(self, number: int, scores: Mapping[str, float], kept: bool) -> None:
        self.heard.hear("epoch", number)

    def history(self, scores: Sequence[Mapping[str, float]]) -> None:
        self.heard.hear("history", len(scores))

    def finish(self, scores: Mapping[str, float], model: nn.Module | None) -> None:
        self.heard.hear("finish", dict(scores))


def by_name(results: Sequence[StageResult]) -> dict[str, StageResult]:
    """Results by sequence and name of their trainings."""
    return {f"{result.training.sequence}/{result.training.name}": result for result in results}


def assert_same(one: Sequence[StageResult], other: Sequence[StageResult], exact: bool = True) -> None:
    """Scores, histories, probabilities, states and embeddings are the same, to the bit or up to rounding."""
    close = {"atol": 0.0, "rtol": 0.0} if exact else {"atol": 1e-4, "rtol": 1e-4}
    assert [result.training for result in one] == [result.training for result in other]
    for a, b in zip(one, other, strict=True):
        for mine, yours in zip(a.folds, b.folds, strict=True):
            assert mine.fit.kept_epoch == yours.fit.kept_epoch
            assert mine.scores == (yours.scores if exact else pytest.approx(yours.scores, abs=1e-4))
            assert not exact or mine.fit.history == yours.fit.history
            np.testing.assert_allclose(mine.probabilities, yours.probabilities, **close)
        for mine_, yours_ in zip(a.states, b.states, strict=True):
            assert mine_.keys() == yours_.keys()
            for name, value in mine_.items():
                torch.testing.assert_close(value, yours_[name], **close)
        for points, others in zip(a.embeddings, b.embeddings, strict=True):
            np.testing.assert_allclose(points, others, **close)
