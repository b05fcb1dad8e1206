"""Programs to log in tests."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from tmdscope.dataset.audit import SplitAudit
from tmdscope.scores.facts import DataFacts, Facts, SplitFacts
from tmdscope.scores.folds import MeanStd
from tmdscope.scores.intervals import Estimate
from tmdscope.scores.records import Trust
from tmdscope.scores.task import CLASSES as TASK
from tmdscope.scores.task import Task
from tmdscope.tracking.models import Program
from tmdscope.tracking.runs import Dossier
from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.classifier import Backbone, Ensemble, EnsembleConfig, Head
from tmdscope.vision.published import GREY_NORMALISATION
from tmdscope.vision.targets import Multiclass

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


def make_facts(task: Task = TASK, **changes: Any) -> Facts:
    """What a dossier says of a model that was never trained: some images in each part, all scores alike."""
    values = {metric.name: 0.8 - 0.01 * number for number, metric in enumerate(task.metrics)}
    bounds = {name: (value - 0.1, value + 0.1) for name, value in values.items()}
    pooled, primary = Estimate(values, bounds, 40, 20).record(), task.primary.name
    over_folds = {name: {"mean": value, "std": 0.0} for name, value in values.items()}
    facts = Facts(
        classes=["MoS2", "WSe2"],
        encoding="multiclass",
        architecture="resnet18",
        settings={"strategy": "features", "epochs": 60, "seed": 1},
        data=DataFacts("tmd-afm", "ef" * 32, 200, 100, {"MoS2": 150, "WSe2": 50}, {"MoS2": 92, "WSe2": 8}, 3),
        split=SplitFacts(5, 40, 20),
        audit=SplitAudit([], ["fold 1 has no image of WSe2"]),
        scores={
            **dict.fromkeys(("train", "val", "test"), over_folds),
            "best_fold": 0,
            "selection": {primary: values[primary] - 0.05, "optimism": 0.05},
            "out_of_fold": {**pooled, "distinct": pooled},
            "ensemble_test": {**pooled, "distinct": pooled},
        },
        baseline={f"test_{name}": MeanStd(value + 0.1, 0.0) for name, value in values.items()},
        reliability=Trust(
            images=40,
            samples=20,
            ece_before=0.081,
            ece_after=0.042,
            nll_before=0.6,
            nll_after=0.5,
            coverage=0.92,
            coverage_ci95=(0.85, 0.98),
            coverage_by_sample=0.91,
            set_size=1.4,
            empty_sets=0.0,
            flagged=0.025,
            flagged_ci95=(0.0, 0.07),
        ),
        task=task,
    )
    return replace(facts, **changes)


def make_dossier(program: Program) -> Dossier:
    """A program with no predictions, and the facts of `make_facts`."""
    return Dossier(program, pd.DataFrame({"fold": [0], "image_id": ["none"]}), make_facts())
