from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from tmdscope.stage import UserError
from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.weights import (
    GREY_NORMALISATION,
    IMAGENET_NORMALISATION,
    Weights,
    load_weights,
    normalisation_of,
)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "backbone.safetensors"
    save_file(bare_backbone("resnet18").state_dict(), path)
    return path


def test_missing_simulated_weights_say_which_stage_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="dvc repro pretrain"):
        load_weights(Weights.SIMULATED, "resnet18", tmp_path / "none.safetensors")


def test_weights_of_another_architecture_are_refused(pretrained: Path) -> None:
    with pytest.raises(UserError, match="does not hold a resnet50"):
        load_weights(Weights.SIMULATED, "resnet50", pretrained)


def test_weights_that_do_not_exist_name_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it has: imagenet-v1"):
        load_weights(Weights.IMAGENET_V2, "resnet18", tmp_path)


def test_no_network_names_the_address_and_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UserError, match="no network") as caught:
        load_weights(Weights.IMAGENET_V1, "resnet18", tmp_path)
    assert "https://download.pytorch.org/models/resnet18-f37072fd.pth" in str(caught.value)
    assert str(tmp_path / "hub" / "checkpoints") in str(caught.value)


def test_weights_put_into_that_folder_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    whole = torchvision.models.resnet18().state_dict()
    torch.save(whole, folder / "resnet18-f37072fd.pth")
    state = load_weights(Weights.IMAGENET_V1, "resnet18", tmp_path)
    assert state is not None
    assert set(whole) - set(state) == {"fc.weight", "fc.bias"}
    assert all(torch.equal(value, whole[name]) for name, value in state.items())


def test_no_weights_are_none(tmp_path: Path) -> None:
    assert load_weights(Weights.NONE, "resnet18", tmp_path) is None


def test_normalisation_goes_with_the_weights() -> None:
    assert normalisation_of(Weights.IMAGENET_V2) == IMAGENET_NORMALISATION
    assert normalisation_of(Weights.SIMULATED) == GREY_NORMALISATION
