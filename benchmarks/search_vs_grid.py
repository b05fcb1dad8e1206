"""How many epochs a search needs to reach the best validation score of an exhaustive grid of the same space.

Heads on simulated features: five classes that overlap, 300 examples, five folds. The grid is that of the
authors' sibling study for dropout and batch size, with five learning rates; the search draws from the same
ranges. Nothing is timed: epochs are counted, which are the same on any machine.
"""

import statistics
import tempfile
from collections.abc import Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import StratifiedKFold

from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.crossval import FoldParts
from tmdscope.learn.experiment import Experiment
from tmdscope.learn.fit import Examples, FitSettings
from tmdscope.learn.metrics import mean_std
from tmdscope.learn.search.experiments import ExperimentObjective
from tmdscope.learn.search.pruning import Steps
from tmdscope.learn.search.storage import open_storage
from tmdscope.learn.search.study import Progress, SearchStudy
from tmdscope.learn.search.trials import Job, SilentSearch
from tmdscope.learn.search.worker import EPOCHS as TAKEN
from tmdscope.learn.search.worker import work
from tmdscope.materials import MATERIALS
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.search import SearchParams
from tmdscope.vision.classifier import EnsembleConfig, Head
from tmdscope.vision.targets import Multiclass
from tmdscope.vision.weights import IMAGENET_NORMALISATION

NAME = "search-vs-grid"

EXAMPLES, FEATURES, FOLDS, EPOCHS = 300, 64, 5, 20
NOISE = 2.2
"""Spread of a class in units of that of the class centres: scores lie between 0.5 and 0.8."""

LEARNING_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
DROPOUTS = (0.0, 0.2, 0.35, 0.5)
BATCH_SIZES = (16, 32, 100)

SEEDS, MOST_TRIALS = 10, 200

SPACE = {
    "learning_rate": {"kind": "log-uniform", "low": min(LEARNING_RATES), "high": max(LEARNING_RATES)},
    "dropout": {"kind": "uniform", "low": min(DROPOUTS), "high": max(DROPOUTS)},
    "batch_size": {"kind": "categorical", "choices": list(BATCH_SIZES)},
}


class _ReachedError(Exception):
    """A search has reached the grid's best score."""


def report(seeds: int = SEEDS) -> dict[str, Any]:
    """Train the grid, then search with several seeds until each has reached the grid's best score.

    Parameters
    ----------
    seeds : int, optional
        Searches, each with a seed of its own.

    Returns
    -------
    dict
        ``benchmark``; ``grid_points``, ``grid_epochs`` and ``grid_best`` (mean validation macro F1 over
        folds); ``epochs`` that each search took, ``trials`` that it began, ``share`` (median of epochs over
        the grid's) and ``reached``, searches that got there within 200 trials.
    """
    torch.set_num_threads(1)
    best, grid_epochs = train_grid()
    searches = [search(seed, best) for seed in range(1, seeds + 1)]
    epochs = [taken for taken, _, _ in searches]
    return {
        "benchmark": NAME,
        "grid_points": len(LEARNING_RATES) * len(DROPOUTS) * len(BATCH_SIZES),
        "grid_epochs": grid_epochs,
        "grid_best": round(best, 4),
        "epochs": epochs,
        "trials": [trials for _, trials, _ in searches],
        "share": round(statistics.median(epochs) / grid_epochs, 3),
        "reached": sum(reached for _, _, reached in searches),
    }


def train_grid() -> tuple[float, int]:
    """Train every point of the grid to its end.

    Returns
    -------
    float
        Best mean validation macro F1 over folds.
    int
        Epochs that it took.
    """
    objective = make_objective(1)
    scores, epochs = [], 0
    for rate, dropout, size in product(LEARNING_RATES, DROPOUTS, BATCH_SIZES):
        settings = {"learning_rate": rate, "dropout": dropout, "batch_size": size}
        outcomes = [objective.score(fold, settings) for fold in range(FOLDS)]
        scores.append(mean_std([outcome.score for outcome in outcomes])["mean"])
        epochs += sum(outcome.epochs for outcome in outcomes)
    return max(scores), epochs


