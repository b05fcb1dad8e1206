"""A study for any number of processes: every trial has a place, and none is lost or filled twice.

Places are put up as waiting trials, some ahead of the workers. A worker claims one by changing its state,
which the database grants once; nobody adds a trial beyond the last place, so the budget is met exactly. A
worker that dies stops sending signs of life: its trials are failed, and their places are put up again with
the same settings. Where two processes put up the same place, the trial with the smaller number counts.
"""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import optuna
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState, create_trial

from tmdscope.errors import UserError
from tmdscope.materials import nearest
from tmdscope.params.search import SpaceParams
from tmdscope.search.pruning import Steps, make_pruner
from tmdscope.search.sampling import make_sampler
from tmdscope.search.storage import PatientStorage, StorageError, quiet
from tmdscope.stage import say

MAX_RETRIES = 10
"""Workers that may die on one place before it is given up."""

_AHEAD = 16
_SLOT = "slot"
_ERROR = "error"
_RETRY_OF = "retry_of"
_DRAWN = "drawn"
_IDENTITY = "identity"
_OVER = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Progress:
    """How far a study is, in places.

    Failed places are over by an error of the trial's own or after too many deaths; no worker holds waiting
    ones.
    """

    complete: int
    pruned: int
    failed: int
    running: int
    waiting: int

    @property
    def over(self) -> int:
        """Places that are over."""
        return self.complete + self.pruned + self.failed


