"""Where a backbone's weights come from, and with which mean and standard deviation images are normalised."""

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor

from tmdscope.download import DownloadError, download
from tmdscope.errors import UserError
from tmdscope.files import atomic_path, open_regular, sha256_file
from tmdscope.layout import remedy_of
from tmdscope.limits import MAX_WEIGHTS_BYTES
from tmdscope.materials import nearest
from tmdscope.vision.backbones import bare_backbone

MIRROR_VARIABLE = "TMDSCOPE_WEIGHTS_URL"
"""Environment variable that names a mirror: an address below which the files lie under their own names."""

_CLASSIFIER = ("fc.weight", "fc.bias")


@dataclass(frozen=True)
class Normalisation:
    """Per-channel mean and standard deviation of images scaled to [0, 1]."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET_NORMALISATION = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Of every ImageNet ResNet of torchvision (https://docs.pytorch.org/vision/stable/models.html)."""

GREY_NORMALISATION = Normalisation((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
"""Of backbones trained here: prepared images fill the range evenly, so half grey is their centre."""


class WeightsFile(NamedTuple):
    """Where an architecture's state dict is, and how its SHA-256 begins; None where that is not published."""

    url: str
    sha256_start: str | None

    @property
    def name(self) -> str:
        """File name, on the server and in the cache."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class WeightsSource:
    """A source of weights: what they were trained with, by whom on what, and a file per architecture."""

    normalisation: Normalisation
    publication: str
    files: Mapping[str, WeightsFile]


def _torchvision(**hashes: str) -> dict[str, WeightsFile]:
    """Torchvision puts the first eight digits of the SHA-256 into the names of its files."""
    base = "https://download.pytorch.org/models"
    return {name: WeightsFile(f"{base}/{name}-{start}.pth", start) for name, start in hashes.items()}


def _micronet(**versions: str) -> dict[str, WeightsFile]:
    """NASA publishes no hashes; names are those of `get_pretrained_microscopynet_url` in its repository."""
    base = "https://nasa-public-data.s3.amazonaws.com/microscopy_segmentation_models"
    ends = {name: f"_pretrained_microscopynet_v{version}.pth.tar" for name, version in versions.items()}
    return {name: WeightsFile(f"{base}/{name}{end}", None) for name, end in ends.items()}


class Weights(StrEnum):
    """Sources of backbone weights."""

    IMAGENET_V1 = "imagenet-v1"
    IMAGENET_V2 = "imagenet-v2"
    MICRONET = "micronet"
    SIMULATED = "simulated"
    NONE = "none"

    @property
    def source(self) -> WeightsSource:
        """Files, normalisation and publication."""
        return SOURCES[self]

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise UserError(f"there are no weights {value!r}; {nearest(str(value), [str(name) for name in cls])}")


SOURCES: dict[Weights, WeightsSource] = {
    Weights.IMAGENET_V1: WeightsSource(
        IMAGENET_NORMALISATION,
        "ImageNet-1k, torchvision's first recipe, IMAGENET1K_V1 "
        "(He et al. 2016, doi:10.1109/CVPR.2016.90; https://docs.pytorch.org/vision/stable/models.html)",
        _torchvision(resnet18="f37072fd", resnet34="b627a593", resnet50="0676ba61")
        | _torchvision(resnet101="63fe2227", resnet152="394f9c45"),
    ),
    Weights.IMAGENET_V2: WeightsSource(
        IMAGENET_NORMALISATION,
        "ImageNet-1k, torchvision's second recipe, IMAGENET1K_V2 "
        "(https://github.com/pytorch/vision/issues/3995); there is none for ResNet 18 and 34",
        _torchvision(resnet50="11ad3fa6", resnet101="cd907fc2", resnet152="f82ba261"),
    ),
    Weights.MICRONET: WeightsSource(
        IMAGENET_NORMALISATION,  # their pre-training normalised as for ImageNet
        "MicroNet, over 100,000 micrographs, from random weights (Stuckner et al. 2022, "
        "doi:10.1038/s41524-022-00878-5; https://github.com/nasa/pretrained-microscopy-models)",
        _micronet(resnet18="1.0", resnet34="1.0", resnet50="1.1", resnet101="1.0", resnet152="1.0"),
    ),
    Weights.SIMULATED: WeightsSource(
        GREY_NORMALISATION, "simulated scans, trained by this pipeline's stage `pretrain`", {}
    ),
    Weights.NONE: WeightsSource(GREY_NORMALISATION, "random weights", {}),
}
"""Every source of weights."""


def load_weights(weights: Weights, architecture: str, pretrained: Path) -> Mapping[str, Tensor] | None:
    """Load a backbone's state dict, without its classification layer; None for `Weights.NONE`.

    Published files are taken from torch's cache folder (``hub/checkpoints`` below TORCH_HOME), or downloaded
    into it; `pretrained`, of the pretrain stage, is read for `Weights.SIMULATED` only.
    """
    if weights is Weights.NONE:
        return None
    if weights is Weights.SIMULATED:
        if not pretrained.is_file():
            raise UserError(
                f"{pretrained} does not exist: run `dvc repro pretrain` to make weights 'simulated'"
            )
        path, again = pretrained, remedy_of(pretrained)
        remedy = f"set pretrain.architecture to {architecture!r} in params.yaml and run `dvc repro pretrain`"
    else:
        path, again = _fetch(weights, architecture), "delete it and download it again"
        remedy = f"delete it; put the file of {architecture} there, or let it be downloaded again"
    state = {name: value for name, value in _read_state(path, again).items() if name not in _CLASSIFIER}
    with torch.device("meta"):  # shapes alone, no memory
        network = bare_backbone(architecture)
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in state.items()}
    wrong = [name for name in expected | found if expected.get(name) != found.get(name)]
    if wrong:
        name = wrong[0]
        shapes = f"{name} is {found.get(name, 'missing')}, expected {expected.get(name, 'no such tensor')}"
        raise UserError(
            f"{path} does not hold a {architecture}: {len(wrong)} tensors differ ({shapes}); {remedy}"
        )
    strange = [name for name, value in state.items() if not torch.isfinite(value).all()]
    if strange:
        raise UserError(f"{path} holds values that are not finite, first in {strange[0]}; {again}")
    return state


def _fetch(weights: Weights, architecture: str) -> Path:
    """Find a published file in the cache, or download it; either way its hash is checked."""
    file = weights.source.files.get(architecture)
    if file is None:
        known = [other.value for other in Weights if architecture in other.source.files]
        what = f"it has: {', '.join(known)}" if known else "none are published for it that we know of"
        raise UserError(f"{architecture} has no weights {weights.value!r}; {what}")
    path = Path(torch.hub.get_dir()) / "checkpoints" / file.name
    if path.is_file():
        _check_hash(path, path, file)
        return path
    mirror = os.environ.get(MIRROR_VARIABLE)
    url = f"{mirror.rstrip('/')}/{file.name}" if mirror else file.url
    try:
        with atomic_path(path) as temporary:
            download(url, temporary, most=MAX_WEIGHTS_BYTES)
            _check_hash(temporary, path, file)
    except DownloadError as error:
        raise UserError(
            f"could not fetch {weights.value} weights of {architecture} ({error}); download {file.url} on a "
            f"machine with a network and put it into {path.parent} (the variable TORCH_HOME moves that "
            f"folder), or name a mirror in {MIRROR_VARIABLE}"
        ) from error
    return path


def _check_hash(content: Path, path: Path, file: WeightsFile) -> None:
    open_regular(content, MAX_WEIGHTS_BYTES).close()
    found = sha256_file(content)
    if file.sha256_start and not found.startswith(file.sha256_start):
        raise UserError(
            f"{path} must have a SHA-256 that begins with {file.sha256_start}, what came has {found}: "
            f"truncated or another file; delete it if it is there, download {file.url} and put it there"
        )


def _read_state(path: Path, remedy: str) -> Mapping[str, Tensor]:
    """Read tensors and nothing else: objects in a pickle could run code."""
    with open_regular(path, MAX_WEIGHTS_BYTES) as stream:
        if zipfile.is_zipfile(stream):
            with zipfile.ZipFile(stream) as archive:
                records = archive.infolist()
            packed = any(record.compress_type != zipfile.ZIP_STORED for record in records)
            if packed or sum(record.file_size for record in records) > MAX_WEIGHTS_BYTES:
                raise UserError(f"{path} holds packed records, which torch does not write; {remedy}")
    try:
        content: Any = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except Exception as error:  # damaged bytes make torch raise nearly anything
        raise UserError(
            f"{path} is no state dict of tensors alone: it is truncated, or a pickle of other objects, which "
            f"is refused because loading it could run code; {remedy}"
        ) from error
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise UserError(f"{path} holds no state dict (names to tensors); {remedy}")
    return content
