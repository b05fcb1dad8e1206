"""Maps of a network whose reasons are known, and of random ResNets with both encodings."""

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch.nn import functional

from tests.analysis.attribution.networks import (
    BRIGHT,
    DARK,
    SETTINGS,
    image,
    known_network,
    noise,
    random_network,
)

PATCH = SETTINGS.model_copy(update={"patch_px": 8, "stride_px": 4})


def inside(values: np.ndarray, place: tuple[slice, slice]) -> float:
    return float(values[place].mean())


@pytest.mark.parametrize("target", ["multiclass", "multilabel"])
def test_grad_cam_lies_on_what_speaks_for_the_class(target: str) -> None:
    bright, dark = known_network(target).grad_cam(np.stack([image()] * 2), np.array([0, 1]))
    assert inside(bright, BRIGHT) > 10 * abs(inside(bright, DARK) if target == "multiclass" else 0)
    assert np.unravel_index(bright.argmax(), bright.shape)[0] in range(4, 12)
    assert np.unravel_index(dark.argmax(), dark.shape)[0] in range(20, 28)
    if target == "multilabel":
        assert inside(bright, DARK) < 0  # what speaks for the atom that the class lacks


@pytest.mark.parametrize("target", ["multiclass", "multilabel"])
def test_occlusion_takes_from_the_class_what_its_square_gave(target: str) -> None:
    explained = known_network(target)
    bright, dark = explained.occlusion(np.stack([image()] * 2), np.array([0, 1]), PATCH)
    assert inside(bright, BRIGHT) == bright[bright > 0].max() or inside(bright, BRIGHT) > 0
    assert inside(bright, BRIGHT) > inside(bright, DARK)
    assert inside(dark, DARK) > inside(dark, BRIGHT)
    hidden = image()
    hidden[4:12, 4:12] = 128
    with torch.inference_mode():
        scores = explained.scores(torch.from_numpy(np.stack([image(), hidden])))[:, 0]
    # One placing of the square hides the bright one whole: no pixel can lose more.
    assert bright.max() <= float(scores[0] - scores[1]) + 1e-6


def test_the_papers_cam_knows_no_class() -> None:
    explained = known_network()
    first, second = explained.cam(np.stack([image()] * 2), np.array([0, 1]))
    np.testing.assert_array_equal(first, second)
    assert first.max() == pytest.approx(1)
    assert min(inside(first, BRIGHT), inside(first, DARK)) > 0.9
    assert first[0, -1] == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("layer", ["layer2", "layer4"])
@pytest.mark.parametrize(
    ("architecture", "target"),
    [("resnet18", "multiclass"), ("resnet18", "multilabel"), ("resnet50", "multiclass")],
)
def test_maps_of_any_resnet_have_the_images_size(architecture: str, target: str, layer: str) -> None:
    explained, images = random_network(architecture, target), noise()
    explained = type(explained)(explained.classifier, explained.target, layer, 3, explained.device)
    labels = explained.predict(images)
    for maps in (explained.cam(images, labels), explained.grad_cam(images, labels)):
        assert maps.shape == images.shape
        assert maps.dtype == np.float32
        assert np.isfinite(maps).all()
    assert explained.map_px(images) == {"layer2": 8, "layer4": 2}[layer]


@pytest.mark.parametrize(
    ("architecture", "map_px"),
    [("efficientnet-lite0", 2), ("timm:convnextv2_atto", 2), ("timm:vit_tiny_patch16_224", 4)],
)
def test_maps_of_other_networks_have_the_images_size_too(architecture: str, map_px: int) -> None:
    explained, images = random_network(architecture), noise()
    labels = explained.predict(images)
    assert explained.map_px(images) == map_px
    for maps in (explained.cam(images, labels), explained.grad_cam(images, labels)):
        assert maps.shape == images.shape
        assert np.isfinite(maps).all()
        assert maps.std() > 0


@pytest.mark.parametrize("architecture", ["resnet18", "efficientnet-lite0"])
def test_weighed_maps_are_captums(architecture: str) -> None:
    explained, images = random_network(architecture), noise()
    labels = explained.predict(images)
    layer = LayerGradCam(explained.scores, explained.module)
    theirs = layer.attribute(torch.tensor(images, dtype=torch.float32), target=torch.tensor(labels))
    theirs = functional.interpolate(theirs.detach(), size=images.shape[-2:], mode="bilinear")
    np.testing.assert_allclose(explained.grad_cam(images, labels), theirs[:, 0].numpy(), atol=1e-6)


def test_maps_do_not_depend_on_the_batch() -> None:
    explained, images = random_network(), noise()
    labels = explained.predict(images)
    alone = np.concatenate([explained.grad_cam(images[k : k + 1], labels[k : k + 1]) for k in range(4)])
    np.testing.assert_allclose(explained.grad_cam(images, labels), alone, atol=1e-5)
    one_at_a_time = type(explained)(explained.classifier, explained.target, "layer4", 1, explained.device)
    patch = SETTINGS.model_copy(update={"patch_px": 24, "stride_px": 20, "grey": 0})
    np.testing.assert_allclose(
        explained.occlusion(images[:1], labels[:1], patch),
        one_at_a_time.occlusion(images[:1], labels[:1], patch),
        atol=1e-5,
    )


def test_a_network_is_left_as_it_was() -> None:
    explained, images = random_network(), noise(2)
    before = {name: value.clone() for name, value in explained.classifier.state_dict().items()}
    labels = explained.predict(images)
    explained.grad_cam(images, labels)
    explained.occlusion(images[:1], labels[:1], SETTINGS)
    assert all(torch.equal(value, before[name]) for name, value in explained.classifier.state_dict().items())
    assert all(part.grad is None for part in explained.classifier.parameters())
