"""The training benchmarks compare like with like."""

import os

import numpy as np
import pytest
import torch
from benchmarks.baseline_training import TRAIN, PictureFolder, Trainer
from benchmarks.pictures import make_pictures
from benchmarks.tracking_share import make_experiment, make_folds, measure_tracking
from benchmarks.worker import Worker

from benchmarks import features_224, train_resnet18
from tmdscope.tracking.store import open_study
from tmdscope.vision.precision import Precision


def test_both_ways_give_the_same_features() -> None:
    ours, plain = features_224.prepare_ours(2)(), features_224.prepare_baseline(2)()
    assert ours.shape == plain.shape == (2, 512)
    np.testing.assert_allclose(ours, plain, rtol=1e-2, atol=1e-3)
    assert np.abs(plain).max() > 0.1


def test_the_plain_loop_learns() -> None:
    pictures, _ = make_pictures(8, 32)
    bright = [int(image.mean() > np.median(pictures.images)) for image in pictures.images]
    torch.manual_seed(1)
    trainer = Trainer(2, torch.device("cpu"), learning_rate=1e-3)
    losses = [trainer.train_epoch(pictures.paths, bright, 4) for _ in range(6)]
    assert losses[-1] < losses[0]


def test_the_plain_loop_sees_what_ours_sees() -> None:
    pictures, _ = make_pictures(3, 32)
    plain, label = PictureFolder(pictures.paths, pictures.labels, TRAIN)[1]
    assert plain.shape == (3, 32, 32)
    assert label == pictures.labels[1]
    grey = plain[0].numpy() * 0.229 + 0.485
    versions = [np.flip(pictures.images[1] / 255, axes) for axes in ((), (0,), (1,), (0, 1))]
    assert any(np.allclose(grey, version, atol=1e-5) for version in versions)


def test_an_epoch_of_ours_trains() -> None:
    train_resnet18.prepare_ours(4, 32, Precision.FP32)()


def test_flops_are_those_of_a_resnet18() -> None:
    assert train_resnet18.forward_flops(224) == pytest.approx(3.63e9, rel=0.01)


def double(number: int) -> object:
    os.environ["TMDSCOPE_WORKER"] = "set"
    return lambda: (2 * number, os.getpid())


def test_a_worker_works_in_a_process_of_its_own() -> None:
    worker = Worker(double, 21)
    (first, process), (second, same) = worker.work(), worker.work()
    assert (first, second) == (42, 42)
    assert process == same != os.getpid()
    assert "TMDSCOPE_WORKER" not in os.environ


@pytest.mark.slow
def test_tracking_is_timed_and_named(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    result = measure_tracking(open_study("benchmark"), make_experiment(45, 1), make_folds(45))
    assert 0 < result["share_export"] < result["share"] < 1
    assert result["export_s_per_fold"] > 0
    assert result["peak_mb"] == sorted(result["peak_mb"])
