"""ResNets that turn an image into a feature vector."""

from collections.abc import Mapping
from pathlib import Path

import torchvision
from torch import Tensor, nn

from tmdscope.vision.weights import Weights, load_weights


def build_backbone(architecture: str, weights: Weights, pretrained: Path) -> nn.Module:
    """Build a fresh ResNet without its classification layer.

    Parameters
    ----------
    architecture : str
        ``resnet18``, ``resnet34``, ``resnet50``, ``resnet101`` or ``resnet152``.
    weights : Weights
        Source of the weights; with `Weights.NONE` they are drawn from torch's global generator.
    pretrained : Path
        Safetensors file of the pretrain stage, read for `Weights.SIMULATED` only.

    Returns
    -------
    torch.nn.Module
        Float images N x 3 x H x W to features N x F, with F as `feature_count` says.

    Raises
    ------
    UserError
        The weights cannot be had; the message says what to do.
    """
    state = load_weights(weights, architecture, pretrained)
    return bare_backbone(architecture, state)


def bare_backbone(architecture: str, state: Mapping[str, Tensor] | None = None) -> nn.Module:
    """Build a ResNet without its classification layer from a state dict.

    Parameters
    ----------
    architecture : str
        Name of a torchvision ResNet.
    state : mapping, optional
        Parameter name to tensor; without it the weights are drawn at random.

    Returns
    -------
    torch.nn.Module
        Float images N x 3 x H x W to features N x F.
    """
    backbone: nn.Module = torchvision.models.get_model(architecture, weights=None)
    backbone.fc = nn.Identity()
    if state is not None:
        backbone.load_state_dict(state)
    return backbone


def feature_count(architecture: str) -> int:
    """Say how many features a ResNet gives.

    Parameters
    ----------
    architecture : str
        Name of a torchvision ResNet.

    Returns
    -------
    int
        512 for ResNet 18 and 34, 2048 for the deeper ones.
    """
    return 512 if architecture in ("resnet18", "resnet34") else 2048
