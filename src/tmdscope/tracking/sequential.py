"""Sequences in MLflow: a run per sequence, below it one per stage and control, below those one per fold."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd
from mlflow.entities import Run, ViewType
from torch import nn

from tmdscope.files import write_table, write_text
from tmdscope.learn.experiment import Experiment
from tmdscope.learn.recorder import Recorder, Silent
from tmdscope.learn.resume import Resume
from tmdscope.models.tabular import mean_over_folds
from tmdscope.record import write_record
from tmdscope.sequential.plan import Plan, Training
from tmdscope.sequential.run import Bench, StageResult, run_sequences
from tmdscope.tracking.crossval import TrackedCrossval
from tmdscope.tracking.dossier import Dossier, Trained
from tmdscope.tracking.provenance import whereabouts
from tmdscope.tracking.registration import register_model
from tmdscope.tracking.registry import Version, find_version
from tmdscope.tracking.runs import ATTEMPT, DataUse, TrackedRun, end_attempt, flatten, start_run
from tmdscope.tracking.store import Study

Package = Callable[[StageResult], Dossier | None]
"""Compiles what is kept with the model of a training; None where it is not to be registered."""


class TrackedSequences:
    """A listener that writes to MLflow, see `tmdscope.sequential.run.SequenceRecorder`.

    Runs of an attempt that goes on are reopened, those that had ended are left as they are. `settings` are
    logged as every sequence's parameters. `model` is the registered model of all classes; those of fewer have
    their number behind the name.
    """

    def __init__(
        self,
        study: Study,
        plan: Plan,
        tags: Mapping[str, str],
        data: DataUse,
        settings: Mapping[str, Any],
        resume: Resume,
        package: Package | None = None,
        model: str = "",
    ) -> None:
        self.study = study
        self.plan = plan
        self.tags = tags
        self.data = data
        self.settings = settings
        self.resume = resume
        self.package = package
        self.model = model
        self.versions: dict[Training, Version] = {}
        self._stack = ExitStack()
        self._sequences: dict[str, TrackedRun] = {}
        self._open: TrackedRun | None = None
        self._ended: dict[tuple[str, str], str] = {}

    def __enter__(self) -> Self:
        """Find what an interrupted attempt has left."""
        if self.resume.abandoned is not None:
            end_attempt(self.study, self.resume.abandoned)
        if self.resume.begun:
            self._ended = {
                (run.data.tags.get("mlflow.parentRunId", ""), run.info.run_name): run.info.run_id
                for run in self._find_ended()
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
                self.versions[training] = version
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
            before = None if parent is None else self.versions.get(parent)
            facts = {
                **self._facts(training),
                "parent_version": "none" if before is None else f"{before.name}/{before.number}",
                "split.sha256": self.tags.get("split.sha256", "none"),
                "epochs": str(self._total_epochs(result)),
            }
            uri = run.dossier(dossier)
            self.versions[training] = register_model(
                self.study.client, self.model_of(training), uri, run.run_id, dossier.facts, facts
            )
            run.tags({"version": self.versions[training].uri})
        run.metrics(flatten(mean_over_folds([_shown(fold.scores) for fold in result.folds])))

    def model_of(self, training: Training) -> str:
        """Name the registered model of a training's classes; their number is behind it unless all."""
        known = len(training.stage.classes)
        return self.model if known == len(self.plan.order) else f"{self.model}-{known}"

    @property
    def sequences(self) -> dict[str, str]:
        """Name of each sequence to its run."""
        return {name: run.run_id for name, run in self._sequences.items()}

    def _sequence(self, training: Training) -> TrackedRun:
        name = training.sequence
        if name not in self._sequences:
            tags = {**self.tags, "encoding": training.encoding, "seed": str(training.seed)}
            run = self._stack.enter_context(
                start_run(self.study, name, tags, None, self.data, self.resume.attempt, not self.resume.begun)
            )
            run.params(self.settings)
            self._sequences[name] = run
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

    def _total_epochs(self, result: StageResult) -> int:
        """Epochs of a model and of those that it descends from."""
        own = len(result.folds[0].fit.history)
        parent = self.plan.parent(result.training)
        if parent is None or parent not in self.versions:
            return own
        return own + int(self.versions[parent].tags["epochs"])

    def _find_ended(self) -> list[Run]:
        query = f"tags.{ATTEMPT} = '{self.resume.attempt}' and attributes.status = 'FINISHED'"
        found: list[Run] = []
        token = None
        while True:
            page = self.study.client.search_runs(
                [self.study.experiment_id], query, ViewType.ACTIVE_ONLY, max_results=1000, page_token=token
            )
            found += page
            token = page.token
            if not token:
                return found


