"""Training on a card that is not there: nothing waits for it, or is sent to it, but once an epoch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.learn.interrupted import SETTINGS
from tests.support.card import CARD, FakeCard
from tmdscope.dataset.splits import FoldParts
from tmdscope.learn import together
from tmdscope.learn.batched import HeadMember, train_heads
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.crossval import cross_validate
from tmdscope.learn.fit import Examples, FitSettings, fit
from tmdscope.learn.recorder import Silent
from tmdscope.learn.together import open_lane
from tmdscope.vision.classifier import Head
from tmdscope.vision.targets import Coral, Levels, Multiclass, Multilabel, Ordinal, Target

LABELS = torch.arange(45) % 3
TARGETS = (
    Multiclass("abc"),
    Multilabel(("MoS2", "WS2", "MoSe2")),
    Ordinal("abc"),
    Coral("abc"),
    Levels(("700", "800", "900")),
)


def traffic(settings: FitSettings, target: Target) -> tuple[int, int]:
    """How often a training waits for the card, and how often it sends to it."""
    with FakeCard() as card:
        inputs = torch.randn(45, 4, generator=torch.Generator().manual_seed(2)).to(CARD)
        model = nn.Sequential(nn.Linear(4, 3), target.make_output(3)).to(CARD)
        rows = torch.arange(45)
        before = card.reads, card.sends
        fit(model, target, Examples(inputs, LABELS.to(CARD)), rows[:33], rows[33:], settings, Silent())
        return card.reads - before[0], card.sends - before[1]


@pytest.mark.parametrize(
    "settings",
    [
        replace(SETTINGS, symmetries=1),
        replace(SETTINGS, symmetries=1, sampling="oversampled", schedule="cosine"),
        replace(SETTINGS, symmetries=1, checkpoint=CheckpointRule.PAPER, early_stopping=50),
        replace(SETTINGS, symmetries=1, label_smoothing=0.1, optimiser="adamw", weight_decay=0.1),
    ],
    ids=["weighted", "oversampled", "paper", "smoothed"],
)
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_an_epoch_waits_for_the_card_once(settings: FitSettings, target: Target) -> None:
    two, five = (traffic(replace(settings, epochs=epochs), target) for epochs in (2, 5))
    assert tuple(b - a for a, b in zip(two, five, strict=True)) == (3, 3)


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_an_epoch_of_folds_side_by_side_waits_once_for_each(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "open_lane", lambda _, inner=open_lane: inner(torch.device("cpu")))
    rows, traffic = np.arange(45), []
    for epochs in (2, 5):
        with FakeCard() as card:
            inputs = torch.randn(45, 4, generator=torch.Generator().manual_seed(2)).to(CARD)
            folds = [FoldParts(rows[rows % 3 != k], rows[rows % 3 == k], rows[:9]) for k in range(3)]
            cross_validate(
                lambda: nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.2), nn.Linear(4, 3)).to(CARD),
                TARGETS[0],
                Examples(inputs, LABELS.to(CARD)),
                folds,
                replace(SETTINGS, epochs=epochs, symmetries=1),
                Silent(),
                at_once=at_once,
            )
            traffic.append((card.reads, card.sends))
    assert tuple(b - a for a, b in zip(*traffic, strict=True)) == (9, 9)


@pytest.mark.parametrize("checkpoint", [CheckpointRule.LAST, CheckpointRule.PAPER])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_an_epoch_of_many_heads_waits_for_the_card_once(checkpoint: CheckpointRule, dropout: float) -> None:
    rows, reads = torch.arange(45), []
    for epochs in (2, 5):
        settings = replace(SETTINGS, epochs=epochs, symmetries=1, checkpoint=checkpoint, schedule="cosine")
        members = [
            HeadMember(rows[:train], rows[train:], replace(settings, learning_rate=rate))
            for train in (33, 36)
            for rate in (1e-2, 1e-3)
        ]
        with FakeCard() as card:
            inputs = torch.randn(45, 4, generator=torch.Generator().manual_seed(2)).to(CARD)
            examples = Examples(inputs, LABELS.to(CARD))
            results = train_heads(members, lambda: Head(4, 3, dropout).to(CARD), TARGETS[0], examples)
            assert all(card.holds(result.logits) for result in results)
            reads.append(card.reads)
    assert reads[1] - reads[0] == 3
