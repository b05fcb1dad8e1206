"""The training benchmarks compare like with like."""

import ast
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.baseline_training import (
    TRAIN,
    PictureFolder,
    Trainer,
    extract_features,
    plain_loader,
    training_loader,
)
from benchmarks.matrix_peak import ENOUGH_S, SMALLEST, matrix_peak
from benchmarks.pictures import make_pictures
from benchmarks.tracking_share import make_experiment, make_folds, measure_tracking
from benchmarks.worker import Worker, fastest_loaders

from benchmarks import baseline_training, features_224, train_resnet18
from tmdscope.tracking.store import open_study
from tmdscope.vision.precision import Precision


def test_both_ways_give_the_same_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)  # float32 both, on every machine
    ours, plain = features_224.prepare_ours(2)(), features_224.prepare_baseline(2, 0)()
    assert ours.shape == plain.shape == (2, 512)
    np.testing.assert_allclose(ours, plain, rtol=1e-2, atol=1e-3)
    assert np.abs(plain).max() > 0.1


def test_the_plain_loop_learns() -> None:
    pictures, _ = make_pictures(8, 32)
    bright = [int(image.mean() > np.median(pictures.images)) for image in pictures.images]
    torch.manual_seed(1)
    trainer = Trainer(2, torch.device("cpu"), learning_rate=1e-3)
    loader = training_loader(pictures.paths, bright, 4)
    losses = [trainer.train_epoch(loader) for _ in range(6)]
    assert losses[-1] < losses[0]


def test_the_plain_loop_draws_rare_classes_as_often() -> None:
    pictures, _ = make_pictures(8, 32)
    torch.manual_seed(1)
    loader = training_loader(pictures.paths, [0, 0, 0, 0, 0, 0, 0, 1], 4)
    drawn = torch.cat([labels for _ in range(20) for _, labels in loader])
    assert 0.35 < float(drawn.float().mean()) < 0.65


def test_the_plain_way_leaves_a_frozen_network_as_it_was() -> None:
    pictures, _ = make_pictures(5, 32)
    torch.manual_seed(1)
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(3), torch.nn.Flatten())
    alone, loaded = (
        extract_features(network, plain_loader(pictures.paths, 2, processes), torch.device("cpu"))
        for processes in (0, 1)
    )
    assert torch.equal(alone, loaded)
    assert alone.shape == (5, 3 * 32 * 32)
    assert int(network[0].num_batches_tracked) == 0


def test_the_plain_loop_knows_nothing_of_ours() -> None:
    tree = ast.parse(Path(baseline_training.__file__).read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} & {"tmdscope", "benchmarks"} == set()
    assert "torch" in names


def test_the_plain_loop_sees_what_ours_sees() -> None:
    pictures, _ = make_pictures(3, 32)
    plain, label = PictureFolder(pictures.paths, pictures.labels, TRAIN)[1]
    assert plain.shape == (3, 32, 32)
    assert label == pictures.labels[1]
    grey = plain[0].numpy() * 0.229 + 0.485
    versions = [np.flip(pictures.images[1] / 255, axes) for axes in ((), (0,), (1,), (0, 1))]
    assert any(np.allclose(grey, version, atol=1e-5) for version in versions)


def test_an_epoch_of_ours_trains() -> None:
    result = train_resnet18.prepare_ours(4, 32, Precision.FP32)()
    assert len(result.history) == 1
    assert result.history[0].is_finite


def test_flops_are_those_of_a_resnet18() -> None:
    forward = train_resnet18.count_flops(224, backward=False)
    first_layer = 2 * 64 * 3 * 7 * 7 * 112 * 112
    assert forward == pytest.approx(3.63e9, rel=0.01)
    assert train_resnet18.count_flops(224, backward=True) == 3 * forward - first_layer


@pytest.mark.parametrize(("seconds", "rows"), [(ENOUGH_S / 2, 4096), (2 * ENOUGH_S, SMALLEST)])
def test_the_peak_is_of_the_largest_product_that_is_quick(seconds: float, rows: int) -> None:
    ticks = iter(range(1000))
    peak = matrix_peak.__wrapped__(torch.float32, "cpu", lambda: seconds * next(ticks))
    assert peak == pytest.approx(2 * rows**3 / seconds / 1e9)


def double(number: int) -> object:
    os.environ["TMDSCOPE_WORKER"] = "set"
    return lambda: (2 * number, os.getpid())


def test_a_worker_works_in_a_process_of_its_own() -> None:
    worker = Worker(double, 21)
    (first, process), (second, same) = worker.work(), worker.work()
    assert (first, second) == (42, 42)
    assert process == same != os.getpid()
    assert "TMDSCOPE_WORKER" not in os.environ
    worker.close()
    with pytest.raises(OSError, match="closed"):
        worker.work()


def end_early() -> object:
    sys.exit(3)


def test_a_dead_worker_is_told() -> None:
    with pytest.raises(RuntimeError, match="process died"):
        Worker(end_early).work()


def report_loaders(loaders: int) -> object:
    return lambda: loaders


@pytest.mark.slow
def test_the_baseline_gets_the_number_of_loaders_that_is_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    times = iter([0.0, 5.0, 5.0, 8.0])
    assert fastest_loaders(report_loaders, clock=lambda: next(times)) == 2


@pytest.mark.slow
def test_tracking_is_timed_and_named(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    result = measure_tracking(open_study("benchmark"), make_experiment(45, 1), make_folds(45))
    assert 0 < result["share_without_export"] < result["share"] < 1
    assert result["export_s"] / result["wall_s"] == pytest.approx(
        result["share"] - result["share_without_export"], abs=0.01
    )
    assert list(result["peak_mb"].values()) == sorted(result["peak_mb"].values())
