"""Labels by chance: an experiment and what a search found for it win equally often."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.search.conftest import IDENTITY, search_of
from tests.search.silent import SilentSearch
from tests.search.test_experiments import BASE, CONFIG, TARGET
from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.batched import HeadMember, train_heads
from tmdscope.learn.crossval import fold_seed
from tmdscope.learn.experiment import Experiment, fit_settings
from tmdscope.learn.fit import Examples
from tmdscope.learn.selection import leave_out_each, selection_score
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.search import LogUniform, Space, Uniform
from tmdscope.scores.task import MACRO_F1
from tmdscope.search.experiments import ExperimentObjective, with_settings
from tmdscope.search.outcome import outcome_of
from tmdscope.search.pruning import Steps
from tmdscope.search.storage import PatientStorage
from tmdscope.search.study import open_search
from tmdscope.search.worker import work
from tmdscope.vision.classifier import Head

SEEDS, IMAGES, FEATURES, FOLDS = 20, 150, 16, 5
EXPERIMENT = with_settings(BASE, {"epochs": 12, "learning_rate": 3e-3})
SPACE: Space = {
    "learning_rate": LogUniform(kind="log-uniform", low=1e-3, high=1e-2),
    "dropout": Uniform(kind="uniform", low=0.0, high=0.5),
}


class Null:
    """Features and labels that have nothing to do with each other, in five folds."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        features = torch.tensor(rng.normal(size=(IMAGES, FEATURES)), dtype=torch.float32)
        labels = torch.tensor(rng.permutation(np.arange(IMAGES) % len(TARGET.classes)))
        self.examples = Examples(features, labels, features[:, None])
        self.parts = [
            FoldParts(np.flatnonzero(fold != k), np.flatnonzero(fold == k), np.arange(IMAGES)[:1])
            for fold in [rng.permutation(np.arange(IMAGES) % FOLDS)]
            for k in range(FOLDS)
        ]

    def make(self, params: ExperimentParams) -> Experiment:
        def build() -> Head:
            return Head(FEATURES, TARGET.outputs, params.dropout)

        settings = fit_settings(params, torch.device("cpu"))
        return Experiment(TARGET, self.examples, build, settings, lambda models: NotImplemented, CONFIG)

    def untuned(self, params: ExperimentParams) -> tuple[float, float]:
        """Validation and selection score of an experiment."""
        made = self.make(params)
        members = [
            HeadMember(
                torch.from_numpy(fold.train),
                torch.from_numpy(fold.val),
                replace(made.settings, seed=fold_seed(made.settings.seed, number)),
            )
            for number, fold in enumerate(self.parts)
        ]
        fits = [result.fit for result in train_heads(members, made.build, TARGET, self.examples)]
        validation = float(np.mean([one.history[one.kept_epoch - 1].val_score for one in fits]))
        histories = [one.history for one in fits]
        return validation, selection_score(
            [leave_out_each(histories, made.settings.checkpoint, MACRO_F1)], MACRO_F1
        )

    def tuned(self, storage: PatientStorage, seed: int) -> tuple[float, float]:
        """Validation and selection score of what a search finds for it."""
        search = search_of(trials=10, sampler="tpe", startup=5, together=5, seed=seed, space=SPACE)
        objective = ExperimentObjective(search, EXPERIMENT, self.make, self.parts)
        study = open_search(storage, f"null-{seed}", search, Steps(objective.epochs), IDENTITY)
        work(study, objective, SilentSearch())
        found = outcome_of(study)
        assert found.selection is not None
        return found.value, found.selection


@pytest.mark.slow
def test_tuned_and_untuned_win_equally_often(storage: PatientStorage) -> None:
    tuned, untuned = [], []
    for seed in range(SEEDS):
        null = Null(seed)
        tuned.append(null.tuned(storage, seed))
        untuned.append(null.untuned(EXPERIMENT))
    by_validation, by_selection = (np.array(tuned) > np.array(untuned)).sum(axis=0)
    assert by_validation >= SEEDS - 1  # the fault that the selection score mends
    assert 5 <= by_selection <= 15
