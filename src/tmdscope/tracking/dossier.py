"""What is kept with a model that is registered: its program, its predictions, the facts of its training."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from torch import nn

from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.crossval import FoldResult
from tmdscope.learn.experiment import Experiment
from tmdscope.scores.facts import Facts
from tmdscope.tracking.models import Program


@dataclass(frozen=True)
class Dossier:
    """What is kept with a model that is registered.

    `predictions` are as `tmdscope.learn.summary.predictions_table`; cards and listings rest on the `facts`.
    """

    program: Program
    predictions: pd.DataFrame
    facts: Facts


@dataclass(frozen=True)
class Trained:
    """A cross-validated model: by fold its kept model, what that gave and the images that it saw."""

    experiment: Experiment
    models: Sequence[nn.Module]
    results: Sequence[FoldResult]
    folds: Sequence[FoldParts]

    @property
    def program(self) -> Program:
        """The folds' models as one."""
        config, labels = self.experiment.config, self.experiment.examples.labels.cpu().numpy()
        shown = set(labels[np.concatenate([fold.train for fold in self.folds])].tolist())
        trained = tuple(name for label, name in enumerate(config.classes) if label in shown)
        config = replace(config, members=len(self.models), trained=trained)
        return Program(self.experiment.assemble(self.models), config)
