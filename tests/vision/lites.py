"""What the packages' own network gives for ten images that scikit-image ships, `lites.npz`; how it was made.

`pip install efficientnet-lite-pytorch==0.1.0`, then `python -m tests.vision.lites` writes it anew. It pads as
TensorFlow does, for one size that it is told: `SIZES`.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage import data
from skimage.color import gray2rgb
from skimage.transform import resize
from torch import Tensor

from tmdscope.vision.published import LITE_NORMALISATION, PackagedFile, Weights, published

IMAGES = ("astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel", "moon", "rocket")
SIZES = {"efficientnet-lite0": 224, "efficientnet-lite1": 72, "efficientnet-lite2": 90}
"""Sides in px; of the last two no whole number of strides, so that the padding has two different ends."""
EXPECTED = Path(__file__).with_suffix(".npz")
EVERY = 10
"""Of the 1000 classes every tenth is kept."""


def natural_images(size_px: int) -> Tensor:
    """Give the centres of `IMAGES`, normalised, float32, 10 x 3 x S x S."""
    squares = []
    for name in IMAGES:
        image = getattr(data, name)()
        image = gray2rgb(image) if image.ndim == 2 else image
        side = min(image.shape[:2])
        top, left = ((length - side) // 2 for length in image.shape[:2])
        centre = image[top : top + side, left : left + side]
        squares.append(resize(centre, (size_px, size_px), anti_aliasing=True).transpose(2, 0, 1))
    mean, std = (torch.tensor(part).view(1, 3, 1, 1) for part in vars(LITE_NORMALISATION).values())
    return (torch.tensor(np.stack(squares), dtype=torch.float32) - mean) / std


def weights_file(architecture: str) -> Path:
    """Find the package's file."""
    file = published(Weights.IMAGENET, architecture).file
    assert isinstance(file, PackagedFile)
    package = find_spec(file.package.replace("-", "_"))
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "models" / file.name


def _their_outputs(architecture: str, size_px: int) -> Any:
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name(architecture, image_size=size_px)
    network.load_state_dict(torch.load(weights_file(architecture), weights_only=True))
    with torch.inference_mode():
        return np.asarray(network.eval()(natural_images(size_px))[:, ::EVERY])


if __name__ == "__main__":
    np.savez_compressed(EXPECTED, **{name: _their_outputs(name, size) for name, size in SIZES.items()})
