"""Every place of a study is filled once, whoever works on it and whoever dies."""

import itertools
import threading
import time
from collections import Counter
from contextlib import nullcontext
from typing import Any

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState
from sqlalchemy import text

from tests.search.conftest import IDENTITY, SPACE, STEPS, made, search_of
from tests.support.postgres import Server
from tmdscope.errors import UserError
from tmdscope.params.search import Value
from tmdscope.search.places import MAX_RETRIES, Progress
from tmdscope.search.sampling import suggest
from tmdscope.search.storage import PatientStorage, open_storage, quiet
from tmdscope.search.study import SearchStudy, open_search, read_notes


def claimed(study: SearchStudy) -> optuna.Trial:
    """Claim a place that must be there, and draw its settings."""
    trial = study.claim()
    assert trial is not None
    study.draw(trial, draw_all)
    return trial


def draw_all(trial: optuna.Trial) -> dict[str, Value]:
    return suggest(trial, SPACE, {})


def place_of(trial: optuna.Trial) -> int:
    return int(trial.user_attrs["place"])


def states_of(study: SearchStudy) -> dict[int, str]:
    """Trial number to Optuna's name of its state."""
    return {trial.number: trial.state.name for trial in study.trials()}


def is_over(study: SearchStudy) -> bool:
    return study.places.progress.over >= study.params.trials


def die(study: SearchStudy, trial: optuna.Trial) -> None:
    """Let a trial's worker die, and be noticed."""
    study.storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)


def enqueue_twice(study: SearchStudy) -> None:
    """Enqueue the next free place twice, as when a connection is cut between a commit and its answer."""
    for place in study.places.free[:1]:
        lost = study.places.trials.get(place)
        for _ in range(2):
            study._enqueue(place, lost)


def complete_all(study: SearchStudy) -> list[optuna.Trial]:
    """Complete whatever waits."""
    trials = []
    while (trial := study.claim()) is not None:
        suggest(trial, SPACE, {})
        assert study.tell(trial, TrialState.COMPLETE, 0.5)
        trials.append(trial)
    return trials


def test_a_study_has_as_many_places_as_trials(storage: PatientStorage) -> None:
    study = made(storage, trials=5)
    assert study.places.progress == Progress(complete=0, pruned=0, failed=0, running=0, waiting=5)
    assert not is_over(study)
    assert sorted(map(place_of, complete_all(study))) == [0, 1, 2, 3, 4]
    assert is_over(study)
    assert study.claim() is None


def test_each_end_of_a_trial_is_counted(storage: PatientStorage) -> None:
    study = made(storage, trials=5)
    one, two, three, _ = (claimed(study) for _ in range(4))
    assert study.tell(one, TrialState.COMPLETE, 0.4, notes={"epochs": 7})
    two.report(0.1, 0)
    assert study.tell(two, TrialState.PRUNED)
    assert study.tell(three, TrialState.FAIL, error="the loss is no number")
    assert study.places.progress == Progress(complete=1, pruned=1, failed=1, running=1, waiting=1)
    assert study.places.progress.over == 3
    assert [trial.state for trial in study.places.ended] == [
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
    ]
    assert study.places.ended[0].user_attrs["epochs"] == 7
    assert states_of(study) == {0: "COMPLETE", 1: "PRUNED", 2: "FAIL", 3: "RUNNING"}


def test_making_a_study_again_goes_on_with_it(storage: PatientStorage, elsewhere: PatientStorage) -> None:
    first = made(storage)
    trial = claimed(first)
    assert first.tell(trial, TrialState.COMPLETE, 0.5)
    first.study.set_user_attr("run", "abc")
    second = made(elsewhere)
    assert second.places.progress == Progress(complete=1, pruned=0, failed=0, running=0, waiting=5)
    assert read_notes(elsewhere, "study")["run"] == "abc"
    assert len(complete_all(second)) == 5


def test_a_study_whose_maker_was_killed_at_once_is_made_whole(storage: PatientStorage) -> None:
    optuna.create_study(storage=storage, study_name="study", direction="maximize")
    assert made(storage).places.progress.waiting == 6
    open_search(storage, "study", search_of(), STEPS, IDENTITY, make=False)


