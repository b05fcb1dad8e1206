"""ResNets that turn an image into a feature vector."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from tmdscope.vision.weights import Weights, load_weights


def build_backbone(architecture: str, weights: Weights, pretrained: Path) -> nn.Module:
    """Build a fresh ResNet (18, 34, 50, 101 or 152) without its classification layer, see `bare_backbone`.

    With `Weights.NONE` its weights are drawn from torch's global generator; `pretrained` is as for
    `load_weights`.
    """
    state = load_weights(weights, architecture, pretrained)
    return bare_backbone(architecture, state)


def bare_backbone(architecture: str, state: Mapping[str, Tensor] | None = None) -> nn.Module:
    """Build a torchvision ResNet without its classification layer: float N x 3 x H x W to features N x F.

    Without a state dict the weights are drawn at random.
    """
    import torchvision  # seconds, which only who builds a network should wait

    backbone: nn.Module = torchvision.models.get_model(architecture, weights=None)
    backbone.fc = nn.Identity()
    if state is not None:
        backbone.load_state_dict(state)
    return backbone


def frozen_layers(network: nn.Module, train_from: str) -> list[nn.Module]:
    """List the layers of a bare ResNet before the first one that is trained (ValueError if unknown).

    `train_from`: ``layer1`` (all but the first convolution is trained) to ``layer4``.
    """
    names = [name for name, _ in network.named_children()]
    if train_from not in names:
        raise ValueError(f"no layer {train_from!r}; there are {', '.join(names)}")
    return [layer for _, layer in zip(names[: names.index(train_from)], network.children(), strict=False)]


def feature_count(architecture: str) -> int:
    """Say how many features a ResNet gives: 512 for ResNet 18 and 34, 2048 for the deeper ones."""
    return 512 if architecture in ("resnet18", "resnet34") else 2048
