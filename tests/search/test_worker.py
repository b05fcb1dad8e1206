"""A worker fills every place, says how each trial ended, and loses nothing when it is interrupted."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState

from tests.search.conftest import EPOCHS, FOLDS, IDENTITY, STEPS, Hill, height, made, search_of
from tests.search.silent import SilentSearch
from tmdscope.search.places import Progress
from tmdscope.search.storage import PatientStorage
from tmdscope.search.study import SearchStudy, open_search
from tmdscope.search.trials import FoldOutcome, Job, Settings
from tmdscope.search.worker import EPOCHS as EPOCHS_NOTE
from tmdscope.search.worker import work


def trials_of(study: SearchStudy) -> list[FrozenTrial]:
    return study.study.get_trials()


def drawn(study: SearchStudy) -> dict[int, dict[str, Any]]:
    """Place to the settings of its trial that counts."""
    return {trial.user_attrs["place"]: trial.params for trial in study.places.ended}


class Heard(SilentSearch):
    """A recorder that notes what it hears, with what the study knew of the trial then."""

    def __init__(self, study: SearchStudy) -> None:
        self.study = study
        self.opened: list[tuple[int, int | None]] = []
        self.finished: dict[int, tuple[str, dict[str, float], str, str]] = {}
        self.closed: dict[int, bool] = {}
        self.settled: list[Mapping[int, str]] = []

    def trial(self, number: int, settings: Settings, retry_of: int | None) -> "HeardTrial":  # type: ignore[override]
        self.opened.append((number, retry_of))
        return HeardTrial(self, number)

    def settle(self, states: Mapping[int, str]) -> None:
        self.settled.append(states)


class HeardTrial(SilentSearch):
    """What `Heard` opens."""

    def __init__(self, heard: Heard, number: int) -> None:
        self.heard = heard
        self.number = number

    def finish(self, state: str, scores: Mapping[str, float], error: str) -> None:
        known = self.heard.study.trials()[self.number].state.name
        self.heard.finished[self.number] = (state, dict(scores), error, known)

    def close(self, counts: bool) -> None:
        self.heard.closed[self.number] = counts


@pytest.mark.parametrize("together", [1, 4, 9])
def test_every_place_is_filled_once_and_scored_by_its_mean(storage: PatientStorage, together: int) -> None:
    study, hill = made(storage), Hill(together)
    heard = Heard(study)
    progress: list[Progress] = []
    assert work(study, hill, heard, progress.append) == 6
    assert len(trials_of(study)) == 6
    for trial in trials_of(study):
        scores = [height(trial.params, fold) for fold in range(FOLDS)]
        assert trial.value == pytest.approx(statistics.mean(scores))
        assert STEPS.fold_scores(trial.intermediate_values) == dict(enumerate(scores))
        assert trial.user_attrs[EPOCHS_NOTE] == FOLDS * EPOCHS
        state, told, error, known = heard.finished[trial.number]
        assert (state, error, known) == ("COMPLETE", "", "RUNNING")  # the recorder hears before the study
        assert told["val_macro_f1"] == pytest.approx(trial.value)
        assert told["val_macro_f1.std"] == pytest.approx(statistics.pstdev(scores))
        assert told["folds"] == FOLDS
    assert heard.closed == dict.fromkeys(range(6), True)
    assert heard.opened == [(number, None) for number in range(6)]
    assert heard.settled[-1] == dict.fromkeys(range(6), "COMPLETE")
    assert max(len(numbers) for _, numbers in hill.calls) == min(together, 6)
    assert progress[-1] == Progress(complete=6, pruned=0, failed=0, running=0, waiting=0)


def test_a_study_that_is_over_has_no_work(storage: PatientStorage) -> None:
    study = made(storage)
    work(study, Hill(), SilentSearch())
    hill = Hill()
    assert work(study, hill, SilentSearch()) == 0
    assert hill.calls == []


def test_trials_end_as_their_folds_say(storage: PatientStorage) -> None:
    def outcome(fold: int, job: Job) -> FoldOutcome | None:
        if job.trial.number == 1 and fold == 1:
            return FoldOutcome("failed", epochs=2, error="the loss is no number")
        if job.trial.number == 2:
            return FoldOutcome("pruned", epochs=3)
        return None

    study, hill = made(storage, trials=4, together=3), Hill(together=3)
    hill.outcome = outcome
    heard = Heard(study)
    work(study, hill, heard)
    one, two, three, four = trials_of(study)
    assert [one.state, four.state] == [TrialState.COMPLETE] * 2
    assert (two.state, two.user_attrs["error"]) == (TrialState.FAIL, "the loss is no number")
    assert two.user_attrs[EPOCHS_NOTE] == EPOCHS + 2
    assert (three.state, three.user_attrs[EPOCHS_NOTE]) == (TrialState.PRUNED, 3)
    assert hill.calls == [(0, [0, 1, 2]), (1, [0, 1]), (2, [0]), (0, [3]), (1, [3]), (2, [3])]
    assert heard.finished[1][:3:2] == ("FAIL", "the loss is no number")
    assert heard.finished[1][1]["folds"] == 1
    assert heard.finished[2][1] == {"folds": 0, "epochs": 3}
    assert heard.closed == dict.fromkeys(range(4), True)
    assert study.places.progress == Progress(complete=2, pruned=1, failed=1, running=0, waiting=0)


def test_a_trial_whose_folds_are_worse_ends_early(storage: PatientStorage) -> None:
    """Wilcoxon's test after each fold but the last: with p below 0.3 two worse folds of three are enough."""
    study, hill = made(storage, trials=8, prune_folds=0.3), Hill()
    work(study, hill, SilentSearch())
    pruned = [trial for trial in trials_of(study) if trial.state == TrialState.PRUNED]
    assert pruned
    best = 0.0
    for trial in trials_of(study):
        own = height(trial.params, 1)
        assert (trial.state == TrialState.PRUNED) == (own < best)
        assert len(STEPS.fold_scores(trial.intermediate_values)) == (2 if own < best else 3)
        best = max(best, own)


