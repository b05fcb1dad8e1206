"""Trials that are experiments: networks one after another, heads on stored features many at once.

The held-out test is no part of what is built here: its rows are left out before anything is trained.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import optuna
import torch

from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.batched import HeadMember, shared_settings, train_heads
from tmdscope.learn.crossval import fold_seed
from tmdscope.learn.experiment import Experiment
from tmdscope.learn.fit import DivergedError, FitResult, FitSettings, fit
from tmdscope.learn.recorder import FoldRecorder, Silent
from tmdscope.params.experiments import ExperimentParams, Strategy
from tmdscope.params.reading import parse_section
from tmdscope.params.search import SearchParams
from tmdscope.scores.task import CLASSES, Metric, Task
from tmdscope.search.sampling import suggest
from tmdscope.search.trials import FoldOutcome, Job, OnEpoch, Settings

Make = Callable[[ExperimentParams], Experiment]
"""Prepares an experiment from its settings."""


class ExperimentObjective:
    """Mean validation score of an experiment under varied settings, see `Objective`; no test is seen."""

    def __init__(
        self,
        search: SearchParams,
        base: ExperimentParams,
        make: Make,
        parts: Sequence[FoldParts],
        task: Task = CLASSES,
    ) -> None:
        self.metric = task.primary
        self.search = search
        self.base = base
        self.make = make
        self.folds = len(parts)
        self.together = search.together
        varied = search.space.get("epochs")
        self.epochs = base.epochs if varied is None else max(int(end) for end in varied.ends)
        self.rows = np.unique(np.concatenate([rows for fold in parts for rows in (fold.train, fold.val)]))
        self.parts = [
            tuple(torch.from_numpy(np.searchsorted(self.rows, rows)) for rows in (fold.train, fold.val))
            for fold in parts
        ]
        self._experiments: dict[int, Experiment] = {}

    def settings(self, trial: optuna.Trial) -> Settings:
        """Draw the settings of a trial, see `Objective.settings`."""
        return suggest(trial, self.search.space, self.base.model_dump(mode="json"))

    def run_fold(self, fold: int, jobs: Sequence[Job], on_epoch: Sequence[OnEpoch]) -> list[FoldOutcome]:
        """Run one fold of some trials, see `Objective.run_fold`."""
        params = [with_settings(self.base, job.settings) for job in jobs]
        heads = [k for k, entry in enumerate(params) if entry.strategy is Strategy.FEATURES]
        outcomes = {
            k: self._train_alone(fold, job, params[k], on_epoch[k])
            for k, job in enumerate(jobs)
            if k not in heads
        }
        outcomes |= self._train_heads(fold, {k: jobs[k] for k in heads}, {k: params[k] for k in heads})
        return [outcomes[k] for k in range(len(jobs))]

    def _train_alone(self, fold: int, job: Job, params: ExperimentParams, on_epoch: OnEpoch) -> FoldOutcome:
        experiment = self._experiment(job, params)
        settings = replace(experiment.settings, seed=fold_seed(experiment.settings.seed, fold))
        train, val = self.parts[fold]
        torch.manual_seed(settings.seed)
        model = experiment.build()
        with job.recorder.fold(fold) as listener:
            watched = _Watched(listener, on_epoch, self.metric)
            try:
                fitted = fit(model, experiment.target, experiment.examples, train, val, settings, watched)
            except (_GivenUpError, DivergedError) as error:
                listener.finish({"epochs": watched.epochs}, None)
                given_up = isinstance(error, _GivenUpError)
                told = "" if given_up else str(error)
                return FoldOutcome("pruned" if given_up else "failed", epochs=watched.epochs, error=told)
            return _close(listener, fitted, settings, self.metric)

    def _train_heads(
        self, fold: int, jobs: Mapping[int, Job], params: Mapping[int, ExperimentParams]
    ) -> dict[int, FoldOutcome]:
        train, val = self.parts[fold]
        experiments = {number: self._experiment(job, params[number]) for number, job in jobs.items()}
        members: dict[int, HeadMember] = {}
        batches: dict[tuple[FitSettings, str, str], list[int]] = {}
        for number, entry in experiments.items():
            settings = replace(entry.settings, seed=fold_seed(entry.settings.seed, fold))
            members[number] = HeadMember(train, val, settings, params[number].dropout)
            seen = params[number].architecture, params[number].weights
            batches.setdefault((shared_settings(settings), *seen), []).append(number)
        outcomes: dict[int, FoldOutcome] = {}
        for batch in batches.values():
            first = experiments[batch[0]]
            for number, fitted in zip(batch, _train(first, [members[n] for n in batch]), strict=True):
                with jobs[number].recorder.fold(fold) as listener:
                    if isinstance(fitted, DivergedError):
                        outcomes[number] = FoldOutcome("failed", error=str(fitted))
                    else:
                        listener.history([scores.named(self.metric) for scores in fitted.history])
                        outcomes[number] = _close(listener, fitted, members[number].settings, self.metric)
        return outcomes

    def _experiment(self, job: Job, params: ExperimentParams) -> Experiment:
        """Make a trial's experiment without the test's rows; it is kept while the trial goes on."""
        number = job.trial.number
        if number not in self._experiments:
            if len(self._experiments) >= self.together:
                self._experiments.clear()
            made = self.make(params)
            rows = torch.from_numpy(self.rows).to(made.examples.inputs.device)
            self._experiments[number] = replace(made, examples=made.examples.take(rows))
        return self._experiments[number]


def with_settings(base: ExperimentParams, settings: Settings) -> ExperimentParams:
    """Give an experiment some other settings, checked; `ParamsError` where they do not go together."""
    content = {**base.model_dump(mode="json"), **settings}
    return parse_section("search", content, ExperimentParams, "the settings of a trial")


class _GivenUpError(Exception):
    """A training ends early, as it was asked to."""


@dataclass
class _Watched(Silent):
    """Hears a training's epochs, hands them on, and may end it."""

    listener: FoldRecorder
    on_epoch: OnEpoch
    metric: Metric
    epochs: int = 0

    def epoch(self, number: int, scores: Mapping[str, float], kept: bool) -> None:
        self.listener.epoch(number, scores, kept)
        self.epochs = number
        if self.on_epoch(number, scores[f"val_{self.metric.name}"]):
            raise _GivenUpError


def _train(experiment: Experiment, members: Sequence[HeadMember]) -> list[FitResult | DivergedError]:
    """Train heads at once; if one diverges, each alone, to know which."""
    try:
        results = train_heads(members, experiment.build, experiment.target, experiment.examples)
    except DivergedError as error:
        if len(members) == 1:
            return [error]
        return [result for member in members for result in _train(experiment, [member])]
    return [result.fit for result in results]


def _close(listener: FoldRecorder, fitted: FitResult, settings: FitSettings, metric: Metric) -> FoldOutcome:
    history, kept = fitted.history, fitted.history[fitted.kept_epoch - 1]
    scores = {f"val_{metric.name}": kept.val_score, "val_loss": kept.val_loss}
    listener.finish({**scores, "kept_epoch": fitted.kept_epoch, "epochs": len(history)}, None)
    return FoldOutcome("scored", kept.val_score, len(history), history=history, rule=settings.checkpoint)
