from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tmdscope.dataset.sources import ingest
from tmdscope.errors import UserError
from tmdscope.learn.pretrain import PretrainResult, pretrain, simulate_corpus
from tmdscope.params.images import DataParams, PretrainParams
from tmdscope.scan.level import level
from tmdscope.vision.backbones import bare_backbone

SETTINGS = PretrainParams(
    architecture="resnet18",
    images=48,
    size_px=32,
    frame_nm=1000.0,
    epochs=4,
    batch_size=8,
    learning_rate=1e-3,
    seed=1,
)
PERCENTILES = [0.5, 99.5]


@pytest.fixture(scope="module")
def corpus() -> tuple[np.ndarray, pd.DataFrame]:
    return simulate_corpus(SETTINGS, PERCENTILES)


@pytest.fixture(scope="module")
def result(corpus: tuple[np.ndarray, pd.DataFrame]) -> PretrainResult:
    return pretrain(*corpus, SETTINGS, torch.device("cpu"), lambda scores: None)


def test_the_corpus_has_an_image_and_its_truth_per_sample(corpus: tuple[np.ndarray, pd.DataFrame]) -> None:
    images, truth = corpus
    assert images.shape == (48, 32, 32)
    assert len(truth) == 48
    assert all(name.startswith("true_") for name in truth)


def test_no_study_of_the_same_seed_has_an_image_of_the_corpus(
    corpus: tuple[np.ndarray, pd.DataFrame], tmp_path: Path
) -> None:
    data = {
        "source": "simulated",
        "classes": ["MoS2", "WS2", "WSe2", "MoSe2", "Mo-WSe2"],
        "simulated": {"images": 48, "samples": 48, "size_px": 32, "frame_nm": 1000.0, "seed": SETTINGS.seed},
        "folder": {"path": "none", "manifest": "none.csv"},
    }
    ingest(DataParams.model_validate(data), tmp_path / "raw")
    heights = np.load(tmp_path / "raw" / "heights.npy")
    study = {level(height, PERCENTILES).tobytes() for height in heights}
    assert study.isdisjoint(image.tobytes() for image in corpus[0])


def test_pretraining_lowers_the_loss(result: PretrainResult) -> None:
    assert [scores["epoch"] for scores in result.history] == [1, 2, 3, 4]
    assert result.history[-1]["train_loss"] < result.history[0]["train_loss"]


def test_the_backbone_fits_the_architecture(result: PretrainResult) -> None:
    bare_backbone("resnet18", result.state)
    assert all(value <= 1 for value in result.r_squared.values())


def test_the_same_seed_gives_the_same_backbone(
    corpus: tuple[np.ndarray, pd.DataFrame], result: PretrainResult
) -> None:
    again = pretrain(*corpus, SETTINGS, torch.device("cpu"), lambda scores: None)
    assert all(torch.equal(value, again.state[name]) for name, value in result.state.items())


def noise(images: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (images, 32, 32), dtype=np.uint8)


def test_an_unknown_quantity_is_left_out_of_the_loss_alone() -> None:
    known = np.random.default_rng(2).normal(size=24)
    truth = pd.DataFrame({"true_a": known, "true_b": known + 1.0})
    truth.loc[:3, "true_b"] = np.nan
    settings = SETTINGS.model_copy(update={"epochs": 1})
    result = pretrain(noise(24), truth, settings, torch.device("cpu"), lambda scores: None)
    assert np.isfinite([result.history[0]["train_loss"], result.history[0]["val_loss"]]).all()
    assert all(value.isfinite().all() for value in result.state.values())


def test_a_quantity_that_does_not_vary_when_held_out_has_no_share() -> None:
    values = np.random.default_rng(2).random((24, 2)) + 1.0
    values[-2:, 1] = 1.5
    truth = pd.DataFrame(values, columns=["true_a", "true_b"])
    settings = SETTINGS.model_copy(update={"epochs": 1})
    result = pretrain(noise(24), truth, settings, torch.device("cpu"), lambda scores: None)
    assert list(result.r_squared) == ["true_a"]


def test_a_loss_that_is_not_finite_names_the_setting() -> None:
    settings = SETTINGS.model_copy(update={"learning_rate": 1e30})
    truth = pd.DataFrame({"true_a": np.random.default_rng(2).normal(size=24)})
    with pytest.raises(UserError, match=r"pretrain\.learning_rate 1e\+30"):
        pretrain(noise(24), truth, settings, torch.device("cpu"), lambda scores: None)