def _shown(scores: Mapping[str, float]) -> dict[str, float]:
    """Pick what a stage's run shows: accuracy and macro F1, and on the test recall."""
    shown = ("_accuracy", "_macro_f1")
    return {
        name: value
        for name, value in scores.items()
        if (name.endswith(shown) and "exact" not in name) or name.startswith("test_recall.")
    }


@dataclass(frozen=True)
class SequenceOutcome:
    """What a tracked sequence gave, in the plan's order.

    `sequences` is name to run; `versions` have ``name, number, encoding, materials, volume, seed``.
    """

    results: list[StageResult]
    sequences: dict[str, str]
    versions: list[dict[str, Any]]


def track_sequences(
    study: Study,
    plan: Plan,
    bench: Bench,
    tags: Mapping[str, str],
    data: DataUse,
    settings: Mapping[str, Any],
    resume: Resume,
    package: Package | None = None,
    model: str = "",
    known: Sequence[StageResult] = (),
    before: Mapping[Training, Version] | None = None,
) -> SequenceOutcome:
    """Train all that a plan names and track it, as `TrackedSequences`.

    `known` are first stages that were there before, `before` are their versions.
    """
    with TrackedSequences(study, plan, tags, data, settings, resume, package, model) as recorder:
        recorder.versions.update(before or {})
        results = run_sequences(plan, bench, recorder, resume, known)
    versions = [
        {
            "name": version.name,
            "number": version.number,
            "encoding": training.encoding,
            "materials": len(training.stage.classes),
            "volume": training.volume,
            "seed": training.seed,
        }
        for training, version in recorder.versions.items()
        if training not in (before or {})
    ]
    return SequenceOutcome(results, recorder.sequences, versions)


@dataclass(frozen=True)
class SequenceFiles:
    """Where a stage leaves what its sequences gave.

    `found` is JSON: ``enabled``, and the summary, settings, seconds and versions where it is true. `panels`
    is a CSV of the latent panels, `runs` JSON with the store and the run of each sequence.
    """

    found: Path
    panels: Path
    runs: Path


def write_disabled(files: SequenceFiles, of: Mapping[str, str]) -> None:
    """Say that sequences are left out; all files are written, as a stage must have its outputs."""
    write_text(files.panels, "")
    write_record(files.found, {"enabled": False}, of, [files.panels])
    write_record(files.runs, {"runs": {}}, of)


def write_outcome(
    files: SequenceFiles,
    study: Study,
    tags: Mapping[str, str],
    outcome: SequenceOutcome,
    found: Mapping[str, Any],
    panels: pd.DataFrame,
    of: Mapping[str, str],
) -> None:
    """Write what sequences gave; `of` is ``data`` and ``split`` to a SHA-256.

    `found` is summary, settings and seconds, `panels` as `tmdscope.sequential.drift.latent_panels`.
    """
    write_table(files.panels, panels)
    content = {"enabled": True, "versions": outcome.versions, **found}
    write_record(files.found, content, of, [files.panels])
    write_record(files.runs, {**whereabouts(study, tags), "runs": outcome.sequences}, of)


def merge(outcomes: Sequence[SequenceOutcome]) -> SequenceOutcome:
    """Put the outcomes of several encodings together, in the plan's order."""
    return SequenceOutcome(
        results=[result for outcome in outcomes for result in outcome.results],
        sequences={name: run for outcome in outcomes for name, run in outcome.sequences.items()},
        versions=[version for outcome in outcomes for version in outcome.versions],
    )


def gather(experiment: Experiment, result: StageResult) -> Trained:
    """Put the folds' kept weights of a training back into models."""
    models: list[nn.Module] = []
    for state in result.states:
        models.append(experiment.build())
        models[-1].load_state_dict(dict(state))
    return Trained(experiment, models, result.folds, result.parts)
