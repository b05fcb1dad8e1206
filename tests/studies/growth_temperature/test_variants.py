"""Variants of features and training images: what each is of, and that no fold sees what it predicts."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from tests.support.cohorts import make_cohort
from tests.support.web import serve
from tmdscope.params.common import ScoringParams
from tmdscope.params.reading import read_section
from tmdscope.scores.task import ORDERED_CLASSES
from tmdscope.studies.growth_temperature.params import LeakParams, NetworkParams, VariantsParams
from tmdscope.studies.growth_temperature.record import Variants
from tmdscope.studies.growth_temperature.variants import Said, Trial, networks_of, score, trials_of
from tmdscope.studies.growth_temperature.varied import VariantsPart
from tmdscope.vision.published import Weights, published
from tmdscope.vision.weights import MIRROR_VARIABLE

PARAMS = Path(__file__).parents[3] / "pipelines" / "growth_temperature" / "params.yaml"
VARIANTS = read_section("variants", VariantsParams, PARAMS)
METHODS = VARIANTS.methods
CLASSES = ("900 C", "950 C")


def trial(labels: np.ndarray, rows: np.ndarray, features: np.ndarray, folds) -> Trial:
    whole = np.arange(len(labels), dtype=np.float32)[:, None].repeat(2, axis=1)
    methods = {"svc": METHODS["svc"]}
    return Trial("depth", "pool", methods, features, rows, labels[rows], whole, folds, CLASSES)


def test_copies_of_an_unseen_image_do_not_train() -> None:
    """Labels of what a fold does not see are never asked for: with others predictions stay the same."""
    labels = np.array([0, 1] * 6)
    everything = np.arange(12)
    folds = [(everything[everything % 3 != k], everything[everything % 3 == k]) for k in range(3)]
    rows = np.repeat(everything, 2)
    features = np.random.default_rng(1).normal(size=(24, 2)).astype(np.float32)
    (said,) = trial(labels, rows, features, folds).run()
    spoilt = labels.copy()
    spoilt[folds[0][1]] = 1 - spoilt[folds[0][1]]
    (again,) = trial(spoilt, rows, features, folds).run()
    np.testing.assert_array_equal(said.labels[folds[0][1]], again.labels[folds[0][1]])


def test_components_of_turned_values_are_those_of_all() -> None:
    """Values that hold all distances between images are what components are fitted to; nothing changes."""
    rng, everything, labels = np.random.default_rng(2), np.arange(30), np.arange(30) % 2
    wide = (rng.normal(size=(30, 200)) + labels[:, None] * 0.3).astype(np.float32)
    folds = [(everything[everything % 3 != k], everything[everything % 3 == k]) for k in range(3)]
    methods = {name: METHODS[name].model_copy(update={"pca": 0.9}) for name in ("svc", "radius")}
    about = everything, labels
    turned = Trial("depth", "stage", methods, wide, *about, wide, folds, CLASSES).run()
    plain = Trial("depth", "stage", methods, wide, *about, wide.copy(), folds, CLASSES).run()
    for one, other in zip(turned, plain, strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)


def test_whole_networks_and_weights_of_a_mirror_are_variants(tmp_path: Path, monkeypatch) -> None:
    """What waits for a network or for hours runs once params.yaml names it: here from a mirror, tiny."""
    content, name = BytesIO(), published(Weights.MICRONET, "resnet18").file.name
    torch.save(torchvision.models.resnet18().state_dict(), content)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    changes = {
        "backbone": {"architecture": "resnet18", "weights": "micronet"},
        "stages": ["layer2", "layer3", "layer4"],
        "variance": [0.85],
        "others": [],
        "policies": ["aug2-paper-defects", "aug4"],
        "copies": 1,
    }
    training = {"strategy": "finetune", "target": "ordinal", "epochs": 1, "checkpoint": "last"}
    section = read_section("network", NetworkParams, PARAMS).training.model_dump(mode="json")
    changes["networks"] = {"cnn": section | changes["backbone"] | training}
    asked = VariantsParams.model_validate(VARIANTS.model_dump(mode="json") | changes)
    leak = read_section("leak", LeakParams, PARAMS)
    quick = leak.model_copy(update={"network": leak.network.model_copy(update={"epochs": 1})})
    labels, everything = np.arange(12) // 2 % 2, np.arange(12)
    images = np.random.default_rng(1).integers(0, 256, (12, 32, 32)).astype(np.uint8)
    cohort = make_cohort(np.zeros((12, 1)), [f"S{k}" for k in everything], labels, CLASSES, ORDERED_CLASSES)
    folds = [(everything[everything % 2 != k], everything[everything % 2 == k]) for k in range(2)]
    with serve() as site:
        site.files[f"/{name}"] = content.getvalue()
        monkeypatch.setenv(MIRROR_VARIABLE, site.url)
        made = cohort, images, folds, asked
        trials = list(trials_of(*made, quick, tmp_path))
        said = [one for trial in trials for one in trial.run()]
        said += networks_of(*made, tmp_path)
    names = [(one.group, one.name) for one in said if one.method in ("svc", "cnn")]
    assert names == [
        ("depth", "pool"),
        *(("depth", f"{stage}, 85%") for stage in ("layer2", "layer3", "layer4", "pool")),
        ("head", "100 values, inside each fold"),
        ("augmentation", "aug2-paper-defects"),
        ("augmentation", "aug4"),
        ("network", "aug4"),
        ("network", "aug2-paper-defects"),
    ]
    found = score(cohort, said, ScoringParams(bootstrap=100, seed=1))
    note = VariantsPart(Variants(True, found, 12, 12)).section().blocks[-1].text
    assert "the paper's own images" in note
    assert "layer2" not in note
    assert "whole networks" not in note


def test_the_first_of_a_method_is_its_reference() -> None:
    right = np.array([0, 1, 0, 1])
    wrong = np.array([0, 1, 1, 1])
    cohort = make_cohort(None, ["a", "b", "c", "d"], right, CLASSES, ORDERED_CLASSES)
    said = [Said("depth", "pool", "svc", right), Said("depth", "blocks.2", "svc", wrong)]
    first, second = score(cohort, said, ScoringParams(bootstrap=100, seed=1))
    plain = cohort.task.plain.name
    assert first.values[plain] == 1
    assert first.gains[plain] == 0
    assert second.gains[plain] == pytest.approx(second.values[plain] - 1)
