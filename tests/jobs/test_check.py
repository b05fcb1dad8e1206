"""The settings of a study against the samples that the simulator will give."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.params.test_settings import edit
from tmdscope.jobs.check import check_study
from tmdscope.params.reading import ParamsError, write_settings
from tmdscope.studies.tmd_materials.study import STUDY

ROOT = Path(__file__).parents[2]


def check(changes: Mapping[str, Any], folder: Path) -> str:
    path = folder / "params.yaml"
    path.write_text(write_settings(edit(ROOT / "params.yaml", changes)))
    return check_study(STUDY.at(path))


def test_what_was_checked_is_said(tmp_path: Path) -> None:
    told = check({}, tmp_path)
    assert told.endswith(": 15 sections, 4 experiments, 1 searches: every setting is right, and they agree")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.simulated.samples": 10}, r"class 'WSe2' has 1 sample, 3 are needed \(one each.*add samples"),
        (
            {"split.folds": 100, "data.simulated.samples": 60},
            r"split\.folds is 100, but there are 54 samples out",
        ),
        ({"audit.folds": 50, "data.simulated.samples": 40}, r"audit\.folds is 50, .* set it to 40 at most"),
        ({"latent.folds": 50, "data.simulated.samples": 40}, r"latent\.folds is 50"),
        ({"latent.components": 80, "data.simulated.images": 60, "data.simulated.samples": 60}, "60 at most"),
    ],
)
def test_too_few_samples_are_found_before_any_is_simulated(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ParamsError, match=message):
        check(changes, tmp_path)


FINETUNE = "experiments.finetune-multiclass"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {f"{FINETUNE}.architecture": "timm:vit_small_patch14_dinov2"},
            r"finetune-multiclass: timm:vit_small_patch14_dinov2: its patches of 14 px do not divide 96",
        ),
        (
            {f"{FINETUNE}.architecture": "timm:swin_tiny_patch4_window7_224"},
            "its models could not be kept .* which no model has",
        ),
        (
            {f"{FINETUNE}.strategy": "partial", f"{FINETUNE}.train_from": "layer4"},
            r"train_from: efficientnet-lite0 has no stage 'layer4'; it has blocks\.0, .*blocks\.6",
        ),
        (
            {"attribution.layer": "layer4"},
            "efficientnet-lite0 .* has no maps of a stage 'layer4'.*`last` is each",
        ),
    ],
)
def test_what_a_network_cannot_do_is_found_before_it_is_trained(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ParamsError, match=message):
        check(changes, tmp_path)


def test_a_network_that_can_do_all_passes(tmp_path: Path) -> None:
    changes = {
        f"{FINETUNE}.architecture": "timm:vit_tiny_patch16_224",
        f"{FINETUNE}.strategy": "partial",
        f"{FINETUNE}.train_from": "blocks.9",
    }
    assert "every setting is right" in check(changes, tmp_path)


def test_a_class_is_named_once(tmp_path: Path) -> None:
    with pytest.raises(ParamsError) as caught:
        check({"data.simulated.samples": 10}, tmp_path)
    assert str(caught.value).count("class 'WSe2'") == 1
