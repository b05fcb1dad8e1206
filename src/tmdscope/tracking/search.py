"""A search in MLflow: the study's run, a run per trial, a run per fold; and everything that it is made of."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlflow.exceptions import MlflowException

from tmdscope.errors import UserError
from tmdscope.files import sha256_json
from tmdscope.params.search import SpaceParams
from tmdscope.search.outcome import SearchOutcome, draw_plots, outcome_of
from tmdscope.search.places import Progress
from tmdscope.search.pruning import Steps
from tmdscope.search.storage import HEARTBEAT_S, PatientStorage, open_storage
from tmdscope.search.study import SearchStudy, open_search, read_notes
from tmdscope.search.trials import Objective, Settings
from tmdscope.search.worker import await_running, work
from tmdscope.stage import say
from tmdscope.tracking.crossval import TrackedCrossval
from tmdscope.tracking.runs import DataUse, Status, TrackedRun, start_run
from tmdscope.tracking.store import Store, all_pages, search_storage_url

STUDY_TAG = "optuna.study"
TRIAL = "optuna.trial"
STATE = "optuna.state"
"""Tags of the runs of a search."""

_RUN = "mlflow_run"
_LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class SearchTask:
    """A search, ready to run; `identity` is what determines a score (data, settings, code)."""

    name: str
    params: SpaceParams
    objective: Objective
    identity: Mapping[str, str]
    run: str
    tags: Mapping[str, str]
    data: DataUse

    def open(self, storage: PatientStorage, make: bool = True) -> SearchStudy:
        """Open the study, see `open_search`."""
        steps = Steps(self.objective.epochs)
        return open_search(storage, self.name, self.params, steps, self.identity, make, self.objective.metric)


def open_searches() -> PatientStorage:
    """Open the storage at `tmdscope.tracking.store.search_storage_url`, or raise `StorageError`.

    Variable ``TMDSCOPE_HEARTBEAT_S`` sets the seconds between two signs of life of a worker.
    """
    return open_storage(search_storage_url(), int(os.environ.get("TMDSCOPE_HEARTBEAT_S", HEARTBEAT_S)))


def study_name(name: str, identity: Mapping[str, str]) -> str:
    """Name a study with eight digits of its identity, so that another identity begins a new one."""
    return f"{name}-{sha256_json(dict(identity))[:8]}"


class TrackedTrial(TrackedCrossval):
    """A trial's listener that writes to its run, see `tmdscope.search.trials.TrialRecorder`."""

    status: Status = "KILLED"

    def finish(self, state: str, scores: Mapping[str, float], error: str) -> None:
        """Log the trial's scores and how it ends, see `TrialRecorder.finish`."""
        self.parent.metrics(scores)
        self.parent.tags({STATE: state, **({"error": error} if error else {})})
        self.status = status_of(state)

    def close(self, counts: bool) -> None:
        """End the run, see `TrialRecorder.close`."""
        if not counts:
            self.parent.tags({STATE: "FAIL", "void": "its worker was taken for dead, or stopped"})
        self.parent.end(self.status if counts else "KILLED")


@dataclass
class TrackedSearch:
    """A search's listener that writes to its runs, see `tmdscope.search.trials.SearchRecorder`."""

    parent: TrackedRun
    task: SearchTask

    def trial(self, number: int, settings: Settings, retry_of: int | None) -> TrackedTrial:
        """Open a trial's run, see `SearchRecorder.trial`."""
        tags = {**self.task.tags, STUDY_TAG: self.task.name, TRIAL: str(number)}
        if retry_of is not None:
            tags["retry_of"] = str(retry_of)
        running, study = {**tags, STATE: "RUNNING"}, self.parent.study
        run = start_run(study, f"trial-{number}", running, self.parent, self.task.data)
        run.params(settings)
        return TrackedTrial(run, tags, self.task.data)

    def settle(self, states: Mapping[int, str]) -> None:
        """End the runs of trials that are over, see `SearchRecorder.settle`."""
        study = self.parent.study
        query = f"tags.`{STUDY_TAG}` = '{self.task.name}' and attributes.status != 'FINISHED'"
        for run in all_pages(study.client.search_runs, [study.experiment_id], query):
            number = run.data.tags.get(TRIAL)
            state = None if number is None else states.get(int(number))
            if state in ("COMPLETE", "PRUNED") or (state == "FAIL" and run.info.status == "RUNNING"):
                study.client.set_tag(run.info.run_id, STATE, state)
                status = "KILLED" if state == "FAIL" else status_of(state)
                study.client.set_terminated(run.info.run_id, status)


