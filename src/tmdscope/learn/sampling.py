"""In which order, and how often, an epoch visits the training examples of unevenly spread classes."""

import torch
from torch import Tensor


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
