"""Five folds of many settings of the paper's head on stored features, trained as one batch or one by one."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.utils.data import TensorDataset

from benchmarks.baseline_training import train_head
from benchmarks.worker import worker
from tmdscope.learn.batched import HeadMember, train_heads
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.fit import Examples, FitSettings, fit
from tmdscope.learn.recorder import Silent
from tmdscope.materials import MATERIALS
from tmdscope.memory import keep_freed_memory
from tmdscope.vision.classifier import Head
from tmdscope.vision.targets import Multiclass

NAME = "batched-heads"
UNIT = "heads/min"

IMAGES, FEATURES, FOLDS, EPOCHS = 922, 512, 5, 20
"""Sizes of the published table without its test; the features are random."""

LEARNING_RATES = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3)
WEIGHT_DECAYS = (0.0, 1e-4, 1e-2)
ITEMS = FOLDS * len(LEARNING_RATES) * len(WEIGHT_DECAYS)

SAMPLED = 30
"""Heads that the fold-by-fold engine is measured on, once, after the pairs."""

SETTINGS = FitSettings(EPOCHS, 32, 1e-3, CheckpointRule.IMPROVES_BOTH, "weighted", seed=1)


def ours() -> None:
    """Train all heads in batches."""
    worker(prepare_ours).work()


def baseline() -> None:
    """Train one head after another by the plain loop."""
    worker(prepare_baseline).work()


def prepare_ours() -> Callable[[], None]:
    """Set up the engine as the stages do.

    Returns
    -------
    callable
        Trains all heads.
    """
    keep_freed_memory()
    heads, encoding, data = members(), target(), examples()

    def train() -> None:
        train_heads(heads, build, encoding, data)

    return train


def prepare_baseline() -> Callable[[], None]:
    """Set up the plain loop.

    Returns
    -------
    callable
        Trains all heads.
    """
    heads, data = members(), examples()

    def train() -> None:
        for head in heads:
            parts = (TensorDataset(data.inputs[rows], data.labels[rows]) for rows in (head.train, head.val))
            settings = head.settings
            train_head(*parts, EPOCHS, settings.batch_size, settings.learning_rate, settings.weight_decay)

    return train


def details(rate: float) -> dict[str, Any]:
    """Set the rate against that of the fold-by-fold engine, with which results are equal.

    Parameters
    ----------
    rate : float
        Heads per minute of ours.

    Returns
    -------
    dict
        ``one_by_one``: heads per minute of `tmdscope.learn.fit.fit`; ``ratio_one_by_one``: times faster than
        that.
    """
    some = members()[:SAMPLED]
    start = time.perf_counter()
    for member in some:
        train_alone(member)
    alone = 60 * len(some) / (time.perf_counter() - start)
    return {"one_by_one": round(alone, 4), "ratio_one_by_one": round(rate / alone, 3)}


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
