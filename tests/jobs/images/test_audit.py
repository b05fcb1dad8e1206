"""The study's own models are audited on the images that are audited."""

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from tmdscope.dataset.splits import FoldParts
from tmdscope.jobs.images.audit import fold_runner
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.experiment import Experiment
from tmdscope.learn.fit import Examples, FitSettings
from tmdscope.vision.targets import Multiclass


def test_an_experiment_trains_on_drawn_images_and_predicts_these() -> None:
    rows, labels = np.arange(1, 60, 2), torch.arange(60) // 2 % 2
    inputs = torch.randn(60, 3, generator=torch.Generator().manual_seed(1)) + 2 * labels[:, None]
    inputs[::2] = torch.nan  # whoever looks at an image that was not drawn diverges
    settings = FitSettings(2, 8, 0.01, CheckpointRule.LAST, "weighted", seed=1)
    experiment = Experiment(
        target=Multiclass(("a", "b")),
        examples=Examples(inputs, labels),
        build=lambda: nn.Linear(3, 2),
        settings=settings,
        assemble=NotImplemented,
        config=NotImplemented,
    )
    folds = [FoldParts(np.arange(18), np.arange(18, 24), np.arange(24, 30))]
    found = fold_runner(experiment, rows, folds)(0)
    assert found.shape == (30,)
    drawn = replace(experiment, examples=Examples(inputs[1::2], labels[1::2]))
    np.testing.assert_array_equal(found, fold_runner(drawn, np.arange(30), folds)(0))