def test_more_trials_go_on_and_fewer_stop(storage: PatientStorage, elsewhere: PatientStorage) -> None:
    assert len(complete_all(made(storage, trials=3))) == 3
    more = made(elsewhere, trials=5)
    assert not is_over(more)
    assert list(map(place_of, complete_all(more))) == [3, 4]
    fewer = made(elsewhere, trials=2)
    assert is_over(fewer)
    assert fewer.places.progress == Progress(complete=2, pruned=0, failed=0, running=0, waiting=0)
    assert len(fewer.places.ended) == 2


def test_places_beyond_the_number_are_not_claimed(storage: PatientStorage, elsewhere: PatientStorage) -> None:
    made(storage, trials=6)
    assert len(complete_all(made(elsewhere, trials=2))) == 2


def grab_at_once(studies: list[SearchStudy]) -> list[int]:
    """Let a thread for every study claim until nothing waits; gives the places that were granted."""
    start = threading.Barrier(len(studies))
    granted: list[int] = []
    errors: list[BaseException] = []

    def grab(study: SearchStudy) -> None:
        try:
            start.wait()
            while (trial := study.claim()) is not None:
                granted.append(place_of(trial))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=grab, args=(study,)) for study in studies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    return sorted(granted)


@pytest.mark.parametrize("workers", [2, 4])
def test_a_place_is_granted_once_however_many_ask_at_once(
    storage: PatientStorage, elsewhere: PatientStorage, workers: int
) -> None:
    studies = [made(opened, trials=12) for opened in [storage, *[elsewhere] * (workers - 1)]]
    assert grab_at_once(studies) == list(range(12))


@pytest.mark.postgres
def test_a_server_grants_a_place_once_however_many_ask_at_once(postgres: Server) -> None:
    url = postgres.create("granted")
    studies = [made(open_storage(url), trials=12) for _ in range(4)]
    assert grab_at_once(studies) == list(range(12))
    assert studies[0].places.progress.running == 12


