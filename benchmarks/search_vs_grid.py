"""How many epochs a search needs to reach the best validation score of an exhaustive grid of the same space.

Heads on simulated features: five classes that overlap, 1000 examples, five folds. Dropout and batch size are
the grid of the authors' sibling study, learning rate and weight decay span what one would try without
knowing; the search draws from the same ranges. Nothing is timed: epochs are counted. With few examples the
best of a grid is mostly luck, which no search finds sooner: at 300 examples the share is 0.14 to above 0.4.
"""

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import StratifiedKFold
from tests.search.silent import SilentSearch

from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.experiment import Experiment
from tmdscope.learn.fit import Examples, FitSettings
from tmdscope.materials import MATERIALS
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.search import SearchParams
from tmdscope.scores.folds import mean_std
from tmdscope.search.experiments import ExperimentObjective
from tmdscope.search.places import Progress
from tmdscope.search.pruning import Steps
from tmdscope.search.storage import open_storage
from tmdscope.search.study import open_search
from tmdscope.search.trials import Job
from tmdscope.search.worker import EPOCHS as TAKEN
from tmdscope.search.worker import work
from tmdscope.vision.classifier import EnsembleConfig, Head
from tmdscope.vision.published import IMAGENET_NORMALISATION
from tmdscope.vision.targets import Multiclass

NAME = "search-vs-grid"

EXAMPLES, FEATURES, FOLDS, EPOCHS = 1000, 64, 5, 20
NOISE = 2.6
"""Spread of a class in units of that of the class centres."""

LEARNING_RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
WEIGHT_DECAYS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
DROPOUTS = (0.0, 0.2, 0.35, 0.5)
BATCH_SIZES = (16, 32, 100)

SEEDS, MOST_TRIALS, TOGETHER = 10, 400, 10

SPACE = {
    "learning_rate": {"kind": "log-uniform", "low": min(LEARNING_RATES), "high": max(LEARNING_RATES)},
    "weight_decay": {"kind": "log-uniform", "low": min(WEIGHT_DECAYS), "high": max(WEIGHT_DECAYS)},
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
        the grid's) and ``reached``, searches that got there within 400 trials.
    """
    torch.set_num_threads(1)
    best, grid_epochs = train_grid()
    searches = [search(seed, best) for seed in range(1, seeds + 1)]
    epochs = [taken for taken, _, _ in searches]
    return {
        "benchmark": NAME,
        "grid_points": len(LEARNING_RATES) * len(WEIGHT_DECAYS) * len(DROPOUTS) * len(BATCH_SIZES),
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
    names = ("learning_rate", "weight_decay", "dropout", "batch_size")
    points = list(product(LEARNING_RATES, WEIGHT_DECAYS, DROPOUTS, BATCH_SIZES))
    jobs = [
        Job(_Numbered(number), dict(zip(names, point, strict=True)), SilentSearch())  # type: ignore[arg-type]
        for number, point in enumerate(points)
    ]
    folds = [objective.run_fold(fold, jobs, []) for fold in range(FOLDS)]
    scores = [
        mean_std([outcome.score for outcome in of_point])["mean"] for of_point in zip(*folds, strict=True)
    ]
    return max(scores), sum(outcome.epochs for outcomes in folds for outcome in outcomes)


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
        study = open_search(storage, "search", params, Steps(objective.epochs), {})

        def look(_: Progress) -> None:
            if any(
                trial.state.name == "COMPLETE" and (trial.value or 0) >= wanted
                for trial in study.places.ended
            ):
                raise _ReachedError

        reached = False
        try:
            work(study, objective, SilentSearch(), look)
        except _ReachedError:
            reached = True
        ended = study.places.ended
        return sum(trial.user_attrs[TAKEN] for trial in ended), len(ended), reached


@dataclass(frozen=True)
class _Numbered:
    """What is asked of a trial that belongs to no study."""

    number: int


def make_objective(seed: int) -> ExperimentObjective:
    """Prepare the search of the head's settings.

    Parameters
    ----------
    seed : int
        Of the search; data, folds and training have one of their own.

    Returns
    -------
    ExperimentObjective
        On the same examples whatever the seed.
    """
    params = SearchParams.model_validate(
        {
            "trials": MOST_TRIALS,
            "sampler": "tpe",
            "startup": 20,
            "seed": seed,
            "together": TOGETHER,
            "prune_epochs": "none",
            "prune_folds": 0.26,
            "space": SPACE,
        }
    )
    base = ExperimentParams(
        strategy="features",  # type: ignore[arg-type]
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
    return ExperimentObjective(params, base, make_experiment, folds())


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
        weight_decay=params.weight_decay,
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
        1000 x 64 features and their labels.
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
