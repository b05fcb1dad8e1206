"""MLflow runs of an experiment and its folds, written in few calls."""

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import pandas as pd
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric, Param, RunTag

from tmdscope.address import without_secrets
from tmdscope.files import write_json, write_table
from tmdscope.names import key_of
from tmdscope.scores.facts import Facts
from tmdscope.scores.scored import FACTS, PREDICTIONS
from tmdscope.tracking.models import Program, find_program, log_program
from tmdscope.tracking.owner import is_left, mine
from tmdscope.tracking.registry import TASK
from tmdscope.tracking.store import Store, all_pages, experiments_of

Status = Literal["FINISHED", "FAILED", "KILLED"]
"""How a run ends."""

ATTEMPT = "attempt"
"""Tag by which the runs of an interrupted cross-validation are found again."""

OWNER = "process"
"""Tag with the process that a run is open in, see `tmdscope.tracking.owner`."""

_PARAM_CHARACTERS = 6000
_DIGEST_CHARACTERS = 32
_BATCH_METRICS = 1000


@dataclass(frozen=True)
class DataUse:
    """The data set that a run reads.

    MLflow shows the first 32 digits of `sha256`, tag ``data.sha256`` has all. `source` is where the data are,
    `context` what the run does with them, such as ``crossval``.
    """

    name: str
    sha256: str
    source: str
    images: int
    context: str


@dataclass(frozen=True)
class Dossier:
    """What is kept with a model that is registered; cards and listings rest on the `facts`."""

    program: Program
    predictions: pd.DataFrame
    facts: Facts


@dataclass
class TrackedRun:
    """One MLflow run, ended as its block ends; what one that is `reopened` holds is not logged again."""

    study: Store
    run_id: str
    reopened: bool = False

    def __enter__(self) -> Self:
        """Give the run, which is open already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the run."""
        killed = isinstance(error, KeyboardInterrupt)
        self.end("FINISHED" if error is None else "KILLED" if killed else "FAILED")

    def params(self, params: Mapping[str, Any]) -> None:
        """Log parameters, nested ones with dots in their names, as `tmdscope.names.key_of` gives these."""
        entries = [
            Param(key_of(key), without_secrets(str(value))[:_PARAM_CHARACTERS])
            for key, value in flatten(params).items()
        ]
        self.study.client.log_batch(self.run_id, params=entries)

    def metrics(self, scores: Mapping[str, float], step: int = 0) -> None:
        """Log metrics of a step, such as an epoch, in one call."""
        self.history([scores], step)

    def history(self, scores: Sequence[Mapping[str, float]], first_step: int = 1) -> None:
        """Log metrics of steps from `first_step` on in one call per thousand; names as for `params`."""
        now = int(time.time() * 1000)
        entries = [
            Metric(key, float(value), now, step)
            for step, entry in enumerate(scores, first_step)
            for key, value in ((key_of(name), value) for name, value in entry.items())
            if not self._has_metric(key, step)
        ]
        for start in range(0, len(entries), _BATCH_METRICS):
            self.study.client.log_batch(self.run_id, metrics=entries[start : start + _BATCH_METRICS])

    def tags(self, tags: Mapping[str, str]) -> None:
        """Set tags in one call."""
        entries = [RunTag(key, without_secrets(value)) for key, value in tags.items()]
        self.study.client.log_batch(self.run_id, tags=entries)

    def dataset(self, data: DataUse) -> None:
        """Log the data set the run reads."""
        entity = Dataset(
            name=data.name,
            digest=data.sha256[:_DIGEST_CHARACTERS],
            source_type="dvc",
            source=json.dumps({"source": data.source}),
            profile=json.dumps({"images": data.images}),
        )
        tags = [InputTag("mlflow.data.context", data.context)]
        self.study.client.log_inputs(self.run_id, [DatasetInput(entity, tags)])

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Log a file, into a folder among the run's artifacts."""
        self.study.client.log_artifact(self.run_id, str(path), folder)

    def end(self, status: Status) -> None:
        """Mark the run as over."""
        self.study.client.set_terminated(self.run_id, status)

    def program(self, program: Program, name: str = "model") -> str:
        """Log a model as an exported program and give MLflow's URI of it; `name` is shown in the UI."""
        logged = find_program(self.study, self.run_id, name) if self.reopened else None
        return logged or log_program(self.run_id, program, name)

    def output(self, uri: str) -> None:
        """Note a model that another run has logged, ``models:/m-...``, as an output of this one, once."""
        model_id = uri.removeprefix("models:/")
        outputs = self.study.client.get_run(self.run_id).outputs
        if model_id not in [model.model_id for model in outputs.model_outputs]:
            self.study.client.log_outputs(self.run_id, [LoggedModelOutput(model_id, step=0)])

    def dossier(self, dossier: Dossier) -> str:
        """Log a model with its predictions and facts, and give MLflow's URI of it."""
        with tempfile.TemporaryDirectory(prefix="tmdscope-") as folder:
            write_table(Path(folder) / PREDICTIONS, dossier.predictions)
            write_json(Path(folder) / FACTS, dossier.facts.to_dict())
            self.study.client.log_artifacts(self.run_id, folder)
        self.tags({TASK: json.dumps(dossier.facts.task.record())})
        return self.program(dossier.program)

    def _has_metric(self, key: str, step: int) -> bool:
        if not self.reopened:
            return False
        return any(entry.step == step for entry in self.study.client.get_metric_history(self.run_id, key))


