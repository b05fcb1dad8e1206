"""Programs to log in tests."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from tmdscope.tracking.dossier import Dossier
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


def make_facts(program: Program, macro_f1: float = 0.5, data_sha256: str = "ef" * 32) -> dict[str, Any]:
    """What a dossier says of a program that was never trained."""
    scored = {"macro_f1": macro_f1, "macro_f1_ci95": [macro_f1 - 0.1, macro_f1 + 0.1], "images": 6}
    return {
        "classes": list(program.config.classes),
        "encoding": program.config.target,
        "architecture": program.config.architecture,
        "data": {"sha256": data_sha256},
        "audit": {"problems": [], "warnings": []},
        "scores": {
            "val": {"macro_f1": {"mean": macro_f1, "std": 0.0}},
            "selection": {"macro_f1": macro_f1 - 0.05, "optimism": 0.05},
            "out_of_fold": scored,
            "ensemble_test": scored,
        },
    }


def make_dossier(program: Program) -> Dossier:
    """A program with no predictions, and the facts of `make_facts`."""
    return Dossier(program, pd.DataFrame({"fold": [0], "image_id": ["none"]}), make_facts(program))
