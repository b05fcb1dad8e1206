from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from tmdscope.dataset.splits import make_split
from tmdscope.dataset.store import Dataset
from tmdscope.errors import UserError
from tmdscope.files import sha256_array
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.experiment import Experiment, make_experiment
from tmdscope.learn.fit import fit
from tmdscope.learn.recorder import Silent
from tmdscope.materials import MATERIALS
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.reading import ParamsError
from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.classifier import Classifier, Head
from tmdscope.vision.precision import Precision
from tmdscope.vision.stored import StoredFeatures, place_of


def dataset(classes: tuple[str, ...] = MATERIALS) -> Dataset:
    images = np.random.default_rng(1).integers(0, 256, (30, 32, 32), dtype=np.uint8)
    rows = [
        {
            "image_id": f"i{k}",
            "sample_id": f"s{k // 2}",
            "label": classes[k // 2 % len(classes)],
            "pixel_size_nm": 10.0,
            "source": "simulated",
            "source_sha256": sha256_array(images[k]),
            "image_sha256": sha256_array(images[k]),
            "duplicate_of": None,
        }
        for k in range(30)
    ]
    return Dataset(images, pd.DataFrame(rows))


def params(**changes: object) -> ExperimentParams:
    content = {
        "strategy": "scratch",
        "target": "multiclass",
        "architecture": "resnet18",
        "weights": "none",
        "epochs": 1,
        "batch_size": 8,
        "learning_rate": 1e-3,
        "dropout": 0.2,
        "flips": True,
        "checkpoint": "improves-both",
        "seed": 1,
    }
    return ExperimentParams.model_validate(content | changes)


def make(folder: Path, classes: tuple[str, ...] = MATERIALS, **changes: object) -> Experiment:
    cpu = torch.device("cpu")
    return make_experiment(
        params(**changes),
        dataset(classes),
        classes,
        folder / "features",
        folder / "backbone.safetensors",
        cpu,
    )


def store_features(folder: Path, features: NDArray[np.float32], weights: str = "simulated") -> None:
    save_file(bare_backbone("resnet18").state_dict(), folder / "backbone.safetensors")
    stored = StoredFeatures(features, "resnet18", weights, "fp32")
    stored.write(place_of(folder / "features", stored), dataset().digest, folder / "backbone.safetensors")


def test_scratch_trains_a_backbone_and_a_head_on_images(tmp_path: Path) -> None:
    experiment = make(tmp_path)
    assert isinstance(experiment.build(), Classifier)
    assert experiment.examples.inputs.dtype == torch.uint8
    assert experiment.settings.symmetries == 4
    ensemble = experiment.assemble([experiment.build(), experiment.build()]).eval()
    assert len(ensemble.backbones) == 2
    with torch.inference_mode():
        assert ensemble(experiment.examples.inputs[:3]).shape == (3, 5)


def test_multilabel_has_an_output_per_atom(tmp_path: Path) -> None:
    assert make(tmp_path, target="multilabel").target.outputs == 4


def test_multilabel_needs_formulae(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="set the experiment's target to 'multiclass'"):
        make(tmp_path, ("brick", "grass"), target="multilabel")


def test_stored_features_must_be_of_the_experiments_backbone(tmp_path: Path) -> None:
    changes = {"strategy": "features", "weights": "simulated"}
    store_features(tmp_path, np.ones((30, 4, 512), np.float32))
    experiment = make(tmp_path, **changes)
    assert isinstance(experiment.build(), Head)
    assert experiment.examples.inputs.shape == (30, 512)
    with pytest.raises(UserError, match="no features of resnet18 with weights 'none': add these to features"):
        make(tmp_path, strategy="features", weights="none")
    store_features(tmp_path, np.ones((30, 1, 512), np.float32))
    with pytest.raises(UserError, match="dvc repro features"):
        make(tmp_path, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"strategy": "finetune"},
        {"weights": "simulated"},
        {"strategy": "partial", "weights": "simulated"},
        {"train_from": "layer4"},
        {"flips": False, "rotations": True},
    ],
    ids=["finetune without weights", "scratch with weights", "partial of what", "not partial", "rotations"],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"strategy|flips"):
        params(**changes)


def test_partial_training_leaves_the_layers_before_alone(tmp_path: Path) -> None:
    save_file(bare_backbone("resnet18").state_dict(), tmp_path / "backbone.safetensors")
    experiment = make(tmp_path, strategy="partial", weights="simulated", train_from="layer4")
    model = experiment.build()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    rows = torch.arange(30)
    settings = replace(experiment.settings, checkpoint=CheckpointRule.LAST)
    fit(model, experiment.target, experiment.examples, rows[:20], rows[20:], settings, Silent())
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith(("backbone.network.layer4", "head.")) for name in changed)


def test_a_head_draws_from_the_stored_flips(tmp_path: Path) -> None:
    stored = np.arange(30 * 4, dtype=np.float32).reshape(30, 4, 1).repeat(512, axis=2)
    store_features(tmp_path, stored)
    examples = make(tmp_path, strategy="features", weights="simulated").examples
    positions, codes = torch.tensor([3, 7]), torch.tensor([0, 2])
    assert examples.batch(positions, None)[:, 0].tolist() == [12, 28]
    assert examples.batch(positions, codes)[:, 0].tolist() == [12, 30]


def test_precision_is_settled_before_training(tmp_path: Path) -> None:
    assert make(tmp_path).settings.precision is not Precision.AUTO
    assert make(tmp_path, precision="bf16").settings.precision is Precision.BF16


def test_fold_parts_are_rows_of_the_data_set() -> None:
    data = dataset()
    labels = data.labels(MATERIALS)
    ids, samples = data.manifest["image_id"].tolist(), data.manifest["sample_id"].tolist()
    parts = make_split(labels, samples, ids, 3, 2).rows(ids)
    assert len(parts) == 2
    for fold in parts:
        assert sorted([*fold.train, *fold.val, *fold.test]) == list(range(30))