def test_a_trial_that_trains_badly_ends_within_a_fold(storage: PatientStorage) -> None:
    study = made(storage, trials=8, prune_epochs="median")
    work(study, Hill(asks=True), SilentSearch())
    states = [trial.state for trial in trials_of(study)]
    assert TrialState.PRUNED not in states[:4]
    ended = [trial for trial in trials_of(study) if trial.state == TrialState.PRUNED]
    assert ended
    assert all(trial.user_attrs[EPOCHS_NOTE] == 3 for trial in ended)
    assert not any(STEPS.fold_scores(trial.intermediate_values) for trial in ended)


class CrashError(Exception):
    """Something that no objective foresees."""


@pytest.mark.parametrize("error", [CrashError, KeyboardInterrupt])
@pytest.mark.parametrize("together", [1, 3])
def test_what_an_error_leaves_is_given_back_and_a_second_run_ends_it(
    storage: PatientStorage, elsewhere: PatientStorage, error: type[BaseException], together: int
) -> None:
    def crash(fold: int, jobs: Sequence[Job]) -> None:
        if fold == 1 and any(job.trial.number >= 3 for job in jobs):
            raise error

    study, hill = made(storage, together=together), Hill(together)
    hill.before_fold = crash
    heard = Heard(study)
    with pytest.raises(error):
        work(study, hill, heard)
    assert study.places.progress == Progress(complete=3, pruned=0, failed=0, running=0, waiting=3)
    left = {number for number, _ in heard.opened} - set(heard.finished)
    assert {number for number, counts in heard.closed.items() if not counts} == left != set()

    again = made(elsewhere, together=together)
    second = Heard(again)
    assert work(again, Hill(together), second) == 3
    assert again.places.progress.complete == 6
    assert {retried for _, retried in second.opened if retried is not None} == left
    whole = made(storage, "whole", together=together)
    work(whole, Hill(together), SilentSearch())
    assert drawn(again) == drawn(whole)


@pytest.mark.parametrize("error", [CrashError, KeyboardInterrupt])
def test_a_worker_that_is_interrupted_while_it_draws_gives_all_back(
    storage: PatientStorage, error: type[BaseException]
) -> None:
    class Stubborn(Hill):
        def settings(self, trial: Any) -> Settings:
            if trial.number == 2:
                trial.suggest_float("share", 0.0, 1.0)
                raise error
            return super().settings(trial)

    study = made(storage, together=4)
    heard = Heard(study)
    with pytest.raises(error):
        work(study, Stubborn(together=4), heard)
    assert study.places.progress == Progress(complete=0, pruned=0, failed=0, running=0, waiting=6)
    assert heard.closed == {0: False, 1: False}
    assert work(study, Hill(together=4), SilentSearch()) == 6