@pytest.mark.parametrize("when", ["get_trials", "ask"])
def test_a_place_that_another_has_taken_meanwhile_is_passed_over(
    storage: PatientStorage, elsewhere: PatientStorage, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Without a lock, as when its connection is cut: between two of its steps another claims the place."""
    mine, others = made(storage, trials=3), made(elsewhere, trials=3)
    monkeypatch.setattr(storage, "lock", nullcontext)
    step = getattr(mine.study, when)
    taken: list[int] = []

    def hurry(*arguments: Any, **named: Any) -> Any:
        before = step(*arguments, **named) if when == "get_trials" else None
        if not taken:
            taken.append(-1)
            taken[0] = place_of(claimed(others))
        return before if when == "get_trials" else step(*arguments, **named)

    monkeypatch.setattr(mine.study, when, hurry)
    assert place_of(claimed(mine)) == 1
    assert taken == [0]
    assert mine.places.progress.running == 2
    assert list(map(place_of, complete_all(others))) == [2]


def test_what_waits_beyond_the_places_or_is_none_of_them_is_not_claimed(
    storage: PatientStorage, elsewhere: PatientStorage
) -> None:
    more = made(storage, trials=6)
    assert len(complete_all(made(elsewhere, trials=3))) == 3
    more._enqueue(more.places.free[0], None)  # its worker was killed before it asked
    more.study.enqueue_trial({"share": 0.5})  # a user's own
    assert made(elsewhere, trials=3).claim() is None
    with quiet():
        die(more, more.study.ask())
    more._enqueue(5, None)
    assert list(map(place_of, complete_all(made(elsewhere, trials=5)))) == [3, 4]
    assert list(map(place_of, complete_all(more))) == [5]
    assert states_of(more)[4] == "FAIL"


def test_what_a_trial_taken_for_dead_scores_is_void(
    storage: PatientStorage, elsewhere: PatientStorage
) -> None:
    slow, other = made(storage, trials=1), made(elsewhere, trials=1)
    trial = claimed(slow)
    die(other, trial)
    again = claimed(other)
    assert other.tell(again, TrialState.COMPLETE, 0.7)
    before = storage.get_trial(trial._trial_id)
    assert not slow.tell(trial, TrialState.COMPLETE, 0.9, notes={"epochs": 3})
    assert not slow.tell(trial, TrialState.COMPLETE, 0.9)
    assert not slow.tell(trial, TrialState.PRUNED)
    assert not slow.tell(trial, TrialState.FAIL, error="its own")
    assert storage.get_trial(trial._trial_id) == before
    assert [entry.value for entry in slow.places.ended] == [0.7]


def test_a_dead_workers_trial_is_repeated_with_its_settings(storage: PatientStorage) -> None:
    study = made(storage)
    dead = claimed(study)
    die(study, dead)
    assert study.places.progress.waiting == 6
    again = claimed(study)
    assert place_of(again) == place_of(dead)
    assert again.number != dead.number
    assert again.params == dead.params
    assert again.user_attrs["retry_of"] == dead.number
    assert "retry_of" not in dead.user_attrs


def test_what_a_dead_worker_had_not_drawn_is_drawn(storage: PatientStorage) -> None:
    study = made(storage)
    dead = study.claim()
    assert dead is not None
    share = dead.suggest_float("share", 0, 1)
    die(study, dead)
    again = study.claim()
    assert again is not None
    assert again.params == {}
    study.draw(again, draw_all)
    assert again.params["share"] == share
    assert set(again.params) == set(SPACE)


def test_what_a_dead_worker_had_drawn_is_taken_over(storage: PatientStorage) -> None:
    """Whatever has ended since, and whoever died before it had drawn: nothing is drawn again."""
    study = made(storage, sampler="tpe", startup=1)
    dead = claimed(study)
    for _ in range(3):
        assert study.tell(claimed(study), TrialState.COMPLETE, 0.5)
    die(study, dead)
    for _ in range(2):
        second = study.claim()
        assert second is not None
        die(study, second)
    assert claimed(study).params == dead.params


def test_a_place_that_was_enqueued_twice_is_filled_once(
    storage: PatientStorage, elsewhere: PatientStorage
) -> None:
    first, second = made(storage, trials=1), made(elsewhere, trials=1)
    die(first, claimed(first))
    enqueue_twice(second)
    assert [state for state in states_of(first).values() if state == "WAITING"] == ["WAITING"] * 2
    (only,) = complete_all(first)
    assert only.number == 1  # of two that wait the smaller number
    for study in (first, second):
        assert is_over(study)
        assert study.claim() is None
        assert [trial.number for trial in study.places.ended] == [1]


def test_the_second_of_two_is_used_when_the_first_dies(
    storage: PatientStorage, elsewhere: PatientStorage
) -> None:
    first, second = made(storage, trials=1), made(elsewhere, trials=1)
    die(first, claimed(first))
    enqueue_twice(second)
    die(second, claimed(second))
    (only,) = complete_all(first)
    assert only.number == 2
    assert len(states_of(first)) == 3


def test_the_second_of_two_does_not_reopen_a_place_whose_trial_failed_by_itself(
    storage: PatientStorage, elsewhere: PatientStorage
) -> None:
    first, second = made(storage, trials=1), made(elsewhere, trials=1)
    die(first, claimed(first))
    enqueue_twice(second)
    assert first.tell(claimed(first), TrialState.FAIL, error="the loss is no number")
    for study in (first, second):
        assert is_over(study)
        assert study.claim() is None
        assert [trial.number for trial in study.places.ended] == [1]


def test_a_trials_own_error_ends_its_place(storage: PatientStorage) -> None:
    study = made(storage, trials=1)
    assert study.tell(claimed(study), TrialState.FAIL, error="the loss is no number")
    assert is_over(study)
    assert study.claim() is None
    assert study.places.progress.failed == 1
    assert study.places.ended[0].user_attrs["error"] == "the loss is no number"


def test_a_trial_given_back_is_enqueued_again(storage: PatientStorage) -> None:
    study = made(storage, trials=1)
    study.tell(claimed(study), TrialState.FAIL)
    assert study.places.progress.waiting == 1
    assert not is_over(study)
    assert study.claim() is not None


def test_a_place_on_which_too_many_workers_died_is_given_up(storage: PatientStorage) -> None:
    study = made(storage, trials=1)
    for _ in range(MAX_RETRIES):
        die(study, claimed(study))
        assert study.places.progress.waiting == 1
    die(study, claimed(study))
    assert study.claim() is None
    assert study.places.progress == Progress(complete=0, pruned=0, failed=1, running=0, waiting=0)
    assert len(study.places.ended) == 1


@pytest.mark.parametrize(
    ("identity", "named"),
    [
        ({**IDENTITY, "data": "other"}, "data"),
        ({**IDENTITY, "split": "new"}, "split"),
        ({"code": "other"}, "code, data"),
    ],
)
def test_whoever_has_other_data_settings_or_code_is_refused(
    storage: PatientStorage, identity: dict[str, str], named: str
) -> None:
    made(storage)
    for make in (True, False):
        with pytest.raises(UserError, match=f"study 'study' was made with other {named} than are here"):
            open_search(storage, "study", search_of(), STEPS, identity, make)


def test_whoever_joins_an_unknown_study_learns_which_there_are(storage: PatientStorage) -> None:
    with pytest.raises(UserError, match="has no study 'heads-1'; it has none; `tmdscope search` makes it"):
        open_search(storage, "heads-1", search_of(), STEPS, IDENTITY, make=False)
    made(storage, "heads-2")
    with pytest.raises(UserError, match=r"searches\.db has no study 'heads-1'; did you mean 'heads-2'\?"):
        open_search(storage, "heads-1", search_of(), STEPS, IDENTITY, make=False)


def test_whoever_joins_adds_no_trials(storage: PatientStorage, elsewhere: PatientStorage) -> None:
    made(storage, trials=2)
    joined = open_search(elsewhere, "study", search_of(trials=2), STEPS, IDENTITY, make=False)
    assert states_of(joined) == {}
    assert len(complete_all(joined)) == 2


def test_silent_trials_are_reclaimed_and_those_with_signs_of_life_are_not(
    storage: PatientStorage, elsewhere: PatientStorage
) -> None:
    study, other = made(storage, trials=3), made(elsewhere, trials=3)
    silent, alive = claimed(study), claimed(study)
    with study.signs_of_life([alive]):
        other.reclaim()
        assert other.places.progress.running == 2  # nobody is taken for dead at once
        other.storage.grace_period = 2
        time.sleep(3.5)
        other.reclaim()
    assert states_of(study) == {
        silent.number: "FAIL",
        alive.number: "RUNNING",
    }
    again = claimed(other)
    assert again.user_attrs["retry_of"] == silent.number
    assert again.params == silent.params
    assert study.tell(alive, TrialState.COMPLETE, 0.5)


def test_after_an_outage_nobody_is_taken_for_dead_at_once(storage: PatientStorage) -> None:
    study = made(storage, trials=1)
    claimed(study)
    with storage.engine.begin() as connection:
        connection.execute(text("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 day')"))
    storage.recovered_at = time.monotonic()
    study.reclaim()
    assert study.places.progress.running == 1
    storage.recovered_at = time.monotonic() - 4
    study.reclaim()
    assert study.places.progress == Progress(complete=0, pruned=0, failed=0, running=0, waiting=1)


PLACES = 3
NAMES = itertools.count()
STEP = st.tuples(
    st.sampled_from(["claim", "complete", "prune", "fail", "die", "enqueue twice"]),
    st.integers(0, 1),
    st.integers(0, 9),
)


def act(studies: list[SearchStudy], held: list[optuna.Trial], what: str, who: int, which: int) -> None:
    """Let one of two processes do one thing."""
    study = studies[who]
    if what == "claim":
        held += [trial for trial in [study.claim()] if trial is not None]
    elif what == "enqueue twice":
        enqueue_twice(study)
    elif held:
        trial = held.pop(which % len(held))
        if what == "die":
            die(study, trial)
        elif what == "complete":
            assert study.tell(trial, TrialState.COMPLETE, 0.5)
        elif what == "prune":
            assert study.tell(trial, TrialState.PRUNED)
        else:
            assert study.tell(trial, TrialState.FAIL, error="its own")


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, min_size=4, max_size=14))
def test_whatever_happens_every_place_ends_once(
    storage: PatientStorage, steps: list[tuple[str, int, int]]
) -> None:
    name = f"study {next(NAMES)}"
    studies = [made(storage, name, trials=PLACES) for _ in range(2)]
    held: list[optuna.Trial] = []
    over = 0
    for what, who, which in steps:
        act(studies, held, what, who, which)
        running = [place_of(trial) for trial in held]
        assert len(set(running)) == len(running)  # nobody works on what another works on
        progress = studies[0].places.progress
        assert progress == studies[1].places.progress
        assert progress.over + progress.running + progress.waiting == PLACES
        assert progress.over >= over  # what is over stays over
        over = progress.over
    for trial in held:
        die(studies[0], trial)
    while not is_over(studies[1]):
        complete_all(studies[1])
    ended = studies[0].places.ended
    assert Counter(trial.user_attrs["place"] for trial in ended) == Counter(range(PLACES))
    assert studies[0].places.progress.over == PLACES
