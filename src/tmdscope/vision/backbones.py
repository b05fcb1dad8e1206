"""Networks that turn an image into a feature vector: torchvision's ResNets, those of timm, a small one."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from tmdscope.params.architectures import OWN, timm_name
from tmdscope.vision.cnn import Convolutions

_RESNET_STAGES = ("layer1", "layer2", "layer3", "layer4")


def bare_backbone(
    architecture: str,
    state: Mapping[str, Tensor] | None = None,
    size_px: int | None = None,
    dropout: float = 0.0,
) -> nn.Module:
    """Build a network without its classification layer: float N x 3 x H x W to features N x F.

    Its state dict is that of `tmdscope.vision.weights.load_weights`; without one torch's generator draws it.
    `size_px` is H and W, for networks that are built for one size (None: their own). `dropout` is of the
    small network alone, after each pooling.
    """
    if name := timm_name(architecture):
        import timm  # seconds, which only who builds such a network should wait

        backbone: nn.Module = timm.create_model(name, num_classes=0, **size_options(name, size_px))
    elif architecture == OWN:
        backbone = Convolutions(dropout)
    else:
        import torchvision

        backbone = torchvision.models.get_model(architecture, weights=None)
        backbone.fc = nn.Identity()
    if state is not None:
        backbone.load_state_dict(state)
    return backbone


def size_options(name: str, size_px: int | None) -> dict[str, Any]:
    """Say what timm must be told to build a network for images of a size, where it is built for one."""
    import timm

    published = timm.get_pretrained_cfg(name)
    fixed = published is not None and published.fixed_input_size
    return {"img_size": size_px} if fixed and size_px is not None else {}


@cache
def on_paper(architecture: str, size_px: int | None = None) -> nn.Module:
    """Build a network without memory for its numbers; it is built once and not to be changed."""
    with torch.device("meta"):
        return bare_backbone(architecture, size_px=size_px).eval()


@cache
def feature_count(architecture: str) -> int:
    """Say how many features a network gives: 512 for ResNet 18, 1280 for EfficientNet-Lite."""
    network, size_px = on_paper(architecture), 32
    if name := timm_name(architecture):
        import timm

        published = timm.get_pretrained_cfg(name)
        size_px = published.input_size[-1] if published else 224
    return _width(network, size_px)


def _width(network: nn.Module, size_px: int) -> int:
    with torch.inference_mode():
        features: Tensor = network(torch.empty(1, 3, size_px, size_px, device="meta"))
    if features.ndim != 2:
        raise ValueError(f"it gives features of shape {tuple(features.shape[1:])}, not one vector an image")
    return int(features.shape[1])


def size_problem(architecture: str, size_px: int) -> str | None:
    """Say why a network cannot take images of a size; None where it can."""
    try:
        network = on_paper(architecture, size_px)
        patch = getattr(getattr(network, "patch_embed", None), "patch_size", (1, 1))
        side = patch if isinstance(patch, int) else max(patch)
        if size_px % side:
            lower = size_px - size_px % side
            sizes = f"{lower} or {lower + side}" if lower else str(side)
            return f"its patches of {side} px do not divide {size_px}: set prepare.size_px to {sizes}"
        _width(network, size_px)
    except Exception as error:  # its own code says what it lacks in its own words
        reason = str(error).strip().partition("\n")[0][:200]
        return f"it takes no images of {size_px} px ({reason}): change prepare.size_px, or take another"
    return None


def stages_of(network: nn.Module) -> tuple[str, ...]:
    """Name the stages of a network, as its maps get coarser: ``layer1`` to ``layer4`` of a ResNet."""
    modules = dict(network.named_modules())
    told = [str(stage["module"]) for stage in getattr(network, "feature_info", [])] or _RESNET_STAGES
    return tuple(dict.fromkeys(name for name in told if name in modules))


def map_stages(network: nn.Module) -> tuple[str, ...]:
    """Name the stages whose maps the features rest on.

    Not the last of a transformer that reads its class token alone: nothing follows from its patches there.
    """
    known = stages_of(network)
    return known[:-1] if getattr(network, "global_pool", None) == "token" else known


def layers_before(network: nn.Module, name: str) -> list[nn.Module | nn.Parameter]:
    """List the layers of a network that come before one, and numbers that belong to none, in its own order.

    `ValueError` where it has no such layer.
    """
    found: list[nn.Module | nn.Parameter] = []
    for part in name.split("."):
        names = [known for known, _ in network.named_children()]
        if part not in names:
            raise ValueError(f"no layer {name!r}; there are {', '.join(names)}")
        found += network.parameters(recurse=False)
        found += list(network.children())[: names.index(part)]
        network = network.get_submodule(part)
    return found
