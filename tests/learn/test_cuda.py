"""The whole of training on a CUDA device: the same code as on the CPU, data and random draws included."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.learn.interrupted import SETTINGS
from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.crossval import FoldResult, cross_validate
from tmdscope.learn.fit import Examples, FitSettings
from tmdscope.learn.recorder import Silent
from tmdscope.learn.resume import Resume
from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.classifier import Backbone, Classifier, Head
from tmdscope.vision.features import best_device, symmetric_features
from tmdscope.vision.precision import Precision, resolve_precision
from tmdscope.vision.published import GREY_NORMALISATION
from tmdscope.vision.targets import Multiclass

pytestmark = pytest.mark.gpu

CUDA = torch.device("cuda")


@pytest.fixture(autouse=True)
def _device() -> Iterator[None]:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    yield
    torch.backends.cudnn.deterministic = before


def classifier(device: torch.device) -> Classifier:
    model = Classifier(Backbone(bare_backbone("resnet18"), GREY_NORMALISATION), Head(512, 3, dropout=0.2))
    return model.to(device).to(memory_format=torch.channels_last)


def run(
    device: torch.device,
    settings: FitSettings,
    resume: Resume | None = None,
    recorder: Silent | None = None,
    at_once: int | None = None,
) -> list[FoldResult]:
    generator = torch.Generator().manual_seed(3)
    images = torch.randint(0, 256, (48, 32, 32), dtype=torch.uint8, generator=generator)
    rows = np.arange(48)
    thirds = np.split(rows[12:], 3)
    folds = [FoldParts(np.setdiff1d(rows[12:], val), val, rows[:12]) for val in thirds]
    examples = Examples(images.to(device), (torch.arange(48) % 3).to(device))
    target = Multiclass(("a", "b", "c"))
    listener = recorder or Silent()
    return cross_validate(
        lambda: classifier(device),
        target,
        examples,
        folds,
        settings,
        listener,
        resume=resume,
        at_once=at_once,
    )


def test_the_first_losses_are_those_of_the_cpu() -> None:
    settings = replace(SETTINGS, epochs=1, learning_rate=1e-5)
    for on_cpu, on_gpu in zip(run(torch.device("cpu"), settings), run(CUDA, settings), strict=True):
        assert on_gpu.fit.history[0].train_loss == pytest.approx(on_cpu.fit.history[0].train_loss, rel=0.2)
        assert on_gpu.probabilities.shape == on_cpu.probabilities.shape


def test_bfloat16_trains_and_scores_like_float32() -> None:
    assert resolve_precision(Precision.AUTO, CUDA) is Precision.BF16
    settings = replace(SETTINGS, epochs=3, learning_rate=1e-3)
    exact, fast = (run(CUDA, replace(settings, precision=p)) for p in (Precision.FP32, Precision.BF16))
    for a, b in zip(exact, fast, strict=True):
        assert b.fit.history[-1].train_loss == pytest.approx(a.fit.history[-1].train_loss, rel=0.3)
        assert b.probabilities.dtype == np.float32


class KilledAfterOne(Silent):
    """Ends the process, as it were, in the second epoch of the first fold."""

    def epoch(self, number: int, scores: Mapping[str, float], kept: bool) -> None:
        if number == 2:
            raise KeyboardInterrupt


@pytest.fixture(params=[False, True], ids=["one by one", "recorded"])
def recorded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether steps are recorded as a CUDA graph, however few there are."""
    monkeypatch.setattr("tmdscope.learn.fit.pays", lambda *_: request.param)
    return bool(request.param)


