"""What a frozen ResNet18 sees in images of 224 px, as the features stage has it, against the plain way."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn
from torchvision.models import resnet18

from benchmarks.baseline_training import extract_features, plain_loader
from benchmarks.pictures import make_pictures
from benchmarks.train_resnet18 import ARCHITECTURE, BATCH, against_peak, count_flops
from benchmarks.worker import fastest_loaders, worker
from tmdscope.memory import keep_freed_memory
from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.classifier import Backbone
from tmdscope.vision.features import best_device, symmetric_features
from tmdscope.vision.precision import Precision, resolve_precision
from tmdscope.vision.published import IMAGENET_NORMALISATION

NAME = "features-224"
UNIT = "images/s"
ITEMS = 1026
"""As many images as the paper's data set."""

SIZE_PX = 224


def ours() -> None:
    """Compute features as the features stage does, without flips."""
    worker(prepare_ours, ITEMS).work()


def baseline() -> None:
    """Compute features the plain way."""
    worker(prepare_baseline, ITEMS, baseline_loaders()).work()


def details(rate: float) -> dict[str, Any]:
    """Set the rate against what the machine's matrix products reach.

    Parameters
    ----------
    rate : float
        Images per second of ours.

    Returns
    -------
    dict
        As `benchmarks.train_resnet18.against_peak`, and ``baseline_loaders``: DataLoader processes of the
        baseline.
    """
    used = against_peak(rate * count_flops(SIZE_PX, backward=False), Precision.AUTO)
    return {**used, "baseline_loaders": baseline_loaders()}


@cache
def baseline_loaders() -> int:
    """Find how many DataLoader processes make the baseline fastest.

    Returns
    -------
    int
        On a part of the images, as `benchmarks.worker.fastest_loaders`.
    """
    return fastest_loaders(prepare_baseline, min(ITEMS, 4 * BATCH))


def prepare_ours(count: int) -> Callable[[], Any]:
    """Set up the features stage's work.

    Parameters
    ----------
    count : int
        Images.

    Returns
    -------
    callable
        Gives the features.
    """
    keep_freed_memory()
    device = best_device()
    pictures, _ = make_pictures(count, SIZE_PX)
    torch.manual_seed(1)
    backbone = Backbone(bare_backbone(ARCHITECTURE), IMAGENET_NORMALISATION).to(device).eval()
    precision = resolve_precision(Precision.AUTO, device)

    def compute() -> Any:
        return symmetric_features(backbone, pictures.images, 1, BATCH, device, precision)[:, 0]

    return compute


def prepare_baseline(count: int, loaders: int) -> Callable[[], Any]:
    """Set up the plain way.

    Parameters
    ----------
    count : int
        Images.
    loaders : int
        DataLoader processes.

    Returns
    -------
    callable
        Gives the features.
    """
    pictures, keep = make_pictures(count, SIZE_PX)
    device = best_device()
    torch.manual_seed(1)
    network = resnet18()
    network.fc = nn.Identity()
    network.to(device)
    loader = plain_loader(pictures.paths, BATCH, loaders)

    def compute() -> Any:
        assert keep.name
        return extract_features(network, loader, device).numpy()

    return compute
