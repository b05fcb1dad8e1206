"""ResNets that turn an image into a feature vector."""

from collections.abc import Mapping

from torch import Tensor, nn


def bare_backbone(architecture: str, state: Mapping[str, Tensor] | None = None) -> nn.Module:
    """Build a torchvision ResNet without its classification layer: float N x 3 x H x W to features N x F.

    Its state dict is that of `tmdscope.vision.weights.load_weights`; without one torch's generator draws it.
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