def assert_equal(one: list[FoldResult], other: list[FoldResult]) -> None:
    for a, b in zip(one, other, strict=True):
        assert a.fit == b.fit
        assert a.scores == b.scores
        np.testing.assert_array_equal(a.probabilities, b.probabilities)


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("precision", [Precision.FP32, Precision.BF16])
def test_folds_side_by_side_are_those_one_by_one_to_the_bit(precision: Precision) -> None:
    """Dropout draws on the card, for every fold numbers of its own; the third begins when the first ends."""
    settings = replace(SETTINGS, epochs=6, batch_size=4, learning_rate=1e-3, precision=precision)
    assert_equal(run(CUDA, settings, at_once=2), run(CUDA, settings, at_once=1))


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("at_once", [1, 2])
@pytest.mark.parametrize("precision", [Precision.FP32, Precision.BF16])
def test_a_training_goes_on_from_its_checkpoint_to_the_same_bits(
    tmp_path: Path, precision: Precision, at_once: int
) -> None:
    settings = replace(
        SETTINGS, epochs=4, batch_size=4, learning_rate=1e-3, schedule="cosine", precision=precision
    )
    resume = Resume.open(tmp_path / "a", {}, {}, every_s=0)
    with pytest.raises(KeyboardInterrupt):
        run(CUDA, settings, resume, KilledAfterOne(), at_once)
    mended = run(CUDA, settings, Resume.open(tmp_path / "a", {}, {}, every_s=0), at_once=3 - at_once)
    assert_equal(mended, run(CUDA, settings))


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.BF16])
def test_recorded_steps_are_those_one_by_one(precision: Precision, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(SETTINGS, epochs=3, batch_size=4, learning_rate=1e-4, precision=precision)
    results = []
    for recorded in (False, True):
        monkeypatch.setattr("tmdscope.learn.fit.pays", lambda *_, recorded=recorded: recorded)
        results.append(run(CUDA, settings))
    for a, b in zip(*results, strict=True):
        losses = [[scores.train_loss for scores in result.fit.history] for result in (a, b)]
        assert losses[1] == pytest.approx(losses[0], rel=1e-3)
        assert losses[0][-1] < losses[0][0]


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("at_once", [1, 2])
def test_an_epoch_waits_for_the_card_once(at_once: int) -> None:
    """The fold's start and end wait as often as they do, whatever the number of epochs."""
    counts = []
    for epochs in (2, 5):
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                settings = replace(SETTINGS, epochs=epochs, checkpoint=CheckpointRule.LAST)
                folds = run(CUDA, settings, at_once=at_once)
            finally:
                torch.cuda.set_sync_debug_mode("default")
        counts.append(sum("synchronizing CUDA operation" in str(warning.message) for warning in heard))
    assert counts[1] - counts[0] == 3 * len(folds)


def test_nothing_waits_for_a_frozen_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images go to the card, recorded or not, without a wait; what is found is read at the end."""
    images = np.random.default_rng(1).integers(0, 256, (30, 32, 32), dtype=np.uint8)
    backbone = Backbone(bare_backbone("resnet18"), GREY_NORMALISATION).to(CUDA).eval()
    found = []
    for recorded in (False, True):
        monkeypatch.setattr("tmdscope.vision.features.pays", lambda *_, recorded=recorded: recorded)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                found.append(symmetric_features(backbone, images, 1, 4, CUDA, Precision.BF16))
            finally:
                torch.cuda.set_sync_debug_mode("default")
        assert sum("synchronizing CUDA operation" in str(warning.message) for warning in heard) == 1
    np.testing.assert_array_equal(*found)


def test_stored_features_are_those_of_the_cpu() -> None:
    images = np.random.default_rng(1).integers(0, 256, (5, 32, 32), dtype=np.uint8)
    backbone = Backbone(bare_backbone("resnet18"), GREY_NORMALISATION).eval()
    cpu = symmetric_features(backbone, images, 4, 8, torch.device("cpu"), Precision.FP32)
    gpu = symmetric_features(backbone.to(CUDA), images, 4, 8, CUDA, Precision.FP32)
    np.testing.assert_allclose(gpu, cpu, atol=1e-2, rtol=1e-2)
    assert best_device().type == "cuda"
