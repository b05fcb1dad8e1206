"""Where a backbone's weights come from, and with which mean and standard deviation images are normalised."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.error import URLError

import torch
import torchvision
from safetensors.torch import load_file
from torch import Tensor

from tmdscope.stage import UserError


class Weights(StrEnum):
    """Sources of backbone weights."""

    IMAGENET_V1 = "imagenet-v1"
    IMAGENET_V2 = "imagenet-v2"
    SIMULATED = "simulated"
    NONE = "none"


@dataclass(frozen=True)
class Normalisation:
    """Per-channel mean and standard deviation of images scaled to [0, 1].

    Attributes
    ----------
    mean : tuple of float
        Subtracted, one per colour channel.
    std : tuple of float
        Divided by, one per colour channel.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET_NORMALISATION = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Of every ImageNet ResNet of torchvision (https://docs.pytorch.org/vision/stable/models.html)."""

GREY_NORMALISATION = Normalisation((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
"""Of backbones trained here: prepared images fill the range evenly, so half grey is their centre."""


def normalisation_of(weights: Weights) -> Normalisation:
    """Give the normalisation that some weights were trained with.

    Parameters
    ----------
    weights : Weights
        Source of the weights.

    Returns
    -------
    Normalisation
        Mean and standard deviation.
    """
    return IMAGENET_NORMALISATION if weights.value.startswith("imagenet") else GREY_NORMALISATION


def load_weights(weights: Weights, architecture: str, pretrained: Path) -> Mapping[str, Tensor] | None:
    """Load a backbone's state dict, without its classification layer.

    Parameters
    ----------
    weights : Weights
        Source of the weights.
    architecture : str
        Name of a torchvision ResNet.
    pretrained : Path
        Safetensors file of the pretrain stage, read for `Weights.SIMULATED` only.

    Returns
    -------
    dict or None
        Parameter name to tensor; None for `Weights.NONE`.

    Raises
    ------
    UserError
        The weights do not exist for this architecture, or cannot be had; the message says what to do.
    """
    if weights is Weights.NONE:
        return None
    if weights is Weights.SIMULATED:
        return _load_simulated(architecture, pretrained)
    state = _download_imagenet(weights, architecture)
    return {name: value for name, value in state.items() if not name.startswith("fc.")}


def _load_simulated(architecture: str, pretrained: Path) -> dict[str, Tensor]:
    if not pretrained.is_file():
        raise UserError(f"{pretrained} does not exist: run `dvc repro pretrain` to make weights 'simulated'")
    expected = set(torchvision.models.get_model(architecture).state_dict()) - {"fc.weight", "fc.bias"}
    state: dict[str, Tensor] = load_file(pretrained)
    if set(state) != expected:
        raise UserError(
            f"{pretrained} does not hold a {architecture}: set pretrain.architecture to {architecture!r} "
            "in params.yaml and run `dvc repro pretrain`"
        )
    return state


def _download_imagenet(weights: Weights, architecture: str) -> Mapping[str, Tensor]:
    available = torchvision.models.get_model_weights(architecture)
    member = weights.value.replace("imagenet-", "IMAGENET1K_").upper()
    if member not in available.__members__:
        known = ", ".join(name.replace("IMAGENET1K_", "imagenet-").lower() for name in available.__members__)
        raise UserError(f"{architecture} has no weights {weights.value!r}; it has: {known}")
    entry = available[member]
    try:
        state: Mapping[str, Tensor] = entry.get_state_dict(progress=False, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise UserError(
            f"could not fetch {weights.value} weights of {architecture} ({error}); download {entry.url} on a "
            f"machine with a network and put it into {folder} (the variable TORCH_HOME moves that folder)"
        ) from error
    return state
