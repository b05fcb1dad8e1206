"""A small convolutional network on square windows, as the poster *DefectFinder* describes it."""

import math

import torch
from torch import Tensor, nn

from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.fit import Examples, FitSettings, fit
from tmdscope.learn.recorder import Silent
from tmdscope.models.scales import FamilyError, Features
from tmdscope.params.families import CnnFamily
from tmdscope.vision.cnn import FEATURES, Convolutions
from tmdscope.vision.targets import Target

MIN_SIDE = 16
"""Least side of a window, px: it is halved four times."""


class Cnn(nn.Module):
    """`Convolutions` on windows N x S x S and a linear layer; `attention` says where reasons lie."""

    def __init__(self, outputs: int, dropout: float) -> None:
        super().__init__()
        self.body = Convolutions(dropout)
        self.head = nn.Linear(FEATURES, outputs)

    def forward(self, windows: Tensor) -> Tensor:
        """Give logits, N x outputs."""
        logits: Tensor = self.head(self.body(windows[:, None]))
        return logits

    @torch.inference_mode()
    def attention(self, windows: Tensor, labels: Tensor) -> Tensor:
        """Map where a class (labels, N) has its reasons: class activation, N x S x S (Zhou et al. 2016)."""
        weights = self.head.weight[labels]
        small = torch.einsum("nchw,nc->nhw", self.body.maps(windows[:, None]), weights)
        size = windows.shape[-2:]
        return nn.functional.interpolate(small[:, None], size=size, mode="bicubic", align_corners=False)[:, 0]


def side_of(pixels: Features) -> int:
    """Say how wide square images are, px, that lie row by row in an array, shape (N, side * side)."""
    side = math.isqrt(pixels.shape[1])
    if side * side != pixels.shape[1] or side < MIN_SIDE:
        told = f"{pixels.shape[1]} features are no square image of {MIN_SIDE} x {MIN_SIDE} px or more"
        raise FamilyError(f"cnn: {told}; take another family")
    return side


def train_cnn(family: CnnFamily, seed: int, target: Target, examples: Examples, rows: Tensor) -> Cnn:
    """Train a network on some windows; each is seen turned and mirrored at random."""
    torch.manual_seed(seed)
    model = Cnn(target.outputs, family.dropout)
    settings = FitSettings(
        epochs=family.epochs,
        batch_size=family.batch_size,
        learning_rate=family.learning_rate,
        checkpoint=CheckpointRule.LAST,
        sampling="oversampled",
        seed=seed,
        optimiser="adamw",
        schedule="cosine",
        symmetries=8,
    )
    fit(model, target, examples, rows, rows[:: max(1, len(rows) // 256)], settings, Silent())
    return model
