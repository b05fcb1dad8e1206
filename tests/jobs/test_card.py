"""What computes before, in and after training does so on the device of its network; there need be no card.

`tests.tracking.test_card` has the cross-validation itself.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import tmdscope.learn.pretrain as pretrain_module
from tests.analysis.attribution.networks import SETTINGS as ATTRIBUTION
from tests.analysis.attribution.networks import image, known_network
from tests.lifecycle.programs import make_complete
from tests.search import test_experiments as searches
from tests.sequential.small import Heard, assert_same, plan_of, setup_of
from tests.support.card import CARD, FakeCard
from tests.tracking.programs import CLASSES
from tmdscope.learn.experiment import Experiment
from tmdscope.learn.fit import Examples
from tmdscope.learn.pretrain import pretrain
from tmdscope.learn.resume import Resume
from tmdscope.lifecycle.predictor import Predictor
from tmdscope.params.images import PretrainParams
from tmdscope.sequential.run import Setup, run_sequences
from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.classifier import Backbone, Classifier, Head
from tmdscope.vision.features import POOL, apply_in_batches, embed, stage_features, symmetric_features
from tmdscope.vision.precision import Precision
from tmdscope.vision.published import GREY_NORMALISATION

IMAGES = np.random.default_rng(1).integers(0, 256, (5, 32, 32), dtype=np.uint8)
CPU = torch.device("cpu")


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCard]:
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda _: torch.get_rng_state())
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, _: torch.set_rng_state(state))
    with FakeCard() as fake:
        yield fake


def backbone() -> Backbone:
    torch.manual_seed(1)
    return Backbone(bare_backbone("resnet18"), GREY_NORMALISATION).eval()


def on_card(setup: Setup) -> Setup:
    def make(*asked: Any) -> Any:
        made = setup.make(*asked)
        inputs, labels = made.examples.inputs.to(CARD), made.examples.labels.to(CARD)
        return replace(made, examples=Examples(inputs, labels), build=lambda: made.build().to(CARD))

    return replace(setup, make=make)


class Stop(BaseException):
    """Stands in for a kill."""


@pytest.mark.parametrize("heads", [True, False], ids=["heads", "networks"])
def test_a_sequence_of_classes_goes_on_after_a_kill(card: FakeCard, tmp_path: Path, heads: bool) -> None:
    plan = plan_of(volumes=["full"])
    expected = run_sequences(plan, setup_of(plan, heads), Heard(), None)

    def stop(word: tuple[Any, ...]) -> None:
        if len(recorder.words) == 12:
            raise Stop

    recorder = Heard(stop)
    with pytest.raises(Stop):
        run_sequences(plan, on_card(setup_of(plan, heads)), recorder, open_in(tmp_path))
    results = run_sequences(plan, on_card(setup_of(plan, heads)), Heard(), open_in(tmp_path))
    states = [[{name: value.cpu() for name, value in of.items()} for of in one.states] for one in results]
    assert_same([replace(one, states=of) for one, of in zip(results, states, strict=True)], expected)
    assert card.reads > 0


def open_in(folder: Path) -> Resume:
    return Resume.open(folder / "attempt", {"data": "1"}, {"threads": "1"}, every_s=0)


@pytest.mark.parametrize("base", [searches.BASE, searches.NETWORK], ids=["heads", "networks"])
def test_trials_of_a_search_are_scored(card: FakeCard, base: Any) -> None:
    base = base.model_copy(update={"precision": "fp32"})

    def make(params: Any) -> Experiment:
        made = searches.maker()(params)
        inputs, variants = made.examples.inputs.to(CARD), made.examples.variants
        assert variants is not None
        examples = Examples(inputs, made.examples.labels.to(CARD), variants.to(CARD))
        return replace(made, examples=examples, build=lambda: made.build().to(CARD))

    (there,) = searches.run(searches.objective_of(make, base), 0, {"learning_rate": 1e-2})
    (here,) = searches.run(searches.objective_of(searches.maker(), base), 0, {"learning_rate": 1e-2})
    assert there == here
    assert card.reads > 0


def test_a_backbone_is_pretrained(card: FakeCard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain_module, "fast_convolutions", lambda _: nullcontext())  # a card's own way
    asked = PretrainParams(
        architecture="resnet18",
        images=32,
        size_px=32,
        frame_nm=1000.0,
        epochs=1,
        batch_size=8,
        learning_rate=1e-3,
        seed=1,
    )
    images = np.random.default_rng(1).integers(0, 256, (32, 32, 32), dtype=np.uint8)
    truth = pd.DataFrame({"grey": images.mean(axis=(1, 2)), "spread": images.std(axis=(1, 2))})
    here, there = (pretrain(images, truth, asked, device, lambda _: None) for device in (CPU, CARD))
    assert not any(map(card.holds, there.state.values()))
    torch.testing.assert_close(there.state, here.state, atol=0, rtol=0)


def test_a_frozen_network_sees_the_same(card: FakeCard) -> None:
    network, found = backbone(), []
    classifier = Classifier(network, Head(512, 3)).eval()
    for device in (CPU, CARD):
        seen = symmetric_features(network.to(device), IMAGES, 4, 8, device, Precision.FP32)
        stages = stage_features(network, ["layer2", POOL], IMAGES, 2, device)
        said = apply_in_batches(classifier.to(device), IMAGES, 2, device)
        named = embed(classifier, IMAGES, list("abcde"), 2, device).to_numpy()
        found.append([seen, *stages, said, named])
    for here, there in zip(*found, strict=True):
        np.testing.assert_array_equal(here, there)
    assert card.reads > 0


def test_a_prediction_is_the_same(card: FakeCard) -> None:
    here, there = (
        Predictor(make_complete(), "a model", device).predict(IMAGES, list("abcde")) for device in (CPU, CARD)
    )
    assert [prediction.material for prediction in there] == [prediction.material for prediction in here]
    assert {prediction.material for prediction in here} <= set(CLASSES)
    assert card.reads > 0


@pytest.mark.parametrize("target", ["multiclass", "multilabel"])
def test_reasons_are_the_same(card: FakeCard, target: str) -> None:
    images, labels, found = np.stack([image()] * 2), np.array([0, 1]), []
    for device in (CPU, CARD):
        explained = replace(known_network(target), device=device)
        explained.classifier.to(device)
        maps = [explained.cam(images, labels), explained.grad_cam(images, labels)]
        found.append([explained.predict(images), *maps, explained.occlusion(images, labels, ATTRIBUTION)])
    for here, there in zip(*found, strict=True):
        np.testing.assert_array_equal(here, there)
    assert card.reads > 0
