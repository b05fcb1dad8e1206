"""A search over the settings of an experiment of section `experiments`, led or joined."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from tmdscope.dataset.store import Dataset
from tmdscope.errors import UserError
from tmdscope.jobs.network_search import NAME, run_search, task_of
from tmdscope.jobs.study import Study
from tmdscope.params.images import DataParams
from tmdscope.params.search import experiment_of, read_search
from tmdscope.search.outcome import SearchOutcome
from tmdscope.stage import say
from tmdscope.tracking.search import SearchTask, await_search, join_search, open_searches
from tmdscope.tracking.store import open_study, search_storage_url


def make_task(study: Study, experiment: str) -> SearchTask:
    """Prepare the search of an experiment from what the stages before it wrote.

    It is named after the experiment and what determines its scores, so that a change of data, settings or
    code begins a new study; more trials go on with the same.
    """
    search, base = read_search(experiment, study.layout.settings)
    classes = study.section("data", DataParams).classes
    return task_of(study, experiment, (search, base), Dataset.load(study.layout.prepared), classes)


def search_experiment(study: Study, experiment: str) -> SearchOutcome:
    """Search the settings of an experiment, or go on with its search, and write what was found.

    Its folder gets ``best_params.yaml`` (the experiment with the settings found), ``trials.csv``,
    ``search.json`` and ``run.json``. `UserError` where no trial is complete.
    """
    return run_search(study, experiment, make_task(study, experiment))


def join_experiment_search(study: Study, name: str, wait_s: float = 0.0) -> int:
    """Work on the search of an experiment that another process leads, and count the trials that ended here.

    `name` is Optuna's, or the experiment's for the search of what is here; it is waited for up to `wait_s` s.
    `UserError` where there is none, it is about other data, settings or code, its storage is for one process,
    or its runs are in another MLflow store.
    """
    experiment = experiment_of(name, study.layout.settings)
    task = make_task(study, experiment)
    if name != experiment:
        task = replace(task, name=name)
    _require_server()
    storage = open_searches()
    await_search(storage, task.name, wait_s)
    return join_search(open_study(study.experiment, NAME), storage, task)


@contextmanager
def local_workers(experiment: str, count: int, params: Path) -> Iterator[None]:
    """Let other processes of this machine work on a search while this one leads it.

    There are `count` beside this one; each gets its share of the cores. `UserError` where the storage of
    searches is for one process.
    """
    if count:
        _require_server()
    threads = max(1, (os.cpu_count() or 1) // (count + 1))
    command = [sys.executable, "-m", "tmdscope.cli", "search-worker", experiment]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    if count:
        torch.set_num_threads(threads)
    started = [
        subprocess.Popen(  # noqa: S603
            [*command, "--wait", "600", "--params", str(params)], env=environment
        )
        for _ in range(count)
    ]
    try:
        yield
    except BaseException:
        for process in started:
            process.terminate()  # it gives its trial back
        raise
    finally:
        for process in started:  # after the last trial each ends by itself
            if process.wait() > 0:
                say(f"a worker (process {process.pid}) failed, with exit status {process.returncode}")


def _require_server() -> None:
    if (url := search_storage_url()).startswith("sqlite:"):
        raise UserError(
            f"{url} is for one process; name a PostgreSQL database in TMDSCOPE_SEARCH_STORAGE to search with "
            "more"
        )