def start_run(
    study: Store,
    name: str,
    tags: Mapping[str, str],
    parent: TrackedRun | None = None,
    data: DataUse | None = None,
    attempt: str | None = None,
    fresh: bool = False,
) -> TrackedRun:
    """Open a run, for a ``with`` block or for whoever ends it; and end those of processes that are gone.

    It is shown under `parent`. `attempt` names one that a killed process may have begun: a run of this name
    in it is gone on with, unless the attempt is known to be a new one (`fresh`).
    """
    if parent is None:
        end_orphans(study)
    lineage = {} if parent is None else {"mlflow.parentRunId": parent.run_id}
    tags = {OWNER: mine(), **tags}
    if attempt is not None:
        lineage[ATTEMPT] = attempt
    begun = []
    if attempt is not None and not fresh:
        wanted = {f"tags.`{key}`": value for key, value in lineage.items()} | {"attributes.run_name": name}
        query = " and ".join(f"{key} = '{value}'" for key, value in wanted.items())
        begun = study.client.search_runs([study.experiment_id], query, max_results=1)
    if not begun:
        shown = {key: without_secrets(value) for key, value in {**tags, **lineage}.items()}
        created = study.client.create_run(study.experiment_id, tags=shown, run_name=name)
        run = TrackedRun(study, created.info.run_id)
    else:
        run = TrackedRun(study, begun[0].info.run_id, reopened=True)
        study.client.update_run(run.run_id, status="RUNNING")
        run.tags(tags)
    if data is not None:
        run.dataset(data)
    return run


def end_attempt(study: Store, attempt: str) -> None:
    """Mark the runs of an attempt that will not go on as killed."""
    query = f"tags.{ATTEMPT} = '{attempt}' and attributes.status = 'RUNNING'"
    for run in all_pages(study.client.search_runs, [study.experiment_id], query):
        study.client.set_terminated(run.info.run_id, "KILLED")


def end_orphans(study: Store, lapses_s: float = float("inf"), clock: Callable[[], float] = time.time) -> None:
    """End the runs of a study that killed processes have left, and those older than `lapses_s`."""
    of_study = experiments_of(study.client, study.name)
    for run in all_pages(study.client.search_runs, of_study, "attributes.status = 'RUNNING'"):
        age_s = clock() - run.info.start_time / 1000
        if is_left(run.data.tags.get(OWNER, "")) or age_s > lapses_s:
            orphan = TrackedRun(study, run.info.run_id)
            orphan.tags({"problem": "cut off: its process ended before it did"})
            orphan.end("KILLED")


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn nested mappings into one level with dotted names, `prefix` before each."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def numbers(nested: Mapping[str, Any]) -> dict[str, float]:
    """Pick what can be a metric, by dotted name."""
    return {key: value for key, value in flatten(nested).items() if isinstance(value, int | float)}
