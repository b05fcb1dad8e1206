"""A study of Optuna's that any number of processes work on: no trial is lost, none is made twice.

Every trial has a place, below the number of trials that is asked for. Under the storage's lock a worker
enqueues a trial for a free place and asks for it, so the budget is met exactly. A worker that dies stops
sending signs of life: its trial fails, and its place is enqueued again, with what it had drawn.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from tmdscope.errors import UserError
from tmdscope.materials import nearest
from tmdscope.params.search import SpaceParams
from tmdscope.scores.task import CLASSES, Metric
from tmdscope.search.places import DEATHS, ERROR, PLACE, Places
from tmdscope.search.pruning import Steps, make_pruner
from tmdscope.search.sampling import make_sampler
from tmdscope.search.storage import PatientStorage, StorageError, quiet
from tmdscope.search.trials import Settings

RETRY_OF = "retry_of"
"""Note on a trial: the number of the lost one that it repeats."""

_DRAWN = "drawn"
"""Note on a trial: its settings, once all are drawn, or those that it repeats."""

_IDENTITY = "identity"


@dataclass
class SearchStudy:
    """A study under way, as one process sees it."""

    study: optuna.Study
    storage: PatientStorage
    params: SpaceParams
    steps: Steps
    metric: Metric

    def trials(self) -> list[FrozenTrial]:
        """Read all trials, by number, those of lost workers included."""
        return self.storage.retry(lambda: self.study.get_trials(deepcopy=False))

    @property
    def places(self) -> Places:
        """What has become of every place, read anew."""
        return self.storage.retry(self._read)

    def claim(self, end: int | None = None) -> optuna.Trial | None:
        """Take a free place, before `end` where that is given, as a running trial, or None."""
        while (asked := self.storage.retry(lambda: self._ask(end))) is not None:
            trial, enqueued = asked
            if trial.number == enqueued:
                return trial
            self.tell(trial, TrialState.FAIL)  # enqueued twice by a cut connection, or by others
        return None

    def _ask(self, end: int | None) -> tuple[optuna.Trial, int] | None:
        """Ask for the trial of a free place; gives what Optuna gave, and the number that it should have."""
        with self.storage.lock(), quiet():
            now = self._read()
            place = next((place for place in now.free if end is None or place < end), None)
            if place is None:
                return None
            before = now.trials.get(place)
            if before is None or before.state == TrialState.FAIL:
                self._enqueue(place, before)
            name = self.study.study_name
            # first, so that a death right after is noticed
            for waiting in self.study.get_trials(deepcopy=False, states=[TrialState.WAITING]):
                self.storage.sign_of_life(name, waiting.number)
            self.study.sampler = make_sampler(
                self.params.sampler, self.params.seed, place, self.params.startup
            )
            return self.study.ask(), self._read().trials[place].number

    def _read(self) -> Places:
        return Places(self.study.get_trials(deepcopy=False), self.params.trials)

    def _enqueue(self, place: int, lost: FrozenTrial | None) -> None:
        """Enqueue a place: what its lost trial had drawn whole is drawn again, else all is drawn anew."""
        notes: dict[str, Any] = {PLACE: place}
        if lost is not None:
            deaths = lost.user_attrs.get(DEATHS, 0) + 1
            notes |= {RETRY_OF: lost.number, DEATHS: deaths, _DRAWN: lost.user_attrs.get(_DRAWN, {})}
        self.study.enqueue_trial(notes.get(_DRAWN, {}), user_attrs=notes)

    def draw(self, trial: optuna.Trial, settings: Callable[[optuna.Trial], Settings]) -> Settings:
        """Draw the settings of a trial, and note that all are drawn: whoever repeats it takes them over."""
        drawn = self.storage.retry(lambda: settings(trial))
        self.storage.retry(lambda: trial.set_user_attr(_DRAWN, trial.params))
        return drawn

    def report(self, trial: optuna.Trial, step: int, score: float, last: bool = False) -> bool:
        """Report a score; True where the trial is given up: pruned before its `last`, or taken for dead."""
        try:
            self.storage.retry(lambda: trial.report(score, step))
        except UpdateFinishedTrialError:
            return True
        return not last and self.storage.retry(trial.should_prune)

    def tell(
        self,
        trial: optuna.Trial,
        state: TrialState,
        value: float | None = None,
        notes: Mapping[str, Any] | None = None,
        error: str | None = None,
    ) -> bool:
        """End a running trial of this process; False where it was taken for dead before: the score is void.

        `error` is the trial's own, for `FAIL`: without one its place is free again. Notes are JSON-like.
        """
        end = partial(self.study.tell, trial, value, state, skip_if_finished=True)
        try:
            for key, content in {**(notes or {}), **({} if error is None else {ERROR: error})}.items():
                self.storage.retry(partial(trial.set_user_attr, key, content))
            told = self.storage.retry(end)
        except UpdateFinishedTrialError:
            told = self.storage.retry(end)
        same = told.state == state and told.user_attrs.get(ERROR) == error
        return bool(same and (value is None or told.value == value))

    def reclaim(self) -> None:
        """Fail trials whose worker has died, so that their places are free.

        After the storage was gone, workers have a while to send signs of life before any is taken for dead.
        """
        if time.monotonic() - self.storage.recovered_at < (self.storage.grace_period or 0):
            return
        with quiet():
            self.storage.retry(lambda: optuna.storages.fail_stale_trials(self.study))

    @contextmanager
    def signs_of_life(self, trials: Sequence[optuna.Trial]) -> Iterator[None]:
        """Keep running trials of this process, which may become more meanwhile, from being taken for dead."""
        ended = threading.Event()

        def _send() -> None:
            try:
                while not ended.wait(self.storage.heartbeat_interval):
                    for number in [trial.number for trial in trials]:
                        self.storage.retry(partial(self.storage.sign_of_life, self.study.study_name, number))
            except StorageError:
                return  # whoever writes the scores meets the same error and reports it
            finally:
                self.storage.remove_session()

        threading.Thread(target=_send, daemon=True, name="signs of life").start()
        try:
            yield
        finally:
            ended.set()


def open_search(
    storage: PatientStorage,
    name: str,
    params: SpaceParams,
    steps: Steps,
    identity: Mapping[str, str],
    make: bool = True,
    metric: Metric = CLASSES.primary,
) -> SearchStudy:
    """Open a study that improves a metric; where there is none it is made, unless another is to `make` it.

    `identity` is what determines a score: data, settings, code. `UserError` where the study that is there has
    another, or where there is none to join.
    """

    def _find() -> optuna.Study:
        if not make:
            return optuna.load_study(study_name=name, storage=storage)
        study = optuna.create_study(
            storage=storage, study_name=name, direction=metric.direction, load_if_exists=True
        )
        if _IDENTITY not in study.user_attrs:  # new, or whoever made it was killed right after
            study.set_user_attr(_IDENTITY, dict(identity))
        return study

    try:
        study = storage.retry(_find)
    except KeyError as error:
        known = storage.retry(lambda: optuna.get_all_study_names(storage))
        raise UserError(
            f"{storage.shown} has no study {name!r}; {nearest(name, known) if known else 'it has none'}; "
            "`tmdscope search` makes it"
        ) from error
    there = read_notes(storage, name).get(_IDENTITY, {})
    changed = sorted(key for key in {*there, *identity} if there.get(key) != identity.get(key))
    if changed:
        raise UserError(
            f"study {name!r} was made with other {', '.join(changed)} than are here: "
            "bring this copy of the project to the same commit, data and settings"
        )
    study.pruner = make_pruner(params, steps)
    return SearchStudy(study, storage, params, steps, metric)


def read_notes(storage: PatientStorage, name: str) -> dict[str, Any]:
    """Read what is noted on a study; nothing where there is none."""
    try:
        return storage.retry(lambda: optuna.load_study(study_name=name, storage=storage).user_attrs)
    except KeyError:
        return {}
