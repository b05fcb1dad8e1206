import pickle
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from tests.support.web import NOWHERE, Site, serve
from tmdscope.errors import UserError
from tmdscope.files import sha256_file
from tmdscope.params.architectures import RESNETS, WeightsName
from tmdscope.vision import weights as module
from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.published import (
    GREY_NORMALISATION,
    IMAGENET_NORMALISATION,
    PUBLISHED,
    Weights,
    WeightsFile,
    normalisation_of,
    published,
)
from tmdscope.vision.weights import load_weights

NAME = published(Weights.IMAGENET_V1, "resnet18").file.name
MICRONET = published(Weights.MICRONET, "resnet18").file.name
STORED = torchvision.models.resnet18().state_dict()


def saved(content: object) -> bytes:
    stream = BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


CONTENT = saved(STORED)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "backbone.safetensors"
    save_file(bare_backbone("resnet18").state_dict(), path)
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder; no mirror."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(module.MIRROR_VARIABLE, raising=False)
    return tmp_path / "home" / "hub" / "checkpoints"


@pytest.fixture
def server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A mirror of ResNet18, whose published hash is that of the mirror's file."""
    digest = cache.parents[2] / "whole"
    digest.write_bytes(CONTENT)
    publish(monkeypatch, sha256_file(digest)[:8])
    with serve() as site:
        site.files |= {f"/mirror/{name}": CONTENT for name in (NAME, MICRONET)}
        monkeypatch.setenv(module.MIRROR_VARIABLE, f"{site.url}/mirror/")
        yield site


def publish(monkeypatch: pytest.MonkeyPatch, start: str) -> None:
    """Pretend that the published file of ResNet18 has this hash."""
    known = published(Weights.IMAGENET_V1, "resnet18")
    assert isinstance(known.file, WeightsFile)
    changed = replace(known, file=WeightsFile.at(known.file.url, start))
    monkeypatch.setitem(PUBLISHED, Weights.IMAGENET_V1, {"resnet18": changed})


def load(weights: Weights = Weights.IMAGENET_V1, architecture: str = "resnet18") -> Mapping[str, Any] | None:
    return load_weights(weights, architecture, Path("unused"))


def is_stored(state: Mapping[str, Any] | None) -> bool:
    assert state is not None
    assert set(STORED) - set(state) == {"fc.weight", "fc.bias"}
    return all(torch.equal(value, STORED[name]) for name, value in state.items())


@pytest.mark.parametrize("weights", [Weights.IMAGENET_V1, Weights.IMAGENET_V2])
def test_files_and_hashes_are_torchvisions(weights: Weights) -> None:
    member = weights.value.replace("imagenet-", "IMAGENET1K_").upper()
    for architecture in RESNETS:
        known = torchvision.models.get_model_weights(architecture).__members__
        ours = PUBLISHED[weights].get(architecture)
        assert (ours is None) == (member not in known)
        if ours is not None:
            assert isinstance(ours.file, WeightsFile)
            assert ours.file.url == known[member].url
            assert ours.file.name == f"{architecture}-{ours.file.sha256_start}.pth"
            transform = known[member].transforms()
            assert (tuple(transform.mean), tuple(transform.std)) == (
                ours.normalisation.mean,
                ours.normalisation.std,
            )


def test_micronet_has_every_architecture_and_no_invented_hash() -> None:
    files = {name: found.file for name, found in PUBLISHED[Weights.MICRONET].items()}
    assert set(files) == set(RESNETS)
    assert {file.sha256_start for file in files.values()} == {None}
    assert files["resnet50"].name == "resnet50_pretrained_microscopynet_v1.1.pth.tar"
    assert files["resnet152"].name == "resnet152_pretrained_microscopynet_v1.0.pth.tar"


def test_params_know_every_source() -> None:
    assert set(get_args(WeightsName)) == set(Weights)


def test_every_source_says_where_it_was_published() -> None:
    assert set(PUBLISHED) == set(Weights) - {Weights.SIMULATED, Weights.NONE}
    assert all(found.publication for files in PUBLISHED.values() for found in files.values())


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(UserError, match=r"no weights 'imagenet-v3'; did you mean 'imagenet-v"):
        Weights("imagenet-v3")


def test_missing_simulated_weights_say_which_stage_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="dvc repro pretrain"):
        load_weights(Weights.SIMULATED, "resnet18", tmp_path / "none.safetensors")


def test_simulated_weights_come_from_their_file(pretrained: Path) -> None:
    state = load_weights(Weights.SIMULATED, "resnet18", pretrained)
    assert state is not None
    bare_backbone("resnet18", state)


def test_simulated_weights_of_another_architecture_are_refused(pretrained: Path) -> None:
    with pytest.raises(
        UserError, match=r"does not hold a resnet50: .*set pretrain\.architecture to 'resnet50'"
    ):
        load_weights(Weights.SIMULATED, "resnet50", pretrained)


@pytest.mark.parametrize("architecture", ["resnet18", "resnet34"])
def test_weights_that_do_not_exist_name_those_that_do(architecture: str) -> None:
    with pytest.raises(UserError, match="no weights 'imagenet-v2'; it has: imagenet-v1, micronet"):
        load(Weights.IMAGENET_V2, architecture)


