"""Stages `pretrain` and `features`: only what settings ask for is made, and everyone sees the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML
from safetensors.torch import load_file

from tmdscope.dataset.store import Dataset
from tmdscope.files import read_json
from tmdscope.jobs import check
from tmdscope.jobs.images import features, ingest, prepare, pretrain
from tmdscope.params.experiments import BackboneParams
from tmdscope.params.reading import read_params
from tmdscope.scores.records import Pretraining
from tmdscope.studies.tmd_materials.study import STUDY
from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.features import apply_in_batches, frozen_backbone
from tmdscope.vision.precision import Precision, autocast
from tmdscope.vision.stored import StoredFeatures, place_of

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[3]
SMALL = {"architecture": "efficientnet-lite0", "images": 32, "size_px": 32, "epochs": 1}
LITE = {"architecture": "efficientnet-lite0", "weights": "imagenet"}
RANDOM = {"architecture": "efficientnet-lite0", "weights": "none"}


@pytest.fixture
def settle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Write small settings with some changes, and check them."""
    monkeypatch.chdir(tmp_path)

    def settle(**changes: dict[str, Any]) -> None:
        content = read_params(ROOT / "params.yaml")
        content["data"]["simulated"] |= {"images": 66, "samples": 48, "size_px": 32}
        content["prepare"]["size_px"] = 32
        content["pretrain"] |= {
            "architecture": "efficientnet-lite0",
            "images": 32,
            "size_px": 32,
            "epochs": 1,
        }
        content["latent"]["components"] = 3
        content["searches"] = {}
        for section, values in changes.items():
            content[section] |= values
        YAML(typ="safe").dump(content, tmp_path / "params.yaml")
        check.run(STUDY)

    return settle


def test_nothing_is_pretrained_that_no_setting_asks_for(
    settle: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    settle()
    assert read_json(STUDY.layout.pretraining_needed) == {"needed": False}
    STUDY.layout.pretrained.parent.mkdir(parents=True)
    STUDY.layout.pretrained.touch()  # of settings before
    pretrain.run(STUDY)
    assert "nothing was trained" in capsys.readouterr().out
    assert Pretraining.read(STUDY.layout.pretraining).images == 0
    assert not STUDY.layout.pretrained.exists()


def test_a_backbone_that_a_setting_asks_for_is_pretrained(settle: Callable[..., None]) -> None:
    settle(features={"backbones": [LITE, {**LITE, "weights": "simulated"}]})
    assert read_json(STUDY.layout.pretraining_needed) == {"needed": True}
    pretrain.run(STUDY)
    bare_backbone("efficientnet-lite0", load_file(STUDY.layout.pretrained))
    assert Pretraining.read(STUDY.layout.pretraining).images == 32


def test_features_of_every_backbone_are_stored_beside_each_other(settle: Callable[..., None]) -> None:
    settle(features={"backbones": [LITE, {**LITE, "architecture": "efficientnet-lite1"}, RANDOM]})
    for stage in (ingest, prepare, features):
        stage.run(STUDY)
    dataset, layout = Dataset.load(STUDY.layout.prepared), STUDY.layout
    for asked in (LITE, RANDOM):
        place = place_of(layout.features, BackboneParams.model_validate(asked))
        stored = StoredFeatures.read(place, dataset, layout.pretrained)
        assert (stored.architecture, stored.weights, stored.symmetries) == (*asked.values(), 4)
        backbone = frozen_backbone(asked["weights"], asked["architecture"], layout.pretrained, 32)
        with autocast(Precision.AUTO, CPU):  # as the stage computes, whatever this machine has
            seen = apply_in_batches(
                lambda images, network=backbone: network(images).float(), dataset.images, 16, CPU
            )
        np.testing.assert_allclose(stored.features[:, 0], seen, atol=0.05 * np.abs(seen).max())
    assert len(list(layout.features.iterdir())) == 3


def test_a_random_backbone_is_the_same_for_all_and_leaves_the_generator() -> None:
    before = torch.random.get_rng_state()
    one, other = (frozen_backbone("none", "resnet18", Path("unused"), 32) for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())
