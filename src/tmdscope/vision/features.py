"""Running networks over many images: frozen features and embeddings."""

import copy
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse

from tmdscope.vision.augment import apply_symmetry
from tmdscope.vision.classifier import Backbone
from tmdscope.vision.precision import Precision, autocast

Network = TypeVar("Network", bound=nn.Module)


def best_device() -> torch.device:
    """Give the fastest device at hand.

    Returns
    -------
    torch.device
        CUDA, then Apple's MPS, then the CPU.
    """
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def placed(network: Network, device: torch.device) -> Network:
    """Copy a network to where it is to compute; whoever else holds it finds it where it was.

    Parameters
    ----------
    network : torch.nn.Module
        Left as it is, on its device.
    device : torch.device
        Where to.

    Returns
    -------
    torch.nn.Module
        In evaluation mode.
    """
    return copy.deepcopy(network).to(device).eval()


@torch.inference_mode()
def apply_in_batches(
    function: Callable[[Tensor], Tensor], images: NDArray[np.uint8], batch_size: int, device: torch.device
) -> NDArray[Any]:
    """Apply a network's function to images, a batch at a time.

    Parameters
    ----------
    function : callable
        uint8 images B x H x W on `device` to values B x F; its network is in evaluation mode.
    images : numpy.ndarray
        uint8, N x H x W; a memory map is read a batch at a time.
    batch_size : int
        Images in a batch.
    device : torch.device
        Where the network is.

    Returns
    -------
    numpy.ndarray
        N x F, float32.
    """
    batches = [
        function(torch.from_numpy(np.array(images[start : start + batch_size])).to(device)).cpu().numpy()
        for start in range(0, len(images), batch_size)
    ]
    return np.concatenate(batches)


def fold_batch_norm(backbone: Backbone) -> Backbone:
    """Copy a backbone for computing: batch normalisation folded into the convolutions.

    Parameters
    ----------
    backbone : Backbone
        In evaluation mode; left as it is.

    Returns
    -------
    Backbone
        Equal to rounding, a tenth faster, with a memory layout that suits convolutions.
    """
    frozen = copy.deepcopy(backbone)
    frozen.network = fuse(frozen.network, inplace=True).to(memory_format=torch.channels_last)
    return frozen


def symmetric_features(
    backbone: Backbone,
    images: NDArray[np.uint8],
    symmetries: int,
    batch_size: int,
    device: torch.device,
    precision: Precision,
) -> NDArray[np.float32]:
    """Compute what a frozen backbone sees in every image and in its symmetric versions.

    Parameters
    ----------
    backbone : Backbone
        On `device`, in evaluation mode; a copy computes, see `fold_batch_norm`.
    images : numpy.ndarray
        uint8, N x S x S.
    symmetries : int
        How many versions, see `tmdscope.vision.augment`: 1, 4 or 8; the first is the image itself.
    batch_size : int
        Images in a batch.
    device : torch.device
        Where the backbone is.
    precision : Precision
        Of its products.

    Returns
    -------
    numpy.ndarray
        float32, N x `symmetries` x F.
    """
    frozen = fold_batch_norm(backbone)

    def see(batch: Tensor) -> Tensor:
        codes = torch.arange(symmetries, device=device).repeat_interleave(len(batch))
        with autocast(precision, device):
            features: Tensor = frozen(apply_symmetry(batch.repeat(symmetries, 1, 1), codes))
        return features.float().reshape(symmetries, len(batch), -1).transpose(0, 1)

    return apply_in_batches(see, images, max(1, batch_size // symmetries), device)
