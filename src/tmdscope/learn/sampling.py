"""In which order, and how often, an epoch visits the training examples of unevenly spread classes."""

from typing import Literal

import torch
from torch import Tensor

Sampling = Literal["weighted", "oversampled"]
"""How uneven classes are balanced: anew in every epoch, or once by repetition."""


def starting_positions(
    train: Tensor, labels: Tensor, sampling: Sampling, generator: torch.Generator
) -> Tensor:
    """Give the positions that the epochs of a training draw from.

    Parameters
    ----------
    train : torch.Tensor
        Positions of the training part, int64.
    labels : torch.Tensor
        Class label of every example, int64.
    sampling : {"weighted", "oversampled"}
        How uneven classes are balanced.
    generator : torch.Generator
        Source of randomness, on the CPU.

    Returns
    -------
    torch.Tensor
        The training part itself, or with the repetitions of `oversampled_positions`, on the CPU.
    """
    positions = train.cpu()
    if sampling == "oversampled":
        positions = positions[oversampled_positions(labels[train].cpu(), generator)]
    return positions


def draw_epoch(
    positions: Tensor, labels: Tensor, sampling: Sampling, symmetries: int, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Draw the order of an epoch and each example's symmetry; both go to the device in one piece.

    Parameters
    ----------
    positions : torch.Tensor
        What `starting_positions` gave.
    labels : torch.Tensor
        Class label of every example, int64; on the device that trains.
    sampling : {"weighted", "oversampled"}
        How uneven classes are balanced.
    symmetries : int
        How many there are to draw from; 1 draws none.
    generator : torch.Generator
        Source of randomness, on the CPU.

    Returns
    -------
    tuple of torch.Tensor
        Positions, as many as there are, and codes of symmetries or None; on the device of `labels`.
    """
    if sampling == "weighted":
        drawn = weighted_order(labels[positions].cpu(), generator)
    else:
        drawn = torch.randperm(len(positions), generator=generator)
    order = positions[drawn].to(labels.device)
    if symmetries == 1:
        return order, None
    return order, torch.randint(symmetries, (len(drawn),), generator=generator).to(labels.device)


def cut_batches(count: int, size: int) -> list[tuple[int, int]]:
    """Cut an epoch into steps.

    Parameters
    ----------
    count : int
        Examples in the epoch, at least 1.
    size : int
        Examples in a step.

    Returns
    -------
    list of tuple of int
        First example of each step, and the one after its last. A last step of a single example joins the
        one before it: batch normalisation needs two.
    """
    starts = list(range(0, count, size))
    if len(starts) > 1 and count - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], count], strict=True))


def weighted_order(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Draw as many examples as there are, with replacement, all classes equally likely.

    Parameters
    ----------
    labels : torch.Tensor
        N class labels, int64.
    generator : torch.Generator
        Source of randomness, on the CPU.

    Returns
    -------
    torch.Tensor
        N positions in `labels` (TMD paper: WeightedRandomSampler with weight N / n_class).
    """
    counts = torch.bincount(labels)
    weights = 1.0 / counts[labels].double()
    return torch.multinomial(weights, len(labels), replacement=True, generator=generator)


def oversampled_positions(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Repeat random examples of every class until it is as large as the largest.

    Parameters
    ----------
    labels : torch.Tensor
        N class labels, int64.
    generator : torch.Generator
        Source of randomness, on the CPU.

    Returns
    -------
    torch.Tensor
        Positions in `labels`: all of them once, then the repetitions (the TMD paper's ImageNet* classifier
        draws these once per fold and shuffles them every epoch).
    """
    counts = torch.bincount(labels)
    parts = [torch.arange(len(labels))]
    for label in torch.nonzero(counts).flatten().tolist():
        members = torch.nonzero(labels == label).flatten()
        missing = int(counts.max() - counts[label])
        parts.append(members[torch.randint(len(members), (missing,), generator=generator)])
    return torch.cat(parts)
