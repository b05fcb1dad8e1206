import copy
import json
from dataclasses import asdict, replace

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn

from tmdscope.learn.fit import Examples
from tmdscope.materials import MATERIALS
from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.classifier import Backbone, Classifier, Ensemble, EnsembleConfig, Head, rebuild_ensemble
from tmdscope.vision.published import GREY_NORMALISATION
from tmdscope.vision.targets import Multiclass, Multilabel

IMAGES = torch.randint(0, 256, (5, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def backbone() -> Backbone:
    return Backbone(bare_backbone("resnet18"), GREY_NORMALISATION)


def config(members: int, shared: bool) -> EnsembleConfig:
    return EnsembleConfig("resnet18", "multilabel", MATERIALS, 32, members, shared, GREY_NORMALISATION)


def through_json(config: EnsembleConfig) -> EnsembleConfig:
    """As `tmdscope.tracking.models` writes and reads it."""
    return TypeAdapter(EnsembleConfig).validate_json(json.dumps(asdict(config)), strict=True)


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    heads = [Head(512, 4), Head(512, 4)]
    return Ensemble([backbone(), backbone()], heads, Multilabel(MATERIALS)).eval()


@torch.inference_mode()
def test_an_ensemble_is_the_mean_of_its_members(ensemble: Ensemble) -> None:
    members = [ensemble.target.probabilities(ensemble.member(fold)(IMAGES)) for fold in range(2)]
    torch.testing.assert_close(ensemble(IMAGES), torch.stack(members).mean(dim=0))


@torch.inference_mode()
def test_a_shared_backbone_equals_copies_of_it() -> None:
    one, heads = backbone(), [Head(512, 5), Head(512, 5)]
    shared = Ensemble([one], heads, Multiclass(MATERIALS)).eval()
    copies = Ensemble([one, copy.deepcopy(one)], heads, Multiclass(MATERIALS)).eval()
    torch.testing.assert_close(shared(IMAGES), copies(IMAGES))


@torch.inference_mode()
def test_a_rebuilt_ensemble_repeats_the_outputs(ensemble: Ensemble) -> None:
    again = rebuild_ensemble(config(2, shared=False), ensemble.state_dict())
    assert torch.equal(again(IMAGES), ensemble(IMAGES))


@torch.inference_mode()
def test_a_rebuilt_ensemble_that_shares_its_backbone_repeats_the_outputs() -> None:
    shared = Ensemble([backbone()], [Head(512, 4) for _ in range(3)], Multilabel(MATERIALS)).eval()
    again = rebuild_ensemble(config(3, shared=True), shared.state_dict())
    assert len(again.backbones) == 1
    assert torch.equal(again(IMAGES), shared(IMAGES))


def test_the_configuration_survives_json() -> None:
    assert through_json(config(3, shared=True)) == config(3, shared=True)


@torch.inference_mode()
def test_outputs_beyond_the_classes_survive_json_and_rebuilding() -> None:
    atoms, classes = ("Mo", "W", "S", "Se"), ("MoS2", "WS2")
    made = replace(config(2, shared=True), classes=classes, atoms=atoms)
    again = through_json(made)
    assert again == made
    target = again.make_target()
    assert (target.classes, target.output_names) == (classes, atoms)
    grown = Ensemble([backbone()], [Head(512, 4) for _ in range(2)], Multilabel(classes, atoms)).eval()
    rebuilt = rebuild_ensemble(again, grown.state_dict())
    assert rebuilt(IMAGES).shape == (5, 2)
    assert torch.equal(rebuilt(IMAGES), grown(IMAGES))


def test_a_configuration_without_atoms_is_one_of_before() -> None:
    stored = asdict(config(3, shared=True))
    del stored["atoms"]
    again = TypeAdapter(EnsembleConfig).validate_json(json.dumps(stored), strict=True)
    assert again == config(3, shared=True)
    assert again.make_target().output_names == ("Mo", "W", "S", "Se")


def test_backbones_must_fit_heads() -> None:
    with pytest.raises(ValueError, match="2 backbones for 3 heads"):
        Ensemble([backbone(), backbone()], [Head(512, 5) for _ in range(3)], Multiclass(MATERIALS))


@torch.inference_mode()
def test_the_embedding_comes_before_the_relu() -> None:
    classifier = Classifier(backbone(), Head(512, 5)).eval()
    embedding = classifier.embed(IMAGES)
    assert embedding.shape == (5, 100)
    assert embedding.min() < 0
    expected = classifier.head.output(torch.relu(embedding))
    torch.testing.assert_close(classifier(IMAGES), expected)


@torch.inference_mode()
def test_a_heads_embedding_is_that_of_its_classifier() -> None:
    classifier = Classifier(backbone(), Head(512, 5, dropout=0.5)).eval()
    features = classifier.backbone(IMAGES)
    embedding = classifier.head.embed(features)
    assert torch.equal(embedding, classifier.embed(IMAGES))
    assert torch.equal(classifier.head.output(torch.relu(embedding)), classifier.head(features))


@pytest.mark.parametrize("wait", [True, False])
def test_an_ensemble_of_waiting_atoms_is_rebuilt_to_decode_as_it_did(wait: bool) -> None:
    atoms = ("Mo", "W", "S", "Se")
    config = EnsembleConfig(
        "resnet18", "multilabel", ("MoS2", "WS2"), 32, 1, True, GREY_NORMALISATION, atoms, wait
    )
    again = through_json(config)
    assert again == config
    decoded = again.make_target().decode(torch.tensor([[3.0, -3.0, -3.0, -3.0]]))
    assert decoded.tolist() == [0 if wait else -1]


def test_images_stay_in_the_layout_that_suits_convolutions() -> None:
    """From bytes that are gathered and flipped to the last convolution, in training as in evaluation."""
    model = Classifier(Backbone(bare_backbone("resnet18"), GREY_NORMALISATION), Head(512, 3))
    model.to(memory_format=torch.channels_last)
    layouts: list[bool] = []
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(
                lambda _, __, maps: layouts.append(maps.is_contiguous(memory_format=torch.channels_last))
            )
    images = torch.randint(0, 256, (6, 64, 64), dtype=torch.uint8)
    rows = torch.tensor([4, 1, 1])
    seen = Examples(images, torch.zeros(6, dtype=torch.int64)).batch(rows, torch.tensor([1, 2, 7]))
    assert seen.dtype == torch.uint8
    for training in (True, False):
        model.train(training)(seen)
    assert len(layouts) == 40
    assert all(layouts)
