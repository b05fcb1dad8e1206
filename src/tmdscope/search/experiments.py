"""Trials that are experiments: networks one after another, heads on stored features many at once.

The held-out test is no part of what is built here: its rows are left out before anything is trained.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import optuna
import torch
from torch import nn

from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.batched import HeadMember, shared_settings, train_heads
from tmdscope.learn.crossval import fold_seed
from tmdscope.learn.experiment import Experiment
from tmdscope.learn.fit import DivergedError, FitResult, FitSettings, fit
from tmdscope.learn.recorder import FoldRecorder
from tmdscope.params.experiments import ExperimentParams, Strategy
from tmdscope.params.reading import parse_section
from tmdscope.params.search import SearchParams
from tmdscope.scores.task import CLASSES, Metric, Task
from tmdscope.search.space import suggest
from tmdscope.search.trials import FoldOutcome, Job, OnEpoch, Settings

Make = Callable[[ExperimentParams], Experiment]
"""Prepares an experiment from its settings."""


class ExperimentObjective:
    """Mean validation score of an experiment under varied settings, see `Objective`.

    Tests of the folds are left out.
    """

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
        self.rows = np.unique(np.concatenate([rows for fold in parts for rows in (fold.train, fold.val)]))
        self.parts = [
            tuple(torch.from_numpy(np.searchsorted(self.rows, rows)) for rows in (fold.train, fold.val))
            for fold in parts
        ]
        self._experiments: dict[int, Experiment] = {}

    @property
    def folds(self) -> int:
        """Number of folds."""
        return len(self.parts)

    @property
    def epochs(self) -> int:
        """Most epochs of a fold."""
        varied = self.search.space.get("epochs")
        return self.base.epochs if varied is None else max(int(end) for end in varied.ends)

    @property
    def together(self) -> int:
        """Trials that run at once."""
        return self.search.together

    def settings(self, trial: optuna.Trial) -> Settings:
        """Draw the settings of a trial, see `Objective.settings`."""
        return suggest(trial, self.search.space, self.base.model_dump(mode="json"))

    def run_fold(self, fold: int, jobs: Sequence[Job], on_epoch: Sequence[OnEpoch]) -> list[FoldOutcome]:
        """Run one fold of some trials, see `Objective.run_fold`."""
        params = [with_settings(self.base, job.settings) for job in jobs]
        alone = [number for number, entry in enumerate(params) if entry.strategy is not Strategy.FEATURES]
        outcomes = {
            number: self._train_alone(fold, jobs[number], params[number], on_epoch[number])
            for number in alone
        }
        heads = [number for number in range(len(jobs)) if number not in outcomes]
        outcomes |= self._train_heads(
            fold, {number: jobs[number] for number in heads}, {number: params[number] for number in heads}
        )
        return [outcomes[number] for number in range(len(jobs))]

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
            except _GivenUpError:
                listener.finish({"epochs": watched.epochs}, None)
                return FoldOutcome("pruned", epochs=watched.epochs)
            except DivergedError as error:
                listener.finish({"epochs": watched.epochs}, None)
                return FoldOutcome("failed", epochs=watched.epochs, error=str(error))
            listener.finish(_final(fitted, self.metric), None)
        return _scored(fitted, settings)

    def _train_heads(
        self, fold: int, jobs: Mapping[int, Job], params: Mapping[int, ExperimentParams]
    ) -> dict[int, FoldOutcome]:
        train, val = self.parts[fold]
        experiments = {number: self._experiment(job, params[number]) for number, job in jobs.items()}
        members = {
            number: HeadMember(
                train,
                val,
                replace(entry.settings, seed=fold_seed(entry.settings.seed, fold)),
                params[number].dropout,
            )
            for number, entry in experiments.items()
        }
        outcomes: dict[int, FoldOutcome] = {}
        for batch in _alike(members):
            first = experiments[batch[0]]
            for number, fitted in zip(batch, _train(first, [members[n] for n in batch]), strict=True):
                with jobs[number].recorder.fold(fold) as listener:
                    outcomes[number] = _hear(listener, fitted, members[number].settings, self.metric)
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


class _Watched:
    """A fold's listener that may end the training."""

    def __init__(self, listener: FoldRecorder, on_epoch: OnEpoch, metric: Metric) -> None:
        self.metric = metric
        self.listener = listener
        self.on_epoch = on_epoch
        self.epochs = 0

    def epoch(self, number: int, scores: Mapping[str, float], kept: bool) -> None:
        self.listener.epoch(number, scores, kept)
        self.epochs = number
        if self.on_epoch(number, scores[f"val_{self.metric.name}"]):
            raise _GivenUpError

    def history(self, scores: Sequence[Mapping[str, float]]) -> None:
        self.listener.history(scores)

    def resumed(self, number: int) -> None:
        self.listener.resumed(number)

    def finish(self, scores: Mapping[str, float], model: nn.Module | None) -> None:
        self.listener.finish(scores, model)


def _alike(members: Mapping[int, HeadMember]) -> list[list[int]]:
    """Numbers of members that may train as one batch."""
    batches: dict[FitSettings, list[int]] = {}
    for number, member in members.items():
        batches.setdefault(shared_settings(member.settings), []).append(number)
    return list(batches.values())


def _train(experiment: Experiment, members: Sequence[HeadMember]) -> list[FitResult | DivergedError]:
    """Train heads at once; if one diverges, each alone, to know which."""
    try:
        results = train_heads(members, experiment.build, experiment.target, experiment.examples)
    except DivergedError as error:
        if len(members) == 1:
            return [error]
        return [result for member in members for result in _train(experiment, [member])]
    return [result.fit for result in results]


def _hear(
    listener: FoldRecorder, fitted: FitResult | DivergedError, settings: FitSettings, metric: Metric
) -> FoldOutcome:
    if isinstance(fitted, DivergedError):
        return FoldOutcome("failed", error=str(fitted))
    listener.history([scores.named(metric) for scores in fitted.history])
    listener.finish(_final(fitted, metric), None)
    return _scored(fitted, settings)


def _final(fitted: FitResult, metric: Metric) -> dict[str, float]:
    kept = fitted.history[fitted.kept_epoch - 1]
    return {
        f"val_{metric.name}": kept.val_score,
        "val_loss": kept.val_loss,
        "kept_epoch": float(fitted.kept_epoch),
        "epochs": float(len(fitted.history)),
    }


def _scored(fitted: FitResult, settings: FitSettings) -> FoldOutcome:
    history, kept = fitted.history, fitted.history[fitted.kept_epoch - 1]
    return FoldOutcome("scored", kept.val_score, len(history), history=history, rule=settings.checkpoint)
