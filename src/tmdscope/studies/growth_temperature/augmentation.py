"""The MoS2 paper's augmentations of training images, as it meant them, and as its released code did them.

Aug1: balanced random crops; Aug2: AutoAugment; Aug3: rare classes drawn more often; Aug4: none. In the code
all crops of a file are its last one, some images have the label of another file, and images of Aug2 reach the
network 255 times too bright.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from tmdscope.models.scales import Labels
from tmdscope.scan.level import resize_area
from tmdscope.studies.growth_temperature.params import PolicyName

Images = NDArray[np.uint8]

_MISSING = 3
"""Files without a target in the paper's lists, by which later images and labels are shifted."""


@dataclass(frozen=True)
class Augmented:
    """Copies of images, uint8, (M, S, S): the row that each is of, and its label; `bright` as of the code."""

    images: Images
    rows: Labels
    labels: Labels
    bright: bool = False


def augment(
    policy: PolicyName, images: Images, labels: Labels, copies: int, share: float, seed: int
) -> Augmented:
    """Augment images, (N, S, S); crops show a `share` of the side, `copies` are of the commonest class."""
    return POLICIES[policy](images, labels, copies, share, np.random.default_rng(seed))


def _plain(images: Images, labels: Labels, *_: object) -> Augmented:
    return Augmented(images, np.arange(len(images)), labels)


def _oversampled(images: Images, labels: Labels, _: int, __: float, rng: np.random.Generator) -> Augmented:
    counts = np.bincount(labels)
    more = [
        rng.choice(np.flatnonzero(labels == label), counts.max() - count)
        for label, count in enumerate(counts)
        if count
    ]
    rows = np.concatenate([np.arange(len(images)), *more])
    return Augmented(images[rows], rows, labels[rows])


def _crops(
    images: Images, labels: Labels, copies: int, share: float, rng: np.random.Generator, same: bool = False
) -> Augmented:
    rows, size = _balanced_rows(labels, copies), images.shape[1]
    side = max(2, round(share * size))
    corners = rng.integers(0, size - side + 1, (len(rows), 2))
    if same:  # the last crop of a file stands for all of them
        last = {row: place for place, row in enumerate(rows.tolist())}
        corners = corners[[last[row] for row in rows.tolist()]]
    cut = [
        resize_area(images[row, top : top + side, left : left + side], size)
        for row, (top, left) in zip(rows, corners, strict=True)
    ]
    return Augmented(np.stack(cut), rows, labels[rows])


def _crops_of_the_code(
    images: Images, labels: Labels, copies: int, share: float, rng: np.random.Generator
) -> Augmented:
    found = _crops(images, labels, copies, share, rng, same=True)
    kept = np.sort(rng.permutation(len(labels))[: max(1, len(labels) - _MISSING)])
    shifted = np.append(labels[kept], labels[-_MISSING:])[: len(labels)]
    return Augmented(found.images, found.rows, shifted[found.rows])


def _autoaugment(
    images: Images, labels: Labels, copies: int, _: float, rng: np.random.Generator
) -> Augmented:
    from torchvision.transforms import AutoAugment, AutoAugmentPolicy

    rows, policy = _balanced_rows(labels, copies), AutoAugment(AutoAugmentPolicy.IMAGENET)
    with torch.random.fork_rng():
        torch.manual_seed(int(rng.integers(2**31)))
        made = [np.asarray(policy(Image.fromarray(images[row]).convert("RGB")).convert("L")) for row in rows]
    return Augmented(np.stack(made), rows, labels[rows])


def _autoaugment_of_the_code(
    images: Images, labels: Labels, copies: int, share: float, rng: np.random.Generator
) -> Augmented:
    found = _autoaugment(images, labels, copies, share, rng)
    return Augmented(found.images, found.rows, found.labels, bright=True)


def _balanced_rows(labels: Labels, copies: int) -> Labels:
    """Repeat each row, so that every class has about as many as `copies` of the commonest."""
    counts = np.bincount(labels)
    each = np.maximum(1, np.round(copies * counts.max() / np.maximum(counts, 1))).astype(np.int64)
    return np.repeat(np.arange(len(labels)), each[labels])


Policy = Callable[[Images, Labels, int, float, np.random.Generator], Augmented]

POLICIES: Mapping[PolicyName, Policy] = {
    "aug1": _crops,
    "aug2": _autoaugment,
    "aug3": _oversampled,
    "aug4": _plain,
    "aug1-paper-defects": _crops_of_the_code,
    "aug2-paper-defects": _autoaugment_of_the_code,
}
"""Augmentations by the paper's name; what its code did under another."""
