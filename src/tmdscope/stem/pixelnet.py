"""A small U-Net that maps how likely each pixel is the middle of a defect, trained on simulated frames.

It sees frames at one scale and one brightness: so many pixels to a lattice constant, columns of the brightest
sublattice about 1. Its maxima are moved to the nearest site of the lattice. It is judged by objects, never by
pixels: nearly all of them are background.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter, zoom
from scipy.spatial import cKDTree
from torch import Tensor, nn

from tmdscope.stem.localise import whole_table
from tmdscope.stem.sites import Image, read_sites

_PER_A = 5.3
"""Pixels of what the network sees to a lattice constant."""
_CROP = 96
_RARE = 4.0
"""Logit by which background is likelier than a defect before anything is learnt."""
_SPOT_PX = 1.0
"""Width of the spot that marks a defect."""
_WEIGHT = 8.0
"""By how much pixels of spots count more than background in the loss."""


@dataclass(frozen=True)
class NetSettings:
    """How a network is trained: so many steps on a batch of crops; `width` is that of its first layers."""

    steps: int = 150
    batch: int = 8
    learning_rate: float = 4e-3
    width: int = 8
    seed: int = 1


class UNet(nn.Module):
    """An encoder and decoder of three scales with skips: logits of N x 1 x H x W, sides multiples of 4."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down = nn.ModuleList([_block(1, width), _block(width, 2 * width), _block(2 * width, 4 * width)])
        self.up = nn.ModuleList([_block(6 * width, 2 * width), _block(3 * width, width)])
        self.out = nn.Conv2d(width, 1, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Map frames to logits of the same size."""
        first = self.down[0](frames)
        second = self.down[1](nn.functional.max_pool2d(first, 2))
        third = self.down[2](nn.functional.max_pool2d(second, 2))
        second = self.up[0](torch.cat([_doubled(third), second], dim=1))
        logits: Tensor = self.out(self.up[1](torch.cat([_doubled(second), first], dim=1)))
        return logits - _RARE


def _block(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (inputs, outputs):
        layers += [nn.Conv2d(width, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


def _doubled(maps: Tensor) -> Tensor:
    return nn.functional.interpolate(maps, scale_factor=2.0, mode="nearest")


@dataclass(frozen=True)
class Seen:
    """A frame as the network sees it, its scale (pixels of the frame to one of it), and the frame's sites."""

    values: NDArray[np.float32]
    scale: float
    places: NDArray[np.float64]
    a_px: float


def see(image: Image) -> Seen:
    """Bring a frame to the network's scale and brightness; sides are cut to multiples of 4."""
    read = read_sites(image)
    a_px = read.bragg.a_px()
    scale = a_px / _PER_A
    smooth = gaussian_filter(np.asarray(image, dtype=np.float32), 0.35 * scale)
    light = (smooth - read.dark) / np.float32(read.unit)
    small: NDArray[np.float32] = zoom(light, 1 / scale, order=1, grid_mode=True, mode="nearest")
    rows, columns = (side // 4 * 4 for side in np.shape(small))
    true_scale = float(np.mean(np.divide(np.shape(image), np.shape(small))))
    return Seen(small[:rows, :columns].astype(np.float32), true_scale, read.places, a_px)


def spots(truth: pd.DataFrame, seen: Seen) -> NDArray[np.float32]:
    """Mark defects by spots of height 1."""
    target = np.zeros(seen.values.shape, np.float32)
    y, x = np.indices(seen.values.shape)
    for column, row in truth[["x_px", "y_px"]].to_numpy():
        away = (x - (column + 0.5) / seen.scale + 0.5) ** 2 + (y - (row + 0.5) / seen.scale + 0.5) ** 2
        np.maximum(target, np.exp(-away / (2 * _SPOT_PX**2)), out=target)
    return target


def train_unet(images: Sequence[Image], truths: Sequence[pd.DataFrame], settings: NetSettings) -> "PixelNet":
    """Train on some frames and their defects; crops are turned and mirrored at random.

    The threshold is the one that finds most on these frames for its false alarms.
    """
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    seen = [see(image) for image in images]
    pairs = [(one.values, spots(truth, one)) for one, truth in zip(seen, truths, strict=True)]
    side = min(_CROP, *(length for values, _ in pairs for length in values.shape))
    model = UNet(settings.width)
    optimiser = torch.optim.AdamW(model.parameters(), settings.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, settings.steps)
    for _ in range(settings.steps):
        crops = [_crop(*pairs[rng.integers(len(pairs))], side, rng) for _ in range(settings.batch)]
        frames, target = (torch.from_numpy(np.stack(part))[:, None] for part in zip(*crops, strict=True))
        loss = nn.functional.binary_cross_entropy_with_logits(
            model(frames), target, weight=1 + (_WEIGHT - 1) * target
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
    return _with_threshold(PixelNet(model.eval()), images, truths)


def _crop(
    values: NDArray[np.float32], target: NDArray[np.float32], side: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    row, column = (int(rng.integers(length - side + 1)) for length in values.shape)
    turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
    crops = []
    for part in (values, target):
        cut = np.rot90(part[row : row + side, column : column + side], turns)
        crops.append(np.ascontiguousarray(cut[:, ::-1] if mirror else cut))
    return crops[0], crops[1]


@dataclass(frozen=True)
class PixelNet:
    """A trained network as a method that finds defects, see `tmdscope.stem.localise.Localiser`."""

    model: UNet
    threshold: float = 0.5

    def __call__(self, image: Image) -> pd.DataFrame:
        """Find the defects of a frame; the score is the network's over the threshold."""
        seen = see(image)
        with torch.inference_mode():
            chance = torch.sigmoid(self.model(torch.from_numpy(seen.values)[None, None]))[0, 0].numpy()
        peaks = (chance == maximum_filter(chance, 5)) & (chance > self.threshold)
        places = np.asarray((np.argwhere(peaks)[:, ::-1] + 0.5) * seen.scale - 0.5, dtype=np.float64)
        if len(seen.places) and len(places):
            away, nearest = cKDTree(seen.places).query(places)
            near = away < 0.4 * seen.a_px
            places[near] = seen.places[nearest[near]]
        return whole_table(places, chance[peaks] / self.threshold, np.shape(image), seen.a_px)


def _with_threshold(net: PixelNet, images: Sequence[Image], truths: Sequence[pd.DataFrame]) -> PixelNet:
    """Choose the threshold with most hits less false alarms on some frames."""
    from tmdscope.stem.matching import match

    low = replace(net, threshold=0.05)
    right, scores = [], []
    for image, truth in zip(images, truths, strict=True):
        found = low(image)
        a_px = read_sites(image).bragg.a_px()
        pairs = match(truth, found, a_px, np.shape(image))
        hit = np.isin(np.arange(len(found)), pairs.by)
        counts = hit | np.isin(np.arange(len(found)), pairs.false)
        right.append(hit[counts])
        scores.append(found["score"].to_numpy()[counts] * low.threshold)
    score, hit = np.concatenate(scores), np.concatenate(right)
    if not hit.any():
        return net
    order = np.argsort(-score)
    gain = np.cumsum(np.where(hit[order], 1, -1))
    return replace(net, threshold=float(min(max(score[order][gain.argmax()] * 0.999, 0.05), 0.95)))
