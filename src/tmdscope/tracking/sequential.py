"""Sequences in MLflow: a run per sequence, below it one per stage and control, below those one per fold."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tmdscope.learn.recorder import Recorder, Silent
from tmdscope.learn.resume import Resume
from tmdscope.scores.folds import PARTS, mean_over_folds
from tmdscope.scores.task import Task, read_task
from tmdscope.sequential.plan import Plan, Training
from tmdscope.sequential.record import StageVersion
from tmdscope.sequential.run import StageResult, stage_target
from tmdscope.tracking.crossval import TrackedCrossval
from tmdscope.tracking.registration import register_model, with_run
from tmdscope.tracking.registry import Version, find_version
from tmdscope.tracking.runs import ATTEMPT, DataUse, Dossier, TrackedRun, end_attempt, flatten, start_run
from tmdscope.tracking.store import Store, all_pages

Package = Callable[[StageResult], Dossier | None]
"""Compiles what is kept with the model of a training; None where it is not to be registered."""


@dataclass
class TrackedSequences:
    """A listener that writes to MLflow, see `tmdscope.sequential.run.SequenceRecorder`.

    Runs of an attempt that goes on are reopened, those that had ended are left as they are. `settings` are
    logged as every sequence's parameters; `model` is the registered model of all classes (those of fewer have
    their number behind the name); `before` are versions of first stages that were there before.
    """

    study: Store
    plan: Plan
    tags: Mapping[str, str]
    data: DataUse
    settings: Mapping[str, Any]
    resume: Resume
    package: Package | None = None
    model: str = ""
    before: Mapping[Training, Version] = field(default_factory=dict)

    _registered: dict[Training, Version] = field(default_factory=dict, init=False)
    _stack: ExitStack = field(default_factory=ExitStack, init=False)
    _sequences: dict[str, TrackedRun] = field(default_factory=dict, init=False)
    _open: TrackedRun | None = field(default=None, init=False)
    _ended: dict[tuple[str, str], str] = field(default_factory=dict, init=False)

    def __enter__(self) -> Self:
        """Find what an interrupted attempt has left."""
        if self.resume.abandoned is not None:
            end_attempt(self.study, self.resume.abandoned)
        if self.resume.begun:
            query = f"tags.{ATTEMPT} = '{self.resume.attempt}' and attributes.status = 'FINISHED'"
            self._ended = {
                (run.data.tags.get("mlflow.parentRunId", ""), run.info.run_name): run.info.run_id
                for run in all_pages(self.study.client.search_runs, [self.study.experiment_id], query)
            }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the sequences' runs as what they were."""
        self._stack.__exit__(kind, error, trace)

    @contextmanager
    def stage(self, training: Training) -> Iterator[Recorder]:
        """Open the training's run, see `SequenceRecorder.stage`."""
        sequence = self._sequence(training)
        ended = self._ended.get((sequence.run_id, training.name))
        if ended is not None:
            version = find_version(self.study.client, self.model_of(training), ended)
            if version is not None:
                self._registered[training] = with_run(self.study.client, version)
            yield Silent()
            return
        tags = {**self.tags, **self._facts(training)}
        attempt, fresh = self.resume.attempt, not self.resume.begun
        with start_run(self.study, training.name, tags, sequence, self.data, attempt, fresh) as run:
            self._open = run
            yield TrackedCrossval(run, tags, self.data, attempt=attempt, fresh=fresh)
            self._open = None

    def finished(self, result: StageResult) -> None:
        """Log the training's scores and register its model, see `SequenceRecorder.finished`."""
        run, training = self._open, result.training
        if run is None:
            return
        dossier = None if self.package is None else self.package(result)
        if dossier is not None:
            parent = self.plan.parent(training)
            before = None if parent is None else {**self.before, **self._registered}.get(parent)
            epochs = len(result.folds[0].fit.history)  # and those of all that it descends from
            facts = {
                **self._facts(training),
                "parent_version": "none" if before is None else f"{before.name}/{before.number}",
                "split.sha256": self.tags.get("split.sha256", "none"),
                "epochs": str(epochs if before is None else epochs + int(before.tags["epochs"])),
            }
            uri, name, client = run.dossier(dossier), self.model_of(training), self.study.client
            version = register_model(client, name, uri, run.run_id, dossier.facts, facts)
            self._registered[training] = version
            run.tags({"version": version.uri})
        task = read_task(stage_target(self.plan, training).task)
        run.metrics(flatten(mean_over_folds([_shown(fold.scores, task) for fold in result.folds])))

    def model_of(self, training: Training) -> str:
        """Name the registered model of a training's classes; their number is behind it unless all."""
        known = len(training.stage.classes)
        return self.model if known == len(self.plan.order) else f"{self.model}-{known}"

    @property
    def sequences(self) -> dict[str, str]:
        """Name of each sequence to its run."""
        return {name: run.run_id for name, run in self._sequences.items()}

    @property
    def versions(self) -> list[StageVersion]:
        """Models that were registered, in the order of training."""
        return [
            StageVersion(v.name, v.number, t.encoding, len(t.stage.classes), t.volume, t.seed)
            for t, v in self._registered.items()
        ]

    def _sequence(self, training: Training) -> TrackedRun:
        name = training.sequence
        if name not in self._sequences:
            tags = {**self.tags, "encoding": training.encoding, "seed": str(training.seed)}
            attempt = (self.resume.attempt, not self.resume.begun)
            run = start_run(self.study, name, tags, None, self.data, *attempt)
            self._sequences[name] = self._stack.enter_context(run)
            run.params(self.settings)
        return self._sequences[name]

    def _facts(self, training: Training) -> dict[str, str]:
        return {
            "arm": training.arm,
            "stage": training.stage.name,
            "materials": ", ".join(training.stage.classes),
            "volume": str(training.volume),
            "encoding": training.encoding,
            "seed": str(training.seed),
            "start": "none" if self.plan.parent(training) is None else self.plan.params.start,
        }


def _shown(scores: Mapping[str, float], task: Task) -> dict[str, float]:
    """Pick what a stage's run shows: the task's metrics, and what is told of each class of the test."""
    metrics = {f"{part}_{metric.name}" for part in PARTS for metric in task.metrics}
    return {k: v for k, v in scores.items() if k in metrics or (k.startswith("test_") and "." in k)}
