"""Running networks over many images: frozen features and embeddings."""

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse

from tmdscope.files import forget_pages
from tmdscope.vision.augment import apply_symmetry
from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.classifier import Backbone, Classifier, Head
from tmdscope.vision.precision import Precision, autocast
from tmdscope.vision.published import Weights, normalisation_of
from tmdscope.vision.recorded import Recorded, pays, send
from tmdscope.vision.weights import load_weights

Network = TypeVar("Network", bound=nn.Module)

_RANDOM_SEED = 0
_READ_BYTES = 16 << 20

POOL = "pool"
"""In place of a stage's name: what a network gives behind all of them."""


def best_device() -> torch.device:
    """Give the fastest device at hand: CUDA, then Apple's MPS, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def placed(network: Network, device: torch.device) -> Network:
    """Copy a network to where it is to compute, in evaluation mode; the original stays as and where it is."""
    return copy.deepcopy(network).to(device).eval()


def apply_in_batches(
    function: Callable[[Tensor], Tensor], images: NDArray[np.uint8], batch_size: int, device: torch.device
) -> NDArray[Any]:
    """Apply a function of a network in evaluation mode to uint8 images, N x H x W, batch by batch: N x F."""
    return np.concatenate([*pieces_of(function, images, batch_size, device)])


def pieces_of(
    function: Callable[[Tensor], Tensor], images: NDArray[np.uint8], batch_size: int, device: torch.device
) -> Iterator[NDArray[Any]]:
    """Do the same, and give what is found piece by piece: it stays on the device up to `_READ_BYTES`."""
    starts = range(0, len(images), batch_size)

    def work(batch: Tensor) -> tuple[Tensor, ...]:
        return (function(batch),)

    run = partial(Recorded(batch_size).run, work) if pays(device, len(starts)) else work
    waiting = list[Tensor]()
    for start in starts:
        with torch.inference_mode():
            waiting += run(send(torch.from_numpy(np.array(images[start : start + batch_size])), device))
        last = start + batch_size >= len(images)
        if last or sum(values.nbytes for values in waiting) >= _READ_BYTES:
            yield torch.cat(waiting).cpu().numpy()
            waiting.clear()
            forget_pages(images)


def frozen_backbone(weights: str, architecture: str, pretrained: Path, size_px: int) -> Backbone:
    """Build a backbone that is not trained, for images of a size, on the CPU in evaluation mode.

    That of weights ``none`` is drawn with one seed, so that all who look through it see the same.
    """
    state = load_weights(Weights(weights), architecture, pretrained, size_px)
    with torch.random.fork_rng():
        torch.manual_seed(_RANDOM_SEED)
        network = bare_backbone(architecture, state, size_px)
    return Backbone(network, normalisation_of(Weights(weights), architecture)).eval()


def fold_batch_norm(backbone: Backbone) -> Backbone:
    """Copy a backbone in evaluation mode for computing: batch normalisation folded into the convolutions.

    Equal to rounding, a tenth faster, with a memory layout that suits convolutions. Networks whose way
    depends on the size of their input stay as they are: torch cannot trace them.
    """
    from torchvision.models import ResNet

    frozen = copy.deepcopy(backbone)
    if isinstance(frozen.network, ResNet):
        frozen.network = fuse(frozen.network, inplace=True)
    frozen.network.to(memory_format=torch.channels_last)
    return frozen


def symmetric_features(
    backbone: Backbone,
    images: NDArray[np.uint8],
    symmetries: int,
    batch_size: int,
    device: torch.device,
    precision: Precision,
) -> NDArray[np.float32]:
    """Compute what a frozen backbone sees in images and their symmetric versions: N x `symmetries` x F.

    There are 1, 4 or 8, see `tmdscope.vision.augment`; the first is the image itself.
    """
    return np.concatenate([*symmetric_batches(backbone, images, symmetries, batch_size, device, precision)])


def symmetric_batches(
    backbone: Backbone,
    images: NDArray[np.uint8],
    symmetries: int,
    batch_size: int,
    device: torch.device,
    precision: Precision,
) -> Iterator[NDArray[np.float32]]:
    """Compute the same as `symmetric_features`, and give it piece by piece."""
    return folded_batches(fold_batch_norm(backbone), images, symmetries, batch_size, device, precision)


def folded_batches(
    frozen: Backbone,
    images: NDArray[np.uint8],
    symmetries: int,
    batch_size: int,
    device: torch.device,
    precision: Precision,
) -> Iterator[NDArray[np.float32]]:
    """Compute the same with what `fold_batch_norm` gave."""

    def see(batch: Tensor) -> Tensor:
        codes = torch.arange(symmetries, device=device).repeat_interleave(len(batch))
        with autocast(precision, device):
            features: Tensor = frozen(apply_symmetry(batch.repeat(symmetries, 1, 1), codes))
        return features.float().reshape(symmetries, len(batch), -1).transpose(0, 1)

    return pieces_of(see, images, max(1, batch_size // symmetries), device)


def stage_features(
    backbone: Backbone,
    stages: Sequence[str],
    images: NDArray[np.uint8],
    batch_size: int,
    device: torch.device,
    brightness: float = 1.0,
) -> list[NDArray[np.float32]]:
    """Compute what a frozen backbone sees in images, N x F for each stage: its maps' values, or at `POOL`.

    Grey values are multiplied by `brightness` before they are normalised.
    """
    seen: dict[str, Tensor] = {}
    placed_one = placed(backbone, device)
    network = placed_one.network.to(memory_format=torch.channels_last)

    def look(images: Tensor) -> Tensor:
        scaled = images.to(torch.float32).mul(brightness / 255.0).unsqueeze(1)
        seen[POOL] = network((scaled - placed_one.mean) / placed_one.std)
        return torch.cat([seen[stage].flatten(1).float() for stage in stages], dim=1)

    for stage in set(stages) - {POOL}:
        network.get_submodule(stage).register_forward_hook(
            lambda _, __, given, stage=stage: seen.update({stage: given})
        )
    found = apply_in_batches(look, images, batch_size, device)
    widths = [seen[stage].flatten(1).shape[1] for stage in stages]
    return np.split(found, np.cumsum(widths)[:-1], axis=1)


def embed(
    classifier: Classifier,
    images: NDArray[np.uint8],
    image_ids: Sequence[str],
    batch_size: int,
    device: torch.device,
    after_relu: bool = False,
) -> pd.DataFrame:
    """Give ``z000`` to ``z099`` of images, uint8, N x S x S, before the ReLU, as the paper's, or after it."""
    values = apply_in_batches(placed(classifier, device).embed, images, batch_size, device)
    if after_relu:
        values = np.maximum(values, 0)
    return pd.DataFrame(values, index=list(image_ids), columns=[f"z{k:03d}" for k in range(values.shape[1])])


@torch.inference_mode()
def embed_inputs(model: nn.Module, inputs: Tensor, batch_size: int = 256) -> NDArray[np.float32]:
    """Compute the values of the penultimate layer before its ReLU, float32, N x 100.

    Inputs are a head's features N x F or a classifier's images N x S x S; the model is left in evaluation
    mode.
    """
    if not isinstance(model, Head | Classifier):
        raise TypeError(f"a {type(model).__name__} has no embedding")
    model.eval()
    found: Tensor | None = None  # filled batch by batch: joined batches would be held twice
    for start, batch in zip(range(0, len(inputs), batch_size), inputs.split(batch_size), strict=True):
        piece = model.embed(batch).float()
        if found is None:
            found = piece.new_empty(len(inputs), piece.shape[1])
        found[start : start + len(piece)] = piece
    assert found is not None
    return found.cpu().numpy()
