"""What a frozen ResNet18 sees in images of 224 px, as the features stage has it, against the plain way."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn
from torchvision.models import resnet18

from benchmarks.baseline_training import extract_features
from benchmarks.pictures import make_pictures
from benchmarks.train_resnet18 import ARCHITECTURE, BATCH, against_peak, forward_flops
from benchmarks.worker import Worker
from tmdscope.memory import keep_freed_memory
from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.classifier import Backbone
from tmdscope.vision.features import best_device, symmetric_features
from tmdscope.vision.precision import Precision, resolve_precision
from tmdscope.vision.weights import IMAGENET_NORMALISATION

NAME = "features-224"
UNIT = "images/s"
ITEMS = 1026
"""As many images as the paper's data set."""

SIZE_PX = 224


def ours() -> None:
    """Compute features as the features stage does, without flips."""
    _worker(prepare_ours).work()


def baseline() -> None:
    """Compute features the plain way."""
    _worker(prepare_baseline).work()


def details(rate: float) -> dict[str, Any]:
    """Set the rate against what the machine's matrix products reach.

    Parameters
    ----------
    rate : float
        Images per second of ours.

    Returns
    -------
    dict
        As `benchmarks.train_resnet18.against_peak`.
    """
    return against_peak(rate * forward_flops(SIZE_PX), Precision.AUTO)


def prepare_ours(count: int = ITEMS) -> Callable[[], Any]:
    """Set up the features stage's work.

    Parameters
    ----------
    count : int, optional
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


def prepare_baseline(count: int = ITEMS) -> Callable[[], Any]:
    """Set up the plain way.

    Parameters
    ----------
    count : int, optional
        Images.

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

    def compute() -> Any:
        assert keep.name
        return extract_features(network, pictures.paths, BATCH, device).numpy()

    return compute


@cache
def _worker(prepare: Callable[[], Callable[[], Any]]) -> Worker:
    return Worker(prepare)
