"""In which order, and how often, an epoch visits the training examples of unevenly spread classes."""

from typing import Literal

import torch
from torch import Tensor

Sampling = Literal["weighted", "oversampled"]
"""How uneven classes are balanced: anew in every epoch, or once by repetition."""


def starting_positions(
    train: Tensor, labels: Tensor, sampling: Sampling, generator: torch.Generator
) -> Tensor:
    """Give the positions (int64) that the epochs of a training draw from; all is on the CPU.

    They are the training part itself, or with the repetitions of `oversampled_positions`.
    """
    positions = train.cpu()
    if sampling == "oversampled":
        positions = positions[oversampled_positions(labels[positions], generator)]
    return positions


def draw_epoch(
    positions: Tensor, labels: Tensor, sampling: Sampling, symmetries: int, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Draw the order of an epoch and each example's symmetry; None with 1 symmetry. All is on the CPU.

    `positions` are what `starting_positions` gave.
    """
    if sampling == "weighted":
        drawn = weighted_order(labels[positions], generator)
    else:
        drawn = torch.randperm(len(positions), generator=generator)
    if symmetries == 1:
        return positions[drawn], None
    return positions[drawn], torch.randint(symmetries, (len(drawn),), generator=generator)


def cut_batches(count: int, size: int) -> list[tuple[int, int]]:
    """Cut an epoch into steps: first example of each, and the one after its last.

    A last step of a single example joins the one before it: batch normalisation needs two.
    """
    starts = list(range(0, count, size))
    if len(starts) > 1 and count - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], count], strict=True))


def weighted_order(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Draw as many examples as there are, with replacement, all classes equally likely.

    Gives N positions in `labels` (TMD paper: WeightedRandomSampler with weight N / n_class).
    """
    counts = torch.bincount(labels)
    weights = 1.0 / counts[labels].double()
    return torch.multinomial(weights, len(labels), replacement=True, generator=generator)


def oversampled_positions(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Repeat random examples of every class until it is as large as the largest.

    Gives positions in `labels`: all of them once, then the repetitions (the TMD paper's ImageNet* classifier
    draws these once per fold and shuffles them every epoch).
    """
    counts = torch.bincount(labels)
    parts = [torch.arange(len(labels))]
    for label in torch.nonzero(counts).flatten().tolist():
        members = torch.nonzero(labels == label).flatten()
        missing = int(counts.max() - counts[label])
        parts.append(members[torch.randint(len(members), (missing,), generator=generator)])
    return torch.cat(parts)
