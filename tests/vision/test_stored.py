"""Stored features are those of the images and of the backbone that whoever reads them has."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.dataset.test_store import small_dataset
from tmdscope.errors import UserError
from tmdscope.files import sha256_file
from tmdscope.record import write_record
from tmdscope.vision.stored import StoredFeatures

FEATURES = np.random.default_rng(2).normal(size=(6, 4, 512)).astype(np.float32)
DATASET = small_dataset()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "backbone").write_bytes(b"weights")
    stored = StoredFeatures(FEATURES, "resnet18", "simulated", "fp32")
    stored.write(tmp_path / "data" / "features", DATASET.digest, tmp_path / "backbone")
    return tmp_path / "data" / "features"


def test_round_trip(folder: Path) -> None:
    found = StoredFeatures.read(folder, DATASET, folder.parents[1] / "backbone")
    np.testing.assert_array_equal(found.features, FEATURES)
    assert (found.architecture, found.weights, found.symmetries, found.precision) == (
        "resnet18",
        "simulated",
        4,
        "fp32",
    )


@pytest.mark.parametrize("damage", ["backbone", "lost backbone", "data"])
def test_features_of_something_else_are_refused(folder: Path, damage: str) -> None:
    dataset, pretrained = DATASET, folder.parents[1] / "backbone"
    if damage == "data":
        dataset = small_dataset(8)
    elif damage == "backbone":
        pretrained.write_bytes(b"others")
    else:
        pretrained.unlink()
    with pytest.raises(
        UserError, match=r"features\.json is of other (data|backbone)|backbone does not exist"
    ):
        StoredFeatures.read(folder, dataset, pretrained)


@pytest.mark.parametrize("damage", ["shuffled", "NaN", "missing rows", "cut", "edited record"])
def test_damage_is_named(folder: Path, damage: str) -> None:
    path, about = folder / "features.npy", folder / "features.json"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-9])
    elif damage == "edited record":
        about.write_text(json.dumps({**json.loads(about.read_text()), "symmetries": 8}))
    else:
        changed = {"shuffled": FEATURES[::-1], "NaN": FEATURES * np.nan, "missing rows": FEATURES[:-1]}[
            damage
        ]
        np.save(path, changed)
    with pytest.raises(UserError, match=r"features\.(npy|json) .*dvc repro --force features$"):
        StoredFeatures.read(folder, DATASET, folder.parents[1] / "backbone")


@pytest.mark.parametrize("damage", ["NaN", "float64", "missing rows", "narrow"])
def test_a_record_of_wrong_features_does_not_make_them_right(folder: Path, damage: str) -> None:
    wrong = {
        "NaN": np.where(FEATURES > 3, np.nan, FEATURES).astype(np.float32),
        "float64": FEATURES.astype(np.float64),
        "missing rows": FEATURES[:-1],
        "narrow": FEATURES[:, :, :-1],
    }[damage]
    pretrained = folder.parents[1] / "backbone"
    np.save(folder / "features.npy", wrong)
    about = {"architecture": "resnet18", "weights": "simulated", "symmetries": 4, "precision": "fp32"}
    of = {"data": DATASET.digest, "backbone": sha256_file(pretrained)}
    write_record(folder / "features.json", about, of, [folder / "features.npy"])
    with pytest.raises(UserError, match=r"features\.npy holds"):
        StoredFeatures.read(folder, DATASET, pretrained)
