"""Small searches in sqlite files, and an objective that is arithmetic."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
import pytest
from optuna.storages._rdb.models import BaseModel

from tmdscope.params.search import Categorical, LogUniform, SearchParams, Space, Uniform, Whole
from tmdscope.scores.task import CLASSES
from tmdscope.search.pruning import Steps
from tmdscope.search.sampling import suggest
from tmdscope.search.storage import PatientStorage, open_storage
from tmdscope.search.study import SearchStudy, open_search
from tmdscope.search.trials import FoldOutcome, Job, OnEpoch

FOLDS, EPOCHS = 3, 4
STEPS = Steps(EPOCHS)
IDENTITY = {"data": "a1", "code": "b2"}
SPACE: Space = {
    "share": Uniform(kind="uniform", low=0.0, high=1.0),
    "rate": LogUniform(kind="log-uniform", low=1e-4, high=1e-1),
    "size": Whole(kind="int", low=2, high=9),
    "kind": Categorical(kind="categorical", choices=["flat", "steep"]),
}


def search_of(**changes: Any) -> SearchParams:
    """A search of six random trials that gives none up."""
    content: dict[str, Any] = {
        "trials": 6,
        "sampler": "random",
        "startup": 4,
        "seed": 1,
        "together": 1,
        "prune_epochs": "none",
        "prune_folds": 0.0,
        "space": SPACE,
    }
    return SearchParams(**{**content, **changes})


def made(storage: PatientStorage, name: str = "study", **changes: Any) -> SearchStudy:
    """Make the study of `search_of`, or go on with it."""
    return open_search(storage, name, search_of(**changes), STEPS, IDENTITY)


@pytest.fixture(scope="session")
def processes(tmp_path_factory: pytest.TempPathFactory) -> tuple[PatientStorage, PatientStorage]:
    """One sqlite file opened twice, as by two processes: making its tables takes longer than most tests."""
    url = f"sqlite:///{tmp_path_factory.mktemp('searches') / 'searches.db'}"
    return open_storage(url, heartbeat_s=1), open_storage(url, heartbeat_s=1)


@pytest.fixture
def storage(processes: tuple[PatientStorage, PatientStorage]) -> PatientStorage:
    """An empty storage."""
    for opened in processes:
        opened.grace_period, opened.recovered_at = 3, -float("inf")
    with processes[0].engine.begin() as connection:
        for table in reversed(BaseModel.metadata.sorted_tables):
            if table.name not in {"version_info", "alembic_version"}:
                connection.execute(table.delete())
    return processes[0]


@pytest.fixture
def elsewhere(
    storage: PatientStorage,  # emptied first
    processes: tuple[PatientStorage, PatientStorage],
) -> PatientStorage:
    """The same storage, as another process has opened it."""
    return processes[1]


class Hill:
    """An objective that is highest where `share` is 0.5; what should happen is set by the test."""

    def __init__(self, together: int = 1, asks: bool = False) -> None:
        self.metric = CLASSES.primary
        self.together, self.folds, self.epochs, self.asks = together, FOLDS, EPOCHS, asks
        self.calls: list[tuple[int, list[int]]] = []
        self.before_fold: Callable[[int, Sequence[Job]], None] = lambda fold, jobs: None
        self.outcome: Callable[[int, Job], FoldOutcome | None] = lambda fold, job: None

    def settings(self, trial: optuna.Trial) -> Mapping[str, Any]:
        """Draw all of the space."""
        return suggest(trial, SPACE, {})

    def run_fold(self, fold: int, jobs: Sequence[Job], on_epoch: Sequence[OnEpoch]) -> list[FoldOutcome]:
        """Score all trials; one that asks does so after every epoch."""
        self.calls.append((fold, [job.trial.number for job in jobs]))
        self.before_fold(fold, jobs)
        return [
            self.outcome(fold, job) or self._score(fold, job, ask)
            for job, ask in zip(jobs, on_epoch, strict=True)
        ]

    def _score(self, fold: int, job: Job, ask: OnEpoch) -> FoldOutcome:
        score = height(job.settings, fold)
        for epoch in range(1, EPOCHS + 1) if self.asks else ():
            if ask(epoch, score * epoch / EPOCHS):
                return FoldOutcome("pruned", epochs=epoch)
        return FoldOutcome("scored", score, EPOCHS)


def height(settings: Mapping[str, Any], fold: int) -> float:
    """The score that `Hill` gives a fold."""
    return float(1 - abs(settings["share"] - 0.5) - 0.01 * fold)
