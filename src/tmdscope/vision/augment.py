"""Random changes of training images that leave their class alone."""

import torch
from torch import Tensor


def random_flips(images: Tensor, generator: torch.Generator) -> Tensor:
    """Flip each image left-right and up-down, each with probability one half.

    Parameters
    ----------
    images : torch.Tensor
        N x H x W, any dtype and device.
    generator : torch.Generator
        Source of randomness, on the CPU.

    Returns
    -------
    torch.Tensor
        N x H x W, same dtype.
    """
    count = len(images)
    choice = torch.rand(2, count, generator=generator).lt(0.5).to(images.device)
    horizontal, vertical = choice[0].view(-1, 1, 1), choice[1].view(-1, 1, 1)
    images = torch.where(horizontal, images.flip(2), images)
    return torch.where(vertical, images.flip(1), images)
