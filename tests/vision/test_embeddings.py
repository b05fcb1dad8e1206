import numpy as np
import torch

from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.classifier import Backbone, Classifier, Head
from tmdscope.vision.features import embed
from tmdscope.vision.published import GREY_NORMALISATION


def test_embeddings_are_named_by_image() -> None:
    classifier = Classifier(Backbone(bare_backbone("resnet18"), GREY_NORMALISATION), Head(512, 5))
    images = np.random.default_rng(1).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    table = embed(classifier, images, ["a", "b", "c"], 2, torch.device("cpu"))
    assert table.shape == (3, 100)
    assert (list(table.index), table.columns[99]) == (["a", "b", "c"], "z099")
    with torch.inference_mode():
        expected = classifier.eval().embed(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(table.to_numpy(), expected, rtol=1e-3, atol=1e-4)


def test_dropout_is_off_while_embedding() -> None:
    classifier = Classifier(Backbone(bare_backbone("resnet18"), GREY_NORMALISATION), Head(512, 5, 0.9))
    images = np.random.default_rng(1).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    first, second = (
        embed(classifier.train(), images, ["a", "b", "c"], 2, torch.device("cpu")) for _ in range(2)
    )
    assert first.equals(second)
    assert classifier.training  # the caller's network stays as it was


def test_after_the_relu_nothing_is_below_zero() -> None:
    classifier = Classifier(Backbone(bare_backbone("resnet18"), GREY_NORMALISATION), Head(512, 5))
    images = np.random.default_rng(1).integers(0, 256, (2, 32, 32), dtype=np.uint8)
    before, after = (
        embed(classifier, images, ["a", "b"], 2, torch.device("cpu"), relu) for relu in (False, True)
    )
    assert before.to_numpy().min() < 0
    np.testing.assert_array_equal(after, before.clip(lower=0))
