"""Five folds of many settings of the paper's head on stored features, trained as one batch or one by one."""

from dataclasses import replace
from functools import cache

import torch
from torch import nn

from tmdscope.learn.batched import HeadMember, train_heads
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.fit import Examples, FitSettings, fit
from tmdscope.learn.recorder import Silent
from tmdscope.materials import MATERIALS
from tmdscope.vision.classifier import Head
from tmdscope.vision.targets import Multiclass

NAME = "batched-heads"
UNIT = "heads/min"

IMAGES, FEATURES, FOLDS, EPOCHS = 922, 512, 5, 20
"""Sizes of the published table without its test; the features are random."""

LEARNING_RATES = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3)
WEIGHT_DECAYS = (0.0, 1e-4, 1e-2)
ITEMS = FOLDS * len(LEARNING_RATES) * len(WEIGHT_DECAYS)

SETTINGS = FitSettings(EPOCHS, 32, 1e-3, CheckpointRule.IMPROVES_BOTH, "weighted", seed=1)


def ours() -> None:
    """Train all heads in batches."""
    train_heads(members(), build, target(), examples())


def baseline() -> None:
    """Train one head after another."""
    for member in members():
        train_alone(member)


def train_alone(member: HeadMember) -> nn.Module:
    """Train one head by the fold-by-fold engine.

    Parameters
    ----------
    member : HeadMember
        The head.

    Returns
    -------
    torch.nn.Module
        Trained.
    """
    torch.manual_seed(member.settings.seed)
    model = build()
    fit(model, target(), examples(), member.train, member.val, member.settings, Silent())
    return model


def build() -> nn.Module:
    """Make the paper's head.

    Returns
    -------
    torch.nn.Module
        With fresh weights.
    """
    return Head(FEATURES, len(MATERIALS))


def target() -> Multiclass:
    """Give the target encoding.

    Returns
    -------
    Multiclass
        Of the five materials.
    """
    return Multiclass(MATERIALS)


@cache
def examples() -> Examples:
    """Draw random features around a centre for each class.

    Returns
    -------
    drawn : Examples
        float32 features and labels.
    """
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(IMAGES) % len(MATERIALS)
    centres = torch.randn(len(MATERIALS), FEATURES, generator=generator)
    return Examples(torch.randn(IMAGES, FEATURES, generator=generator) + 0.2 * centres[labels], labels)


@cache
def members() -> list[HeadMember]:
    """List folds times settings.

    Returns
    -------
    list of HeadMember
        `ITEMS` heads.
    """
    rows = torch.randperm(IMAGES, generator=torch.Generator().manual_seed(2))
    fold = torch.arange(IMAGES) % FOLDS
    return [
        HeadMember(
            rows[fold != number],
            rows[fold == number],
            replace(SETTINGS, learning_rate=rate, weight_decay=decay, seed=number),
        )
        for rate in LEARNING_RATES
        for decay in WEIGHT_DECAYS
        for number in range(FOLDS)
    ]
