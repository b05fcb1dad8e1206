"""A tiny tracked cross-validation as a program: it runs in a folder until killed or done."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tests.tracking.programs import CLASSES, make_dossier, make_program
from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.experiment import Experiment
from tmdscope.learn.fit import Examples, FitSettings
from tmdscope.learn.resume import Resume
from tmdscope.run_record import ExperimentRun
from tmdscope.tracking.crossval import track_experiment
from tmdscope.tracking.runs import DataUse
from tmdscope.tracking.store import open_study
from tmdscope.vision.classifier import Ensemble, Head
from tmdscope.vision.targets import Multiclass

EPOCHS = 30


def make_experiment(epochs: int = EPOCHS) -> Experiment:
    """Heads on random features."""
    shared = make_program(members=1)
    target = Multiclass(CLASSES)

    def assemble(models: list[nn.Module]) -> Ensemble:
        heads = [model for model in models if isinstance(model, Head)]
        return Ensemble([shared.ensemble.member(0).backbone], heads, target)

    features = torch.randn(24, 512, generator=torch.Generator().manual_seed(4))
    return Experiment(
        target=target,
        examples=Examples(features, torch.arange(24) % 3),
        build=lambda: Head(512, 3, dropout=0.2),
        assemble=assemble,
        config=shared.config,
        settings=FitSettings(epochs, 8, 1e-3, CheckpointRule.LAST, "weighted", seed=1),
    )


def run(folder: Path, name: str) -> ExperimentRun:
    """Cross-validate two folds, going on with what the folder holds."""
    os.environ["DVC_ROOT"] = str(folder)
    rows = np.arange(24)
    folds = [FoldParts(rows[8:16], rows[16:], rows[:8]), FoldParts(rows[16:], rows[8:16], rows[:8])]
    data = DataUse("features", "cd" * 32, "data/features", 24, "crossval")
    resume = Resume.open(folder / name, {"data": "1"}, {"threads": "1"}, every_s=0)
    record = track_experiment(
        open_study("killed"),
        name,
        {"study": "killed"},
        data,
        make_experiment(),
        folds,
        lambda _, trained: make_dossier(trained.program),
        resume,
    )
    resume.finish()
    return record


def main() -> None:
    """Run, or go on, in the folder that the command line names."""
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    print("training", flush=True)
    record = run(folder, sys.argv[2])
    (folder / f"{sys.argv[2]}.json").write_text(json.dumps(record.to_dict()))


if __name__ == "__main__":
    main()