def test_a_recorder_that_fails_loses_no_trial(storage: PatientStorage) -> None:
    """A score is in the study only when its recorder has it."""

    class Deaf(HeardTrial):
        def finish(self, state: str, scores: Mapping[str, float], error: str) -> None:
            raise CrashError

    class Deafs(Heard):
        def trial(self, number: int, settings: Settings, retry_of: int | None) -> HeardTrial:  # type: ignore[override]
            return (Deaf if number == 1 else HeardTrial)(self, number)

    study = made(storage)
    with pytest.raises(CrashError):
        work(study, Hill(), Deafs(study))
    assert study.places.progress == Progress(complete=1, pruned=0, failed=0, running=0, waiting=5)


@pytest.mark.parametrize("sampler", ["random", "tpe", "cma-es", "gp"])
def test_a_search_that_was_interrupted_draws_as_it_would_have(
    storage: PatientStorage, elsewhere: PatientStorage, sampler: str
) -> None:
    def crash(fold: int, jobs: Sequence[Job]) -> None:
        if jobs[0].trial.number == 4 and fold == 2:
            raise KeyboardInterrupt

    whole = made(storage, "whole", trials=7, sampler=sampler, startup=3)
    work(whole, Hill(), SilentSearch())
    broken, hill = made(storage, "broken", trials=7, sampler=sampler, startup=3), Hill()
    hill.before_fold = crash
    with pytest.raises(KeyboardInterrupt):
        work(broken, hill, SilentSearch())
    resumed = made(elsewhere, "broken", trials=7, sampler=sampler, startup=3)
    work(resumed, Hill(), SilentSearch())
    found, wanted = drawn(resumed), drawn(whole)
    assert found.keys() == wanted.keys()
    for place, params in found.items():  # sums of a Gaussian process over trials in another order round
        assert params == pytest.approx(wanted[place])
    assert len(trials_of(resumed)) == 8


@pytest.mark.parametrize("when", ["between epochs", "between folds"])
def test_a_worker_taken_for_dead_goes_on_with_other_trials(
    storage: PatientStorage, elsewhere: PatientStorage, when: str
) -> None:
    """A process that slept finds its trial given to others: its score is void, and it claims the next."""
    study, other = made(storage, trials=2), made(elsewhere, trials=2)

    def take(fold: int, job: Job) -> FoldOutcome | None:
        if job.trial.number == 0 and fold == 1:
            storage.set_trial_state_values(job.trial._trial_id, TrialState.FAIL)
            again = other.claim()
            assert again is not None
            assert other.draw(again, hill.settings) == job.trial.params
            assert other.tell(again, TrialState.COMPLETE, 0.1)
            return FoldOutcome("scored", 0.9, EPOCHS) if when == "between folds" else None
        return None

    hill, heard = Hill(asks=True), Heard(study)
    hill.outcome = take
    assert work(study, hill, heard) == 1
    assert heard.closed == {0: False, 2: True}
    assert study.places.progress.complete == 2
    assert [trial.number for trial in study.places.ended] == [1, 2]
    assert (2, [0]) not in hill.calls


def test_a_worker_waits_for_places_that_others_hold(
    storage: PatientStorage, elsewhere: PatientStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hears how far the study is meanwhile, and is done when they are."""
    monkeypatch.setattr("tmdscope.search.worker._IDLE_S", 0.0)
    study = made(storage, trials=2)
    other = open_search(elsewhere, "study", search_of(trials=2), STEPS, IDENTITY, make=False)
    held = other.claim()
    assert held is not None
    heard: list[Progress] = []

    def listen(progress: Progress) -> None:
        heard.append(progress)
        if len(heard) == 3:
            other.tell(held, TrialState.COMPLETE, 0.2)

    assert work(study, Hill(), SilentSearch(), listen) == 1
    assert [progress.running for progress in heard] == [1, 1, 1, 0]
    assert heard[-1].complete == 2