def status_of(state: str) -> Status:
    """Say how the run of a trial of that state in Optuna ends in MLflow: a pruned one is finished."""
    return "FAILED" if state == "FAIL" else "FINISHED"


def lead_search(
    study: Store, storage: PatientStorage, task: SearchTask, parent: TrackedRun | None = None
) -> tuple[SearchOutcome, str]:
    """Make a search or go on with it, work on it to its end, and log what it found.

    Gives that and MLflow's id of the study's run. Whoever opened `parent`, which the study's run is shown
    under, says how far the searches below it are. `UserError` where no trial is complete, or a store cannot
    be written; trials that had ended are safe.
    """
    search = task.open(storage)
    tags = {**task.tags, STUDY_TAG: task.name, "sampler": task.params.sampler, "seed": str(task.params.seed)}
    with _store_errors(study), start_run(study, task.run, tags, parent, task.data, task.name) as run:
        storage.retry(partial(search.study.set_user_attr, _RUN, run.run_id))
        if not run.reopened:
            run.params(task.params.model_dump(mode="json"))
        on_progress: Callable[[Progress], None] = lambda _: None  # noqa: E731
        if parent is None:
            on_progress = partial(_tell, task)
        on_progress(search.places.progress)
        await_running(search)
        work(search, task.objective, TrackedSearch(run, task), on_progress)
        found = storage.retry(partial(outcome_of, search))
        _log(run, search, found)
    return found, run.run_id


def await_search(storage: PatientStorage, name: str, wait_s: float) -> None:
    """Wait, for at most `wait_s` s, until another process has made a search and opened its run.

    Whoever joins opens the MLflow store after that: its tables are then there, and two that make them at once
    would fail one of them.
    """
    until = time.monotonic() + wait_s
    while _RUN not in read_notes(storage, name) and time.monotonic() < until:
        time.sleep(_LOOK_EVERY_S)


def join_search(study: Store, storage: PatientStorage, task: SearchTask) -> int:
    """Work on a search that another process leads, and count the trials that ended here.

    `study` is in the leader's store, and `task` the same as the leader's. `UserError` where there is no such
    study, it is about other data, settings or code, or its run is in another MLflow store.
    """
    search = task.open(storage, make=False)
    run_id = read_notes(storage, task.name).get(_RUN)
    if run_id is None:
        raise UserError(f"study {task.name!r} has no run yet: start `tmdscope search` first")
    try:
        study.client.get_run(run_id)
    except MlflowException as error:
        raise UserError(
            f"study {task.name!r} is tracked in run {run_id}, which {study.uri} does not hold: set "
            "MLFLOW_TRACKING_URI to the server that `tmdscope search` uses"
        ) from error
    with _store_errors(study):
        return work(search, task.objective, TrackedSearch(TrackedRun(study, run_id), task))


@contextmanager
def _store_errors(study: Store) -> Iterator[None]:
    try:
        yield
    except MlflowException as error:
        first = str(error).strip().partition("\n")[0]
        raise UserError(
            f"MLflow store {study.uri}: {first}; finished trials are safe: mend it and start the same "
            "command again to go on"
        ) from error


def _log(run: TrackedRun, search: SearchStudy, found: SearchOutcome) -> None:
    run.metrics(
        {
            f"best_val_{search.metric.name}": found.value,
            "epochs": found.epochs,
            **{f"trials.{name}": getattr(found.progress, name) for name in ("complete", "pruned", "failed")},
            **{f"importance.{name}": share for name, share in found.importance.items()},
        },
        step=found.progress.over,
    )
    run.tags({"best.trial": str(found.trial), **{f"best.{key}": str(v) for key, v in found.settings.items()}})
    with tempfile.TemporaryDirectory() as folder:
        for path in search.storage.retry(partial(draw_plots, search, Path(folder))):
            run.artifact(path, "plots")


def _tell(task: SearchTask, progress: Progress) -> None:
    total = progress.over + progress.running + progress.waiting
    say(
        f"{task.name}: {progress.over} of {total} trials are over ({progress.pruned} pruned, "
        f"{progress.failed} failed), {progress.running} running"
    )
