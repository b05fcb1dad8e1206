"""A cross-validation in MLflow: the experiment's run with its model, a child run per fold.

The model holds every fold's network; a fold's run has it as its output, so that no tensor is stored twice.
"""

from bisect import insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from operator import attrgetter

import numpy as np
from torch import nn

from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.crossval import FoldResult, cross_validate
from tmdscope.learn.experiment import Experiment
from tmdscope.learn.recorder import FoldRecorder
from tmdscope.learn.resume import Resume
from tmdscope.progress import TrainingTable
from tmdscope.run_record import ExperimentRun
from tmdscope.scores.task import read_task
from tmdscope.tracking.models import Program
from tmdscope.tracking.provenance import whereabouts
from tmdscope.tracking.runs import DataUse, Dossier, TrackedRun, end_attempt, start_run
from tmdscope.tracking.store import Store
from tmdscope.tracking.views import save_views, shown_metrics


@dataclass(frozen=True)
class Trained:
    """A cross-validated model: by fold its kept model, what that gave and the images that it saw."""

    experiment: Experiment
    models: Sequence[nn.Module]
    results: Sequence[FoldResult]
    folds: Sequence[FoldParts]

    @property
    def program(self) -> Program:
        """The folds' models as one."""
        config, labels = self.experiment.config, self.experiment.examples.labels.cpu().numpy()
        shown = set(labels[np.concatenate([fold.train for fold in self.folds])].tolist())
        trained = tuple(name for label, name in enumerate(config.classes) if label in shown)
        config = replace(config, members=len(self.models), trained=trained)
        return Program(self.experiment.assemble(self.models), config)


@dataclass
class TrackedFold(FoldRecorder):
    """A fold's listener that writes to its run, see `FoldRecorder`; `model` is the kept one."""

    run: TrackedRun
    number: int
    table: TrainingTable | None
    model: nn.Module | None = None
    epochs: Sequence[Mapping[str, float]] = ()

    def epoch(self, number: int, scores: Mapping[str, float], kept: bool) -> None:
        """Log the epoch's scores in one call, see `FoldRecorder.epoch`."""
        self.run.metrics({f"epoch_{name}": value for name, value in scores.items()}, step=number)
        if self.table is not None:
            self.table.epoch(self.number, number, scores, kept)

    def history(self, scores: Sequence[Mapping[str, float]]) -> None:
        """Keep the scores of all epochs for one call at the end, see `FoldRecorder.history`."""
        self.epochs = [{f"epoch_{name}": value for name, value in entry.items()} for entry in scores]

    def resumed(self, number: int) -> None:
        """Note on the run that it was interrupted, see `FoldRecorder.resumed`."""
        self.run.tags({"resumed_after_epoch": str(number)})
        if self.table is not None:
            self.table.resumed(self.number, number)

    def finish(self, scores: Mapping[str, float], model: nn.Module | None) -> None:
        """Log the final scores and keep the model, see `FoldRecorder.finish`."""
        self.run.history([scores, *self.epochs], first_step=0)
        self.model = model


@dataclass
class TrackedCrossval:
    """A recorder of a run per fold, see `Recorder`; it goes on with an `attempt` that is not `fresh`.

    `ended` are the folds that have ended, by their numbers.
    """

    parent: TrackedRun
    tags: Mapping[str, str]
    data: DataUse
    table: TrainingTable | None = None
    attempt: str | None = None
    fresh: bool = False
    ended: list[TrackedFold] = field(default_factory=list)

    @property
    def models(self) -> list[nn.Module]:
        """The ended folds' kept models."""
        return [fold.model for fold in self.ended if fold.model is not None]

    @contextmanager
    def fold(self, number: int) -> Iterator[TrackedFold]:
        """Open the fold's run, see `Recorder.fold`."""
        tags = {**self.tags, "fold": str(number)}
        study, name = self.parent.study, f"fold-{number}"
        with start_run(study, name, tags, self.parent, self.data, self.attempt, self.fresh) as run:
            if self.table is not None:
                self.table.fold(number)
            listener = TrackedFold(run, number, self.table)
            yield listener
        if self.table is not None:
            self.table.end(number)
        insort(self.ended, listener, key=attrgetter("number"))


def track_experiment(
    study: Store,
    name: str,
    tags: Mapping[str, str],
    data: DataUse,
    experiment: Experiment,
    folds: Sequence[FoldParts],
    on_results: Callable[[TrackedRun, Trained], Dossier],
    resume: Resume | None = None,
) -> ExperimentRun:
    """Cross-validate an experiment and track all of it; `name` is the experiment's and its run's.

    `on_results` gets the open run and the trained model and returns what is kept with it, whose scores become
    metrics. The runs of an attempt to `resume` are reopened, and nothing is logged twice.
    """
    attempt = None if resume is None else resume.attempt
    if resume is not None and resume.abandoned is not None:
        end_attempt(study, resume.abandoned)
    task, epochs = read_task(experiment.target.task), experiment.settings.epochs
    save_views(study, task)
    with (
        start_run(study, name, {**tags, "experiment": name}, data=data, attempt=attempt) as run,
        TrainingTable(name, len(folds), epochs, len(folds[0].train), task.primary) as table,
    ):
        recorder = TrackedCrossval(run, {**tags, "experiment": name}, data, table, attempt)
        of = (experiment.build, experiment.target, experiment.examples)
        results = cross_validate(*of, folds, experiment.settings, recorder, resume=resume)
        dossier = on_results(run, Trained(experiment, recorder.models, results, folds))
        facts = dossier.facts
        run.metrics(shown_metrics(task, facts.ensemble_test.values, facts.out_of_fold.values))
        uri = run.dossier(dossier)
        for fold in recorder.ended:
            fold.run.output(uri)
    return ExperimentRun(
        *(name, run.run_id, [fold.run.run_id for fold in recorder.ended], uri),
        **whereabouts(study, tags),
        data_sha256=data.sha256,
        split_sha256=tags.get("split.sha256", "none"),
    )
