"""A training whose steps are recorded, or compiled, is the same training; see `tests.support.tape`."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.learn.interrupted import FOLDS, SETTINGS, Result, run
from tests.learn.test_resume import IDENTITY, MACHINE, assert_equal, interrupt_after
from tests.support.tape import Tape
from tmdscope.learn.fit import Examples, FitSettings, fit
from tmdscope.learn.recorder import Silent
from tmdscope.learn.resume import Resume
from tmdscope.vision.targets import Multiclass


def assert_close(one: list[Result], other: list[Result]) -> None:
    for a, b in zip(one, other, strict=True):
        for of_a, of_b in zip(a.history, b.history, strict=True):
            assert of_a.train_loss == pytest.approx(of_b.train_loss, rel=1e-4)
        np.testing.assert_allclose(a.probabilities, b.probabilities, atol=1e-4)


def record(monkeypatch: pytest.MonkeyPatch) -> Tape:
    monkeypatch.setattr("tmdscope.learn.fit.pays", lambda *_: True)
    return Tape.install(monkeypatch)


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        replace(SETTINGS, symmetries=1, schedule="cosine", optimiser="adamw", weight_decay=0.01),
        replace(SETTINGS, sampling="oversampled", label_smoothing=0.1),
    ],
    ids=["flips", "cosine", "smoothed"],
)
def test_recorded_steps_train_the_same_models(settings: FitSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = run(None, settings)
    tape = record(monkeypatch)
    assert_close(run(None, settings), plain)
    assert tape.records == FOLDS
    assert tape.replays > 0


def test_recorded_trainings_side_by_side_are_those_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    tape = record(monkeypatch)
    assert_equal(run(None, SETTINGS, at_once=2), run(None, SETTINGS, at_once=1))
    assert tape.records == 2 * FOLDS


def test_a_recorded_training_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(monkeypatch)
    settings = replace(SETTINGS, schedule="cosine")
    for epochs in (2, 4):
        interrupt_after(epochs, tmp_path / "attempt", settings)
        torch.manual_seed(epochs)
    resume = Resume.open(tmp_path / "attempt", IDENTITY, MACHINE, every_s=0)
    assert_equal(run(resume, settings), run(None, settings))


@pytest.mark.slow
def test_compiled_steps_train_the_same_model() -> None:
    images = torch.randn(40, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    rows, histories = torch.arange(40), []
    for compiled in (False, True):
        torch.manual_seed(1)
        body = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)
        settings = replace(SETTINGS, epochs=2, symmetries=1, compiled=compiled)
        examples, target = Examples(images, rows % 3), Multiclass("abc")
        fitted = fit(nn.Sequential(*body), target, examples, rows[:30], rows[30:], settings, Silent())
        histories.append([(scores.train_loss, scores.val_loss) for scores in fitted.history])
    np.testing.assert_allclose(*histories, rtol=2e-3)  # the losses fall by a tenth
