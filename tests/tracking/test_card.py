"""A tracked cross-validation on a card, without one: no module that another holds is moved from it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow.pytorch
import numpy as np
import pytest
import torch

from tests.jobs.test_compiler import IMAGES, PREPARE, SCORING, SIZE_PX, make_dataset, make_folds
from tests.support.card import CARD, FakeCard
from tests.tracking.killed import make_experiment
from tests.tracking.programs import CLASSES
from tmdscope.jobs.compiler import Compiler
from tmdscope.learn.experiment import Experiment
from tmdscope.learn.fit import Examples
from tmdscope.learn.resume import Resume
from tmdscope.tracking.crossval import Trained, track_experiment
from tmdscope.tracking.models import load_program
from tmdscope.tracking.runs import DataUse
from tmdscope.tracking.store import Store
from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.classifier import Backbone, Classifier, Ensemble, Head
from tmdscope.vision.published import GREY_NORMALISATION

DATA = DataUse("tmd", "ab" * 32, "data/prepared", IMAGES, "crossval")


def heads(device: torch.device) -> Experiment:
    features = torch.randn(IMAGES, 512, generator=torch.Generator().manual_seed(2))
    return on_device(make_experiment(epochs=2), features, device)


def networks(device: torch.device) -> Experiment:
    base = make_experiment(epochs=1)

    def build() -> Classifier:
        backbone = Backbone(bare_backbone("resnet18"), GREY_NORMALISATION)
        return Classifier(backbone, Head(512, 3)).to(device)

    def assemble(models: Any) -> Ensemble:
        return Ensemble([m.backbone for m in models], [m.head for m in models], base.target)

    config = replace(base.config, shared_backbone=False)
    own = replace(base, build=build, assemble=assemble, config=config)
    return on_device(own, torch.from_numpy(np.array(make_dataset().images)), device)


def on_device(experiment: Experiment, inputs: torch.Tensor, device: torch.device) -> Experiment:
    labels = torch.from_numpy(make_dataset().labels(CLASSES))
    build, assemble = experiment.build, experiment.assemble
    return replace(
        experiment,
        examples=Examples(inputs.to(device), labels.to(device)),
        build=lambda: build().to(device),
        assemble=lambda models: assemble(models).to(device),
    )


@contextmanager
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCard]:
    """A fake card; what MLflow exports must be on the CPU, and is exported without the card's rules."""
    fake, log_model = FakeCard(), mlflow.pytorch.log_model

    def export(model: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        assert not any(map(fake.holds, model.state_dict().values()))
        with torch._C.DisableTorchFunction():
            return log_model(model, *args, **kwargs)

    monkeypatch.setattr(mlflow.pytorch, "log_model", export)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda _: torch.get_rng_state())
    with fake:
        yield fake


@pytest.mark.parametrize("kind", [heads, networks])
def test_a_crossval_on_a_card_ends_in_a_logged_dossier(
    kind: Any, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = Compiler(make_dataset(), make_folds(), PREPARE, SCORING, "folder")
    held: list[bool] = []
    with card(monkeypatch) as fake:
        experiment = kind(CARD)

        def on_results(_: Any, trained: Trained) -> Any:
            held.extend(
                fake.holds(value) for model in trained.models for value in model.state_dict().values()
            )
            return compiler.compile(trained, {"epochs": 2})

        resume = Resume.open(tmp_path / "attempt", {"data": "1"}, {"threads": "1"}, every_s=0)
        record = track_experiment(
            store, "card", {"study": "t"}, DATA, experiment, make_folds(), on_results, resume
        )
    assert held
    assert all(held)
    program = load_program(record.model_uri)
    assert program.reference is not None
    assert program.reference.shape == (8, SIZE_PX, SIZE_PX)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", [heads, networks])
def test_a_crossval_on_a_real_card_ends_in_a_logged_dossier(kind: Any, store: Store, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")
    compiler = Compiler(make_dataset(), make_folds(), PREPARE, SCORING, "folder")
    resume = Resume.open(tmp_path / "attempt", {"data": "1"}, {"threads": "1"}, every_s=0)
    record = track_experiment(
        store,
        "card",
        {"study": "t"},
        DATA,
        kind(CARD),
        make_folds(),
        lambda _, trained: compiler.compile(trained, {"epochs": 2}),
        resume,
    )
    assert load_program(record.model_uri).reference is not None


def test_the_fake_card_is_strict() -> None:
    with FakeCard() as fake:
        here, there = torch.ones(3), torch.ones(3, device=CARD)
        assert (here.device.type, there.device.type) == ("cpu", "cuda")
        assert fake.holds(there + 1)
        assert not fake.holds(there.cpu())
        with pytest.raises(RuntimeError, match="same device"):
            here + there
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()
        network = torch.nn.Linear(3, 2).to(CARD)
        with pytest.raises(RuntimeError, match="same device"):
            network(here)
        assert network(there).shape == (2,)
        network.cpu()
        assert network(here).shape == (2,)
