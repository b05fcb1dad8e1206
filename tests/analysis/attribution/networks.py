"""A network whose reasons are known, and images for it."""

import numpy as np
import torch
from torch import Tensor, nn

from tmdscope.analysis.attribution.maps import Explained
from tmdscope.params.images import AttributionParams
from tmdscope.vision.backbones import bare_backbone, feature_count, map_stages
from tmdscope.vision.classifier import Backbone, Classifier, Head
from tmdscope.vision.published import GREY_NORMALISATION
from tmdscope.vision.targets import make_target

SETTINGS = AttributionParams(
    alias="best",
    layer="layer4",
    images_per_class=2,
    patch_px=32,
    stride_px=32,
    grey=128,
    batch_size=8,
    tolerance_px=0,
    seed=1,
)
SIZE = 32
BRIGHT, DARK = (slice(4, 12), slice(4, 12)), (slice(20, 28), slice(20, 28))
"""Where `image` is brighter and darker than grey."""


class BrightAndDark(nn.Module):
    """Two maps, what is brighter and what is darker than grey, and their means."""

    def __init__(self) -> None:
        super().__init__()
        self.layer4 = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.ReLU())
        with torch.no_grad():
            self.layer4[0].weight.copy_(torch.tensor([[[[1.0]]] * 3, [[[-1.0]]] * 3]))

    def forward(self, images: Tensor) -> Tensor:
        """Maps to means."""
        return self.layer4(images).mean(dim=(2, 3))


def known_network(target: str = "multiclass") -> Explained:
    """Class 0 for what is bright, class 1 for what is dark; a bit each where classes are codes of bits."""
    head = Head(2, 2)
    with torch.no_grad():
        head.embedding.weight.zero_()
        head.embedding.bias.zero_()
        head.embedding.weight[:2] = torch.eye(2)
        head.output.weight.zero_()
        head.output.bias.zero_()
        head.output.weight[:, :2] = torch.eye(2)
    classifier = Classifier(Backbone(BrightAndDark(), GREY_NORMALISATION), head).eval()
    classes = ["Mo", "W"] if target == "multilabel" else ["MoS2", "WS2"]
    return Explained(classifier, make_target(target, classes), "layer4", 4, torch.device("cpu"))


def image() -> np.ndarray:
    """Grey, with a bright and a dark square."""
    pixels = np.full((SIZE, SIZE), 128, np.uint8)
    pixels[BRIGHT], pixels[DARK] = 255, 0
    return pixels


def random_network(architecture: str = "resnet18", target: str = "multiclass") -> Explained:
    """A network with seeded random weights; maps are those of its last stage."""
    torch.manual_seed(3)
    made = make_target(target, ["MoS2", "WS2", "WSe2"])
    backbone = Backbone(bare_backbone(architecture, size_px=64), GREY_NORMALISATION)
    classifier = Classifier(backbone, Head(feature_count(architecture), made.outputs)).eval()
    return Explained(classifier, made, map_stages(backbone.network)[-1], 3, torch.device("cpu"))


def noise(images: int = 4) -> np.ndarray:
    """Random images."""
    return np.random.default_rng(1).integers(0, 256, (images, 64, 64), dtype=np.uint8)
