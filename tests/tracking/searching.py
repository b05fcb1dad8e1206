"""A tiny tracked search that takes time and no arithmetic; processes forked from a test lead or join it."""

import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkProcess
from typing import Any

import mlflow
import optuna

from tmdscope.params.search import LogUniform, SpaceParams, Uniform
from tmdscope.scores.task import CLASSES
from tmdscope.search.sampling import suggest
from tmdscope.search.storage import open_storage
from tmdscope.search.trials import FoldOutcome, Job, OnEpoch
from tmdscope.tracking.runs import DataUse
from tmdscope.tracking.search import SearchTask, await_search, join_search, lead_search
from tmdscope.tracking.store import open_study

FOLDS, EPOCHS = 3, 3
SPACE = {
    "rate": LogUniform(kind="log-uniform", low=1e-4, high=1e-1),
    "share": Uniform(kind="uniform", low=0.0, high=1.0),
}


class Hill:
    """An objective whose score is highest in the middle of the space; every epoch takes a while."""

    folds, epochs, together = FOLDS, EPOCHS, 1
    metric = CLASSES.primary

    def __init__(self, pause_s: float) -> None:
        self.pause_s = pause_s

    def settings(self, trial: optuna.Trial) -> Mapping[str, Any]:
        """Draw both numbers."""
        return suggest(trial, SPACE, {})

    def run_fold(self, fold: int, jobs: Sequence[Job], on_epoch: Sequence[OnEpoch]) -> list[FoldOutcome]:
        """Score one trial, epoch by epoch."""
        (job,), (ask,) = jobs, on_epoch
        score = 1 - abs(job.settings["share"] - 0.5) - 0.01 * fold
        with job.recorder.fold(fold) as listener:
            for epoch in range(1, EPOCHS + 1):
                time.sleep(self.pause_s)
                listener.epoch(epoch, {"val_macro_f1": score}, kept=True)
                if ask(epoch, score):
                    return [FoldOutcome("pruned", epochs=epoch)]
            listener.finish({"val_macro_f1": score}, None)
        return [FoldOutcome("scored", score, EPOCHS)]


def make_task(trials: int, pause_s: float = 0.02, prune_folds: float = 0.0, name: str = "hill") -> SearchTask:
    """A search of so many trials."""
    params = SpaceParams(
        trials=trials, sampler="tpe", startup=5, seed=1, prune_folds=prune_folds, space=SPACE
    )
    data = DataUse("numbers", "ab" * 32, "nowhere", 10, "search")
    return SearchTask(name, params, Hill(pause_s), {"data": "1"}, f"search-{name}", {"study": "hills"}, data)


def lead(storage: str, trials: int, pause_s: float = 0.02) -> None:
    """Lead the search, tracked where MLFLOW_TRACKING_URI says."""
    lead_search(open_study("hills"), open_storage(storage, heartbeat_s=1), make_task(trials, pause_s))


def join(storage: str, trials: int, pause_s: float = 0.02) -> None:
    """Join the search."""
    opened, task = open_storage(storage, heartbeat_s=1), make_task(trials, pause_s)
    await_search(opened, task.name, wait_s=60)
    join_search(open_study("hills"), opened, task)


def fork(role: Callable[..., None], tracking: str, *arguments: Any) -> ForkProcess:
    """Start a process that is this one's copy: nothing is imported anew."""

    def run() -> None:
        os.environ["MLFLOW_TRACKING_URI"] = tracking
        mlflow.set_tracking_uri(tracking)
        role(*arguments)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    return process
