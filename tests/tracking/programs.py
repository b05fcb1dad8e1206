"""Programs to log in tests."""

from typing import NamedTuple

import numpy as np
import torch

from tmdscope.tracking.models import Program
from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.classifier import Backbone, Ensemble, EnsembleConfig, Head
from tmdscope.vision.targets import Multiclass
from tmdscope.vision.weights import GREY_NORMALISATION

CLASSES = ("MoS2", "WS2", "WSe2")
IMAGES = np.random.default_rng(1).integers(0, 256, (3, 32, 32), dtype=np.uint8)


class Logged(NamedTuple):
    """A logged program: its run, its address, and what it says of `IMAGES`."""

    run_id: str
    uri: str
    expected: np.ndarray


def make_program(members: int) -> Program:
    """An ensemble with seeded random weights that shares one backbone."""
    torch.manual_seed(members)
    backbone = Backbone(bare_backbone("resnet18"), GREY_NORMALISATION)
    heads = [Head(512, len(CLASSES)) for _ in range(members)]
    config = EnsembleConfig("resnet18", "multiclass", CLASSES, 32, members, True, GREY_NORMALISATION)
    return Program(Ensemble([backbone], heads, Multiclass(CLASSES)).eval(), config)