def search(seed: int, wanted: float) -> tuple[int, int, bool]:
    """Search until a score is reached.

    Parameters
    ----------
    seed : int
        Of the search.
    wanted : float
        Mean validation macro F1 over folds.

    Returns
    -------
    int
        Epochs that it took, those of trials given up included.
    int
        Trials that it began.
    bool
        Whether it was reached.
    """
    objective = make_objective(seed)
    with tempfile.TemporaryDirectory(prefix="tmdscope-") as folder:
        storage = open_storage(f"sqlite:///{Path(folder) / 'search.db'}")
        params = objective.search
        study = SearchStudy.create(storage, "search", params, Steps(objective.epochs), {})

        def look(_: Progress) -> None:
            if any(
                trial.state.name == "COMPLETE" and (trial.value or 0) >= wanted for trial in study.ended()
            ):
                raise _ReachedError

        reached = False
        try:
            work(study, objective, SilentSearch(), look)
        except _ReachedError:
            reached = True
        ended = study.ended()
        return sum(trial.user_attrs[TAKEN] for trial in ended), len(ended), reached


class HeadObjective(ExperimentObjective):
    """Heads that train one after another, so that epochs can be looked at, and outside of any study too."""

    def score(self, fold: int, settings: dict[str, Any]) -> Any:
        """Train one fold under some settings to its end."""
        job = Job(_Numbered(), settings, SilentSearch())  # type: ignore[arg-type]
        return self.run_fold(fold, [job], [lambda *_: False])[0]


class _Numbered:
    """What is asked of a trial that belongs to no study."""

    counted = 0

    def __init__(self) -> None:
        _Numbered.counted += 1
        self.number = -_Numbered.counted


def make_objective(seed: int) -> HeadObjective:
    """Prepare the search of the head's settings.

    Parameters
    ----------
    seed : int
        Of the search; data, folds and training have one of their own.

    Returns
    -------
    HeadObjective
        On the same examples whatever the seed.
    """
    params = SearchParams.model_validate(
        {
            "trials": MOST_TRIALS,
            "sampler": "tpe",
            "startup": 8,
            "seed": seed,
            "together": 1,
            "prune_epochs": "median",
            "prune_folds": 0.26,
            "space": SPACE,
        }
    )
    base = ExperimentParams(
        strategy="finetune",  # type: ignore[arg-type]
        target="multiclass",
        architecture="resnet18",
        weights="simulated",
        epochs=EPOCHS,
        batch_size=32,
        learning_rate=1e-3,
        dropout=0.0,
        flips=False,
        checkpoint="improves-both",
        seed=1,
    )
    return HeadObjective(params, base, make_experiment, folds())


def make_experiment(params: ExperimentParams) -> Experiment:
    """Prepare a head on the features.

    Parameters
    ----------
    params : ExperimentParams
        Its settings.

    Returns
    -------
    Experiment
        Without a backbone.
    """
    target = Multiclass(MATERIALS)
    settings = FitSettings(
        params.epochs,
        params.batch_size,
        params.learning_rate,
        CheckpointRule(params.checkpoint),
        "weighted",
        params.seed,
    )
    config = EnsembleConfig("resnet18", "multiclass", MATERIALS, 8, 1, True, IMAGENET_NORMALISATION)
    return Experiment(
        target=target,
        examples=examples(),
        build=lambda: Head(FEATURES, target.outputs, params.dropout),
        assemble=_no_ensemble,
        config=config,
        settings=settings,
    )


@cache
def examples() -> Examples:
    """Draw features of five classes that overlap.

    Returns
    -------
    drawn : Examples
        300 x 64 features and their labels.
    """
    rng = np.random.default_rng(1)
    labels = np.arange(EXAMPLES) % len(MATERIALS)
    centres = rng.normal(size=(len(MATERIALS), FEATURES))
    features = centres[labels] + NOISE * rng.normal(size=(EXAMPLES, FEATURES))
    return Examples(torch.tensor(features, dtype=torch.float32), torch.tensor(labels))


def folds() -> Sequence[FoldParts]:
    """Cut the examples into folds.

    Returns
    -------
    sequence of FoldParts
        Without a held-out test: this is about validation scores.
    """
    labels = examples().labels.numpy()
    cut = StratifiedKFold(FOLDS, shuffle=True, random_state=1).split(labels, labels)
    return [FoldParts(train, val, np.array([], dtype=np.int64)) for train, val in cut]


def _no_ensemble(models: Sequence[torch.nn.Module]) -> Any:
    raise NotImplementedError(f"{len(models)} heads are not put together here")
