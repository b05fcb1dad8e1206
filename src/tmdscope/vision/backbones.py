"""ResNets that turn an image into a feature vector."""

from collections.abc import Mapping
from pathlib import Path

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
    import torchvision  # seconds, which only who builds a network should wait

    backbone: nn.Module = torchvision.models.get_model(architecture, weights=None)
    backbone.fc = nn.Identity()
    if state is not None:
        backbone.load_state_dict(state)
    return backbone


def frozen_layers(network: nn.Module, train_from: str) -> list[nn.Module]:
    """List the layers of a ResNet before the first one that is trained.

    Parameters
    ----------
    network : torch.nn.Module
        As `bare_backbone` builds it.
    train_from : str
        ``layer1`` (all but the first convolution is trained) to ``layer4``.

    Returns
    -------
    list of torch.nn.Module
        The layers in order, from the first convolution on.

    Raises
    ------
    ValueError
        The network has no such layer.
    """
    names = [name for name, _ in network.named_children()]
    if train_from not in names:
        raise ValueError(f"no layer {train_from!r}; there are {', '.join(names)}")
    return [layer for _, layer in zip(names[: names.index(train_from)], network.children(), strict=False)]


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