class SearchStudy:
    """A study under way."""

    def __init__(
        self, study: optuna.Study, storage: PatientStorage, params: SpaceParams, steps: Steps
    ) -> None:
        self.study = study
        self.storage = storage
        self.params = params
        self.steps = steps

    @classmethod
    def create(
        cls,
        storage: PatientStorage,
        name: str,
        params: SpaceParams,
        steps: Steps,
        identity: Mapping[str, str],
    ) -> Self:
        """Make a study, which maximises, and put up its places, or go on with the one that is there.

        `identity` is what determines a score: data, settings, code. Whoever joins must have the same: else
        `UserError`.
        """
        try:
            study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
            study.set_user_attr(_IDENTITY, dict(identity))
        except DuplicatedStudyError:
            study = optuna.load_study(study_name=name, storage=storage)
            if _IDENTITY not in study.user_attrs:  # killed right after it was made
                study.set_user_attr(_IDENTITY, dict(identity))
        made = cls._checked(study, storage, params, steps, identity)
        made.put_up()
        return made

    @classmethod
    def join(
        cls,
        storage: PatientStorage,
        name: str,
        params: SpaceParams,
        steps: Steps,
        identity: Mapping[str, str],
    ) -> Self:
        """Open a study that another process has made; `UserError` where identities differ."""
        try:
            study = optuna.load_study(study_name=name, storage=storage)
        except KeyError as error:
            known = optuna.get_all_study_names(storage)
            raise UserError(
                f"{storage.shown} has no study {name!r}; {nearest(name, known) if known else 'it has none'}; "
                "`tmdscope search` makes it"
            ) from error
        return cls._checked(study, storage, params, steps, identity)

    @staticmethod
    def is_made(storage: PatientStorage, name: str, note: str) -> bool:
        """Say whether a study is there and bears what was noted last when it was made: it can be joined."""
        try:
            return note in storage.get_study_user_attrs(storage.get_study_id_from_name(name))
        except KeyError:
            return False

    @classmethod
    def _checked(
        cls,
        study: optuna.Study,
        storage: PatientStorage,
        params: SpaceParams,
        steps: Steps,
        identity: Mapping[str, str],
    ) -> Self:
        there = study.user_attrs.get(_IDENTITY, {})
        changed = sorted(key for key in {*there, *identity} if there.get(key) != identity.get(key))
        if changed:
            raise UserError(
                f"study {study.study_name!r} was made with other {', '.join(changed)} than are here: "
                "bring this copy of the project to the same commit, data and settings"
            )
        study.pruner = make_pruner(params, steps)
        return cls(study, storage, params, steps)

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.study.study_name

    def notes(self) -> dict[str, Any]:
        """Read what was noted on the study."""
        return dict(self.study.user_attrs)

    def note(self, key: str, value: Any) -> None:
        """Note something JSON-like on the study for all its workers."""
        self.study.set_user_attr(key, value)

    def claim(self, last: int | None = None) -> optuna.Trial | None:
        """Take a waiting place before `last`, as a running trial of this process; None where none waits."""
        end = self.params.trials if last is None else min(last, self.params.trials)
        trial = self._claim(end)
        if trial is None:
            self.put_up()
            trial = self._claim(end)
        return trial

    def note_drawn(self, trial: optuna.Trial) -> None:
        """Note that all settings of a trial are drawn: whoever repeats it takes them over."""
        trial.set_user_attr(_DRAWN, True)

    def slot_of(self, trial: optuna.Trial) -> int:
        """Say which place, from 0, a trial has."""
        return int(trial.user_attrs[_SLOT])

    def _claim(self, end: int) -> optuna.Trial | None:
        for slot, entries in sorted(self._by_slot().items()):
            waiting = entries[-1]
            if waiting.state != TrialState.WAITING or slot >= end:
                continue
            identifier = waiting._trial_id
            self.storage.record_heartbeat(identifier)  # first, so that a death right after is noticed
            if not self.storage.grant(identifier):
                continue
            self.study.sampler = make_sampler(
                self.params.sampler, self.params.seed, slot, self.params.startup
            )
            self.study._thread_local.cached_all_trials = None  # as `Study.ask` does: draw from what is now
            return optuna.Trial(self.study, identifier)
        return None

    def tell(
        self,
        trial: optuna.Trial,
        state: TrialState,
        value: float | None = None,
        notes: Mapping[str, Any] | None = None,
        error: str | None = None,
    ) -> bool:
        """End a running trial of this process; False where it was taken for dead before: the score is void.

        `error` is the trial's own, for `FAIL`: without one its place is put up again. Notes are JSON-like.
        """
        try:
            for key, content in {**(notes or {}), **({} if error is None else {_ERROR: error})}.items():
                trial.set_user_attr(key, content)
            told = self.study.tell(trial, value, state, skip_if_finished=True)
        except UpdateFinishedTrialError:
            told = self.storage.get_trial(trial._trial_id)
        same = told.state == state and told.user_attrs.get(_ERROR) == error
        return bool(same and (value is None or told.value == value))

    def retry_of(self, trial: optuna.Trial) -> int | None:
        """Say which dead worker's trial one repeats, by its number."""
        number: int | None = trial.user_attrs.get(_RETRY_OF)
        return number

    def put_up(self) -> None:
        """Put up places of dead workers again, and new ones until enough wait.

        Trials that wait are read from the database with every draw: only so many are put up that workers find
        one. One process at a time does so.
        """
        if not self._missing():
            return
        with self.storage.alone():
            for slot, dead in self._missing():
                if dead is None:
                    self.study.enqueue_trial({}, user_attrs={_SLOT: slot})
                else:
                    drawn = bool(dead.user_attrs.get(_DRAWN))  # else the rest would be drawn as nobody else's
                    again = create_trial(
                        state=TrialState.WAITING,
                        params=dead.params if drawn else {},
                        distributions=dead.distributions if drawn else {},
                        user_attrs={_SLOT: slot, _RETRY_OF: dead.number, _DRAWN: drawn},
                    )
                    self.study.add_trial(again)

    def _missing(self) -> list[tuple[int, FrozenTrial | None]]:
        """Places to put up, and the trial of a dead worker that is to be repeated in each."""
        slots = self._by_slot()
        waiting = sum(entries[-1].state == TrialState.WAITING for entries in slots.values())
        dead = [
            (slot, entries[-1])
            for slot, entries in sorted(slots.items())
            if slot < self.params.trials and entries[-1].state == TrialState.FAIL and not _is_over(entries)
        ]
        new = [slot for slot in range(self.params.trials) if slot not in slots]
        return [*dead, *((slot, None) for slot in new[: max(0, _AHEAD - waiting - len(dead))])]

    def reclaim(self) -> None:
        """Fail trials whose worker has died, and put their places up again.

        After the storage was gone, workers have a while to send signs of life before any is taken for dead.
        """
        if time.monotonic() - self.storage.recovered_at < (self.storage.grace_period or 0):
            return
        with quiet():
            optuna.storages.fail_stale_trials(self.study)
        self.put_up()

    def await_running(self) -> None:
        """Wait, in sqlite, until what runs has ended or is taken for dead, and put those places up again.

        Their scores are then known to the places after them, as if nothing had been killed.
        """
        while self.storage.is_local and (running := self.progress().running):
            say(f"{self.name}: waiting for {running} running trials, of another process or a killed one")
            time.sleep((self.storage.grace_period or 0) / 4)
            self.reclaim()

    def progress(self) -> Progress:
        """Count places by what has become of them."""
        counts = Counter(
            _outcome(entries) for slot, entries in self._by_slot().items() if slot < self.params.trials
        )
        others = {name: counts[name] for name in ("complete", "pruned", "failed", "running")}
        return Progress(**others, waiting=self.params.trials - sum(others.values()))

    def is_over(self) -> bool:
        """Say whether every place is over."""
        return self.progress().over >= self.params.trials

    def states(self) -> dict[int, str]:
        """Give Optuna's name of every trial's state, by trial number."""
        return {trial.number: trial.state.name for trial in self._trials()}

    def ended(self) -> list[FrozenTrial]:
        """Give the trial that counts of every place that is over, by place."""
        return [
            entries[-1]
            for slot, entries in sorted(self._by_slot().items())
            if slot < self.params.trials and _outcome(entries) in ("complete", "pruned", "failed")
        ]

    @contextmanager
    def signs_of_life(self, trials: Sequence[optuna.Trial]) -> Iterator[None]:
        """Keep running trials of this process, which may become more meanwhile, from being taken for dead."""
        ended = threading.Event()
        sending = threading.Thread(
            target=self._send_signs, args=(trials, ended), daemon=True, name="signs of life"
        )
        sending.start()
        try:
            yield
        finally:
            ended.set()

    def _send_signs(self, trials: Sequence[optuna.Trial], ended: threading.Event) -> None:
        try:
            while not ended.wait(self.storage.heartbeat_interval):
                for trial in list(trials):
                    self.storage.record_heartbeat(trial._trial_id)
        except StorageError:
            return  # whoever writes the scores meets the same error and reports it
        finally:
            self.storage.remove_session()

    def _trials(self, states: tuple[TrialState, ...] | None = None) -> list[FrozenTrial]:
        found = self.study.get_trials(deepcopy=False, states=states)
        return [trial for trial in found if _SLOT in trial.user_attrs]

    def _by_slot(self) -> dict[int, list[FrozenTrial]]:
        """Trials of every place that count: those of dead workers, then the first of the others."""
        slots: dict[int, list[FrozenTrial]] = defaultdict(list)
        for trial in self._trials():
            entries = slots[trial.user_attrs[_SLOT]]
            if not entries or (entries[-1].state == TrialState.FAIL and not _is_over(entries)):
                entries.append(trial)
        return slots


def _outcome(entries: Sequence[FrozenTrial]) -> str:
    last = entries[-1]
    if last.state in _OVER:
        return last.state.name.lower()
    if last.state == TrialState.FAIL:
        return "failed" if _is_over(entries) else "waiting"
    return last.state.name.lower()


def _is_over(entries: Sequence[FrozenTrial]) -> bool:
    last = entries[-1]
    if last.state == TrialState.FAIL:
        return _ERROR in last.user_attrs or len(entries) > MAX_RETRIES
    return last.state in _OVER
