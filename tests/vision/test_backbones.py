from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tmdscope.errors import UserError
from tmdscope.vision.backbones import bare_backbone, feature_count
from tmdscope.vision.published import Weights
from tmdscope.vision.weights import load_weights


@pytest.mark.parametrize(
    ("architecture", "width"), [("resnet18", 512), ("resnet50", 2048), ("small-cnn", 64)]
)
def test_feature_count_is_the_networks_width(architecture: str, width: int) -> None:
    features = bare_backbone(architecture).eval()(torch.zeros(1, 3, 32, 32))
    assert features.shape == (1, width)
    assert feature_count(architecture) == width


def test_simulated_weights_are_those_of_the_file(tmp_path: Path) -> None:
    stored = bare_backbone("resnet18").state_dict()
    save_file(stored, tmp_path / "backbone.safetensors")
    state = load_weights(Weights.SIMULATED, "resnet18", tmp_path / "backbone.safetensors")
    built = bare_backbone("resnet18", state)
    assert all(torch.equal(value, stored[name]) for name, value in built.state_dict().items())


def test_weights_that_cannot_be_had_are_never_replaced(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="dvc repro pretrain"):
        load_weights(Weights.SIMULATED, "resnet18", tmp_path / "none.safetensors")


def test_without_weights_torchs_seed_decides(tmp_path: Path) -> None:
    def first_layer(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return next(bare_backbone("resnet18", load_weights(Weights.NONE, "resnet18", tmp_path)).parameters())

    assert torch.equal(first_layer(1), first_layer(1))
    assert not torch.equal(first_layer(1), first_layer(2))
