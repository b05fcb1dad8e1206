"""Changes of training images that leave their class alone: the symmetries of a square."""

from torch import Tensor

FLIPS = 4
"""Symmetries made of a left-right and an up-down flip; code 0 changes nothing."""


def apply_symmetry(images: Tensor, codes: Tensor) -> Tensor:
    """Apply a symmetry of the square to each image, N x S x S: codes are N integers in 0..7.

    Bit 1 flips left-right, bit 2 up-down, bit 4 then swaps rows and columns.
    """
    bits = codes.view(-1, 1, 1)
    images = images.where(bits & 1 == 0, images.flip(2))
    images = images.where(bits & 2 == 0, images.flip(1))
    return images.where(bits & 4 == 0, images.transpose(1, 2))
