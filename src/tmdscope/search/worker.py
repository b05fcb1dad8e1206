"""The loop of one process that works on a study: claim, train fold by fold, report, end."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from tmdscope.scores.folds import mean_std
from tmdscope.search.places import PLACE, Progress
from tmdscope.search.storage import StorageError
from tmdscope.search.study import RETRY_OF, SearchStudy
from tmdscope.search.trials import FoldOutcome, Job, Objective, SearchRecorder
from tmdscope.stage import say

EPOCHS = "epochs"
"""Note on a trial: passes over training parts that it took."""

LEFT_OUT = "left_out"
"""Note on a complete trial: for each fold what `tmdscope.learn.selection.LeftOutFold` holds."""

_IDLE_S = 1.0


def work(
    study: SearchStudy,
    objective: Objective,
    recorder: SearchRecorder,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> int:
    """Work on a study until all of its places are over, whoever holds them; gives how many trials ended here.

    `on_progress` hears how far it is, after every batch of trials and while waiting for others.
    `StorageError` where the storage cannot be written any more; trials that had ended are safe.
    """
    ended = 0
    while True:
        batch = _Batch(study, objective, recorder)
        ended += batch.run()
        study.reclaim()
        progress = study.places.progress
        on_progress(progress)
        over = progress.over >= study.params.trials
        if over or not batch.trials:
            _settle(study, recorder)
        if over:
            return ended
        if not batch.trials:
            time.sleep(_IDLE_S)


def await_running(study: SearchStudy) -> None:
    """Wait, in sqlite, until what runs has ended or is taken for dead: later places then know its scores."""
    while study.storage.is_local and (running := study.places.progress.running):
        name = study.study.study_name
        say(f"{name}: waiting for {running} running trials, of another process or a killed one")
        time.sleep((study.storage.grace_period or 0) / 4)
        study.reclaim()


def _settle(study: SearchStudy, recorder: SearchRecorder) -> None:
    """Let one process at a time end what dead workers left open: two at once would fail one of them."""
    states = {trial.number: trial.state.name for trial in study.trials()}
    with study.storage.retry(study.storage.lock):
        recorder.settle(states)


@dataclass
class _Batch:
    """Trials of one process that run at once; the `live` ones go on."""

    study: SearchStudy
    objective: Objective
    recorder: SearchRecorder
    trials: list[optuna.Trial] = field(default_factory=list)
    live: list[Job] = field(default_factory=list)
    ended: int = 0

    def run(self) -> int:
        with self.study.signs_of_life(self.trials):
            try:
                self._claim()
                for fold in range(self.objective.folds):
                    self._run_fold(fold)
                for job in list(self.live):
                    self._end(job, TrialState.COMPLETE)
            except BaseException:
                self._give_back()
                raise
        return self.ended

    def _claim(self) -> None:
        """Take places that run at once, the same after a kill, each drawn in sight of those before it."""
        together, end = self.objective.together, None
        while len(self.trials) < together and (trial := self.study.claim(end)) is not None:
            self.trials.append(trial)
            notes = trial.user_attrs
            end = notes[PLACE] // together * together + together
            with suppress(UpdateFinishedTrialError):  # taken for dead while it was drawn
                settings = self.study.draw(trial, self.objective.settings)
                recorder = self.recorder.trial(trial.number, settings, notes.get(RETRY_OF))
                self.live.append(Job(trial, settings, recorder))

    def _run_fold(self, fold: int) -> None:
        if not self.live:
            return
        on_epoch = [partial(self._close_epoch, job, fold) for job in self.live]
        outcomes = self.objective.run_fold(fold, self.live, on_epoch)
        for job, outcome in zip(list(self.live), outcomes, strict=True):
            self._close_fold(job, fold, outcome)

    def _close_epoch(self, job: Job, fold: int, epoch: int, score: float) -> bool:
        return self.study.report(job.trial, self.study.steps.of_epoch(fold, epoch), score)

    def _close_fold(self, job: Job, fold: int, outcome: FoldOutcome) -> None:
        job.epochs += outcome.epochs
        if outcome.ended == "failed":
            self._end(job, TrialState.FAIL, outcome.error)
            return
        given_up = outcome.ended == "pruned"
        if not given_up:
            job.outcomes.append(outcome)
            last = fold == self.objective.folds - 1
            given_up = self.study.report(job.trial, self.study.steps.of_fold(fold), outcome.score, last)
        if given_up:
            self._end(job, TrialState.PRUNED)

    def _end(self, job: Job, state: TrialState, error: str | None = None) -> None:
        scores: dict[str, float] = {"folds": len(job.scores), EPOCHS: job.epochs}
        value, name = None, f"val_{self.objective.metric.name}"
        if job.scores:
            found = mean_std(job.scores)
            scores |= {name: found["mean"], f"{name}.std": found["std"]}
            value = found["mean"] if state == TrialState.COMPLETE else None
        job.recorder.finish(state.name, scores, error or "")  # first: a score in the study has its run
        notes: dict[str, Any] = {EPOCHS: job.epochs}
        if state == TrialState.COMPLETE and (left_out := job.left_out(self.objective.metric)) is not None:
            notes[LEFT_OUT] = [[fold.others, fold.own] for fold in left_out]
        counts = self.study.tell(job.trial, state, value, notes, error)
        job.recorder.close(counts)
        self.live.remove(job)
        self.ended += counts

    def _give_back(self) -> None:
        """Let others have what did not end here."""
        recorders = {job.trial.number: job.recorder for job in self.live}
        for trial in self.trials:
            try:
                self.study.tell(trial, TrialState.FAIL)  # one that has ended stays as it is
                if trial.number in recorders:
                    recorders[trial.number].close(counts=False)
            except StorageError:
                return  # their silence will be noticed
            except Exception as error:
                say(f"trial {trial.number} could not be given back: {error}")
