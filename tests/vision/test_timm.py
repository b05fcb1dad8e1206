"""Networks of timm's: built by name, with published weights from a cache, a mirror or the hub."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from tests.support.web import NOWHERE, Site, serve
from tmdscope.errors import UserError
from tmdscope.vision import weights as module
from tmdscope.vision.backbones import (
    bare_backbone,
    feature_count,
    layers_before,
    map_stages,
    size_problem,
    stages_of,
)
from tmdscope.vision.published import Weights, normalisation_of, published
from tmdscope.vision.weights import load_weights

CONVNET, VIT = "timm:test_convnext", "timm:vit_tiny_patch16_224"
FILES = {
    CONVNET: ("test_convnext.r160_in1k.safetensors", "timm/test_convnext.r160_in1k"),
    VIT: (
        "vit_tiny_patch16_224.augreg_in21k_ft_in1k.safetensors",
        "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k",
    ),
}


def whole(architecture: str) -> dict[str, Tensor]:
    """Give random numbers in the form that timm publishes, with a classification layer."""
    import timm

    return dict(timm.create_model(architecture.removeprefix("timm:")).state_dict())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv(module.MIRROR_VARIABLE, raising=False)
    return tmp_path / "home" / "hub" / "checkpoints"


@pytest.fixture
def server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with serve() as site:
        monkeypatch.setenv(module.MIRROR_VARIABLE, f"{site.url}/mirror/")
        yield site


def load(architecture: str, size_px: int | None = None) -> Mapping[str, Tensor]:
    state = load_weights(Weights.IMAGENET, architecture, Path("unused"), size_px)
    assert state is not None
    return state


@pytest.mark.parametrize("architecture", FILES)
def test_weights_come_from_a_mirror_once(server: Site, architecture: str) -> None:
    stored, (name, _) = whole(architecture), FILES[architecture]
    server.files[f"/mirror/{name}"] = save(stored)
    state = load(architecture)
    built = bare_backbone(architecture, state).state_dict()
    assert 0 < len(stored) - len(built) <= 2  # the classification layer
    assert all(torch.equal(value, stored[key]) for key, value in built.items())
    load(architecture)
    assert server.log == [(f"/mirror/{name}", None)]


def test_position_embeddings_are_brought_to_the_images_size(server: Site) -> None:
    stored = whole(VIT)
    server.files[f"/mirror/{FILES[VIT][0]}"] = save(stored)
    state = load(VIT, 96)
    assert (stored["pos_embed"].shape[1], state["pos_embed"].shape[1]) == (1 + 14 * 14, 1 + 6 * 6)
    torch.testing.assert_close(state["pos_embed"][:, :1], stored["pos_embed"][:, :1])
    assert torch.equal(state["blocks.3.attn.qkv.weight"], stored["blocks.3.attn.qkv.weight"])
    assert bare_backbone(VIT, state, 96).eval()(torch.zeros(1, 3, 96, 96)).shape == (1, feature_count(VIT))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": torch.zeros(1)}, "does not hold a timm:test_convnext"),
        ({"stem.0.weight": torch.zeros(2)}, "does not hold a timm:test_convnext"),
        ({"stem.0.weight": None}, "does not hold a timm:test_convnext"),
        ({"stem.1.weight": torch.full((24,), torch.nan)}, r"not finite, first in stem\.1\.weight"),
    ],
    ids=["one too many", "a shape", "one too few", "NaN"],
)
def test_wrong_tensors_are_refused(server: Site, change: dict[str, Tensor | None], message: str) -> None:
    stored = whole(CONVNET) | change
    content = {name: value for name, value in stored.items() if value is not None}
    server.files[f"/mirror/{FILES[CONVNET][0]}"] = save(content)
    with pytest.raises(UserError, match=message):
        load(CONVNET)


def test_a_file_that_is_none_of_tensors_is_refused(server: Site) -> None:
    server.files[f"/mirror/{FILES[CONVNET][0]}"] = save(whole(CONVNET))[:-100]
    with pytest.raises(UserError, match="no state dict of tensors alone"):
        load(CONVNET)


def test_no_network_says_what_to_download_and_where_to_put_it(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(module.MIRROR_VARIABLE, NOWHERE)
    name, hub = FILES[CONVNET]
    with pytest.raises(UserError, match="could not fetch imagenet weights of timm:test_convnext") as caught:
        load(CONVNET)
    told = f"https://huggingface.co/{hub}/resolve/main/model.safetensors"
    for part in (told, f"put it as {name} into {cache}", module.MIRROR_VARIABLE):
        assert part in str(caught.value)


def test_the_cache_of_hugging_face_is_looked_into(cache: Path, tmp_path: Path) -> None:
    place = tmp_path / "hub" / "models--timm--test_convnext.r160_in1k"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("abc")
    (place / "snapshots" / "abc").mkdir(parents=True)
    stored = whole(CONVNET)
    (place / "snapshots" / "abc" / "model.safetensors").write_bytes(save(stored))
    assert torch.equal(load(CONVNET)["stem.0.weight"], stored["stem.0.weight"])


def test_normalisation_and_licence_are_timms() -> None:
    found = published(Weights.IMAGENET, "timm:vit_small_patch14_dinov2")
    assert "vit_small_patch14_dinov2.lvd142m" in found.publication
    assert "apache-2.0" in found.publication
    assert normalisation_of(Weights.IMAGENET, VIT).mean == (0.5, 0.5, 0.5)
    assert normalisation_of(Weights.IMAGENET, "timm:convnextv2_atto").mean == (0.485, 0.456, 0.406)


def test_a_network_without_weights_is_said_so() -> None:
    with pytest.raises(UserError, match="timm:vit_base_patch16_18x2_224 has no weights 'imagenet'"):
        load("timm:vit_base_patch16_18x2_224")


@pytest.mark.parametrize(
    ("architecture", "size_px", "problem"),
    [
        (VIT, 100, "its patches of 16 px do not divide 100: set prepare.size_px to 96 or 112"),
        ("timm:vit_small_patch14_dinov2", 96, "set prepare.size_px to 84 or 98"),
        (VIT, 96, None),
        (CONVNET, 96, None),
        ("efficientnet-lite0", 90, None),
    ],
)
def test_sizes_that_a_network_cannot_take_are_known(
    architecture: str, size_px: int, problem: str | None
) -> None:
    found = size_problem(architecture, size_px)
    assert found is None if problem is None else problem in str(found)


@pytest.mark.parametrize(
    ("architecture", "first", "last", "frozen"),
    [
        ("resnet18", "layer1", "layer4", "layer3.1.conv2.weight"),
        ("efficientnet-lite0", "blocks.0", "blocks.6", "blocks.5.3.conv_pwl.weight"),
        (CONVNET, "stages.0", "stages.3", "stages.2.blocks.0.conv_dw.weight"),
        (VIT, "blocks.0", "blocks.11", "pos_embed"),
    ],
)
def test_layers_before_the_last_stage_stay(architecture: str, first: str, last: str, frozen: str) -> None:
    network = bare_backbone(architecture)
    known = stages_of(network)
    assert (known[0], known[-1]) == (first, last)
    assert map_stages(network) == (
        known[:-1] if architecture == VIT else known
    )  # its class token alone is read
    for part in layers_before(network, last):
        part.requires_grad_(False)
    trained = {name for name, value in network.named_parameters() if value.requires_grad}
    assert frozen not in trained
    assert {name for name, _ in network.get_submodule(last).named_parameters(prefix=last)} <= trained
    assert not any(name.startswith(first) for name in trained)


def test_a_layer_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"no layer 'blocks\.9'; there are 0, 1"):
        layers_before(bare_backbone("efficientnet-lite0"), "blocks.9")