def test_an_architecture_without_micronet_weights_is_said_so() -> None:
    with pytest.raises(UserError, match="resnext50_32x4d has no weights 'micronet'; none are published"):
        load(Weights.MICRONET, "resnext50_32x4d")


@pytest.mark.parametrize(
    ("weights", "name"), [(Weights.IMAGENET_V1, NAME), (Weights.MICRONET, MICRONET)], ids=lambda value: value
)
def test_a_download_is_loaded_and_kept(server: Site, cache: Path, weights: Weights, name: str) -> None:
    assert is_stored(load(weights))
    assert [path.name for path in cache.iterdir()] == [name]
    assert is_stored(load(weights))
    assert server.log == [(f"/mirror/{name}", None)]


def test_a_wrong_hash_is_refused_and_leaves_nothing(
    server: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, "00000000")
    with pytest.raises(UserError, match=r"begins with 00000000, what came has [0-9a-f]{64}"):
        load()
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("weights", "name"), [(Weights.IMAGENET_V1, NAME), (Weights.MICRONET, MICRONET)], ids=lambda value: value
)
def test_a_download_that_is_cut_off_leaves_nothing(
    server: Site, cache: Path, weights: Weights, name: str
) -> None:
    server.cut[f"/mirror/{name}"] = 1000
    with pytest.raises(UserError, match=f"cut off, 1000 bytes came of {len(CONTENT)}"):
        load(weights)
    assert list(cache.iterdir()) == []
    server.cut.clear()
    assert is_stored(load(weights))


def test_an_absent_file_names_the_address_the_folder_and_the_mirror(server: Site, cache: Path) -> None:
    server.files.clear()
    with pytest.raises(UserError, match="404") as caught:
        load(Weights.MICRONET)
    for part in (
        f"{server.url}/mirror/{MICRONET}",
        "https://nasa-public-data.s3.amazonaws.com/microscopy_segmentation_models/" + MICRONET,
        str(cache),
        "TORCH_HOME",
        module.MIRROR_VARIABLE,
    ):
        assert part in str(caught.value)


def test_no_network_names_the_address_and_the_folder(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(module.MIRROR_VARIABLE, NOWHERE)
    with pytest.raises(UserError, match="refused") as caught:
        load()
    assert "https://download.pytorch.org/models/resnet18-f37072fd.pth" in str(caught.value)
    assert str(cache) in str(caught.value)


def put(cache: Path, name: str, content: bytes) -> None:
    cache.mkdir(parents=True)
    (cache / name).write_bytes(content)


def test_weights_put_into_that_folder_are_found(server: Site, cache: Path) -> None:
    put(cache, NAME, CONTENT)
    assert is_stored(load())
    assert server.log == []


def test_other_weights_put_into_that_folder_are_refused(cache: Path) -> None:
    put(cache, NAME, CONTENT)
    with pytest.raises(UserError, match=r"SHA-256 that begins with f37072fd.*truncated or another file"):
        load()


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_a_pickle_of_other_objects_is_refused_and_not_run(cache: Path, tmp_path: Path) -> None:
    for number, content in enumerate(
        (pickle.dumps(Bomb(tmp_path / "mark"), protocol=2), saved({"a": Bomb(tmp_path / "mark")}))
    ):
        put(cache, MICRONET, content)
        with pytest.raises(UserError, match="pickle of other objects, which is refused"):
            load(Weights.MICRONET)
        cache.rename(tmp_path / str(number))
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("content", [b"", CONTENT[:5000], CONTENT[:-5000]], ids=["empty", "head", "most"])
def test_a_truncated_file_is_refused(cache: Path, content: bytes) -> None:
    put(cache, MICRONET, content)
    with pytest.raises(UserError, match=f"{MICRONET} is no state dict of tensors alone: it is truncated"):
        load(Weights.MICRONET)


def test_a_truncated_safetensors_file_is_refused(pretrained: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.safetensors"
    path.write_bytes(pretrained.read_bytes()[:-100])
    with pytest.raises(UserError, match="truncated"):
        load_weights(Weights.SIMULATED, "resnet18", path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (torch.zeros(2), "holds no state dict"),
        ({"epoch": 3, "state_dict": STORED}, "holds no state dict"),
        (
            {**STORED, "conv1.weight": torch.zeros(1, 2)},
            r"conv1\.weight is \(1, 2\), expected \(64, 3, 7, 7\)",
        ),
        ({**STORED, "extra": torch.zeros(1)}, r"extra is \(1,\), expected no such tensor"),
        ({k: v for k, v in STORED.items() if k != "conv1.weight"}, r"conv1\.weight is missing"),
    ],
    ids=["a tensor", "a checkpoint", "a shape", "a tensor too many", "a tensor too few"],
)
def test_what_does_not_fit_the_architecture_is_refused(cache: Path, content: object, message: str) -> None:
    put(cache, MICRONET, saved(content))
    with pytest.raises(UserError, match=message):
        load(Weights.MICRONET)


def test_no_weights_are_none() -> None:
    assert load(Weights.NONE) is None


def test_normalisation_goes_with_the_weights() -> None:
    assert normalisation_of(Weights.IMAGENET_V2, "resnet50") == IMAGENET_NORMALISATION
    assert normalisation_of(Weights.MICRONET, "resnet18") == IMAGENET_NORMALISATION
    assert normalisation_of(Weights.SIMULATED, "efficientnet-lite0") == GREY_NORMALISATION
