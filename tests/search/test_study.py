"""Every place of a study is filled once, whoever works on it and whoever dies."""

import itertools
import threading
import time
from collections import Counter

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState
from sqlalchemy import text

from tests.search.conftest import IDENTITY, SPACE, STEPS, made, search_of
from tests.support.postgres import Server
from tmdscope.errors import UserError
from tmdscope.search.space import suggest
from tmdscope.search.storage import PatientStorage, open_storage
from tmdscope.search.study import MAX_RETRIES, Progress, SearchStudy


def claimed(study: SearchStudy) -> optuna.Trial:
    """Claim a place that must be there, and draw its settings."""
    trial = study.claim()
    assert trial is not None
    suggest(trial, SPACE, {})
    return trial


def place_of(trial: optuna.Trial) -> int:
    return int(trial.user_attrs["slot"])


def die(study: SearchStudy, trial: optuna.Trial) -> None:
    """Let a trial's worker die, and be noticed."""
    study.storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)


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
    assert study.progress() == Progress(complete=0, pruned=0, failed=0, running=0, waiting=5)
    assert not study.is_over()
    assert sorted(map(place_of, complete_all(study))) == [0, 1, 2, 3, 4]
    assert study.is_over()
    assert study.claim() is None


def test_each_end_of_a_trial_is_counted(storage: PatientStorage) -> None:
    study = made(storage, trials=5)
    one, two, three, _ = (claimed(study) for _ in range(4))
    assert study.tell(one, TrialState.COMPLETE, 0.4, notes={"epochs": 7})
    two.report(0.1, 0)
    assert study.tell(two, TrialState.PRUNED)
    assert study.tell(three, TrialState.FAIL, error="the loss is no number")
    assert study.progress() == Progress(complete=1, pruned=1, failed=1, running=1, waiting=1)
    assert study.progress().over == 3
    assert [trial.state for trial in study.ended()] == [
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
    ]
    assert study.ended()[0].user_attrs["epochs"] == 7
    assert study.states() == {0: "COMPLETE", 1: "PRUNED", 2: "FAIL", 3: "RUNNING", 4: "WAITING"}


def test_making_a_study_again_goes_on_with_it(storage: PatientStorage, elsewhere: PatientStorage) -> None:
    first = made(storage)
    trial = claimed(first)
    assert first.tell(trial, TrialState.COMPLETE, 0.5)
    first.note("run", "abc")
    second = made(elsewhere)
    assert second.progress() == Progress(complete=1, pruned=0, failed=0, running=0, waiting=5)
    assert second.notes()["run"] == "abc"
    assert len(complete_all(second)) == 5


def test_a_study_whose_maker_was_killed_at_once_is_made_whole(storage: PatientStorage) -> None:
    optuna.create_study(storage=storage, study_name="study", direction="maximize")
    assert made(storage).progress().waiting == 6
    SearchStudy.join(storage, "study", search_of(), STEPS, IDENTITY)


def test_more_trials_go_on_and_fewer_stop(storage: PatientStorage, elsewhere: PatientStorage) -> None:
    assert len(complete_all(made(storage, trials=3))) == 3
    more = made(elsewhere, trials=5)
    assert not more.is_over()
    assert list(map(place_of, complete_all(more))) == [3, 4]
    fewer = made(elsewhere, trials=2)
    assert fewer.is_over()
    assert fewer.progress() == Progress(complete=2, pruned=0, failed=0, running=0, waiting=0)
    assert len(fewer.ended()) == 2


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
    assert studies[0].progress().running == 12


def test_a_place_that_another_has_taken_meanwhile_is_passed_over(
    storage: PatientStorage, elsewhere: PatientStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading the places and claiming one, another claims it."""
    mine, others = made(storage, trials=3), made(elsewhere, trials=3)
    grant = storage.record_heartbeat
    taken: list[int] = []

    def hurry(trial_id: int) -> None:
        grant(trial_id)
        if not taken:
            taken.append(place_of(claimed(others)))

    monkeypatch.setattr(storage, "record_heartbeat", hurry)
    assert place_of(claimed(mine)) == 1
    assert taken == [0]


def test_what_a_trial_taken_for_dead_scores_is_void(
    storage: PatientStorage, elsewhere: PatientStorage
) -> None:
    slow, other = made(storage, trials=1), made(elsewhere, trials=1)
    trial = claimed(slow)
    die(other, trial)
    other.put_up()
    again = claimed(other)
    assert other.tell(again, TrialState.COMPLETE, 0.7)
    before = storage.get_trial(trial._trial_id)
    assert not slow.tell(trial, TrialState.COMPLETE, 0.9, notes={"epochs": 3})
    assert not slow.tell(trial, TrialState.COMPLETE, 0.9)
    assert not slow.tell(trial, TrialState.PRUNED)
    assert not slow.tell(trial, TrialState.FAIL, error="its own")
    assert storage.get_trial(trial._trial_id) == before
    assert [entry.value for entry in slow.ended()] == [0.7]


def test_a_dead_workers_trial_is_repeated_with_its_settings(storage: PatientStorage) -> None:
    study = made(storage)
    dead = claimed(study)
    die(study, dead)
    study.put_up()
    assert study.progress().waiting == 6
    again = claimed(study)
    assert place_of(again) == place_of(dead)
    assert again.number != dead.number
    assert again.params == dead.params
    assert study.retry_of(again) == dead.number
    assert study.retry_of(dead) is None


def test_what_a_dead_worker_had_not_drawn_is_drawn(storage: PatientStorage) -> None:
    study = made(storage)
    dead = study.claim()
    assert dead is not None
    share = dead.suggest_float("share", 0, 1)
    die(study, dead)
    study.put_up()
    again = claimed(study)
    assert again.params["share"] == share
    assert set(again.params) == set(SPACE)


def test_putting_up_twice_changes_nothing(storage: PatientStorage) -> None:
    study = made(storage)
    die(study, claimed(study))
    study.put_up()
    states = study.states()
    study.put_up()
    assert study.states() == states


def put_up_at_once(first: SearchStudy, second: SearchStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the second put places up while the first does: after it has read them, before it writes."""
    missing = first._missing()
    second.put_up()
    with monkeypatch.context() as patch:
        patch.setattr(first, "_missing", lambda: missing)
        first.put_up()


def test_two_that_put_up_a_place_at_once_fill_it_once(
    storage: PatientStorage, elsewhere: PatientStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = made(storage, trials=1), made(elsewhere, trials=1)
    die(first, claimed(first))
    put_up_at_once(first, second, monkeypatch)
    assert [state for state in first.states().values() if state == "WAITING"] == ["WAITING"] * 2
    (only,) = complete_all(first)
    assert only.number == 1  # of two that wait the smaller number
    for study in (first, second):
        assert study.is_over()
        assert study.claim() is None
        assert [trial.number for trial in study.ended()] == [1]


def test_the_second_of_two_is_used_when_the_first_dies(
    storage: PatientStorage, elsewhere: PatientStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = made(storage, trials=1), made(elsewhere, trials=1)
    die(first, claimed(first))
    put_up_at_once(first, second, monkeypatch)
    die(second, claimed(second))
    first.put_up()
    (only,) = complete_all(first)
    assert only.number == 2
    assert len(first.states()) == 3


def test_the_second_of_two_does_not_reopen_a_place_whose_trial_failed_by_itself(
    storage: PatientStorage, elsewhere: PatientStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = made(storage, trials=1), made(elsewhere, trials=1)
    die(first, claimed(first))
    put_up_at_once(first, second, monkeypatch)
    assert first.tell(claimed(first), TrialState.FAIL, error="the loss is no number")
    for study in (first, second):
        study.put_up()
        assert study.is_over()
        assert study.claim() is None
        assert [trial.number for trial in study.ended()] == [1]


def test_a_trials_own_error_ends_its_place(storage: PatientStorage) -> None:
    study = made(storage, trials=1)
    assert study.tell(claimed(study), TrialState.FAIL, error="the loss is no number")
    study.put_up()
    assert study.is_over()
    assert study.claim() is None
    assert study.progress().failed == 1
    assert study.ended()[0].user_attrs["error"] == "the loss is no number"


def test_a_trial_given_back_is_put_up_again(storage: PatientStorage) -> None:
    study = made(storage, trials=1)
    study.tell(claimed(study), TrialState.FAIL)
    assert study.progress().waiting == 1
    assert not study.is_over()
    study.put_up()
    assert study.claim() is not None


def test_a_place_on_which_too_many_workers_died_is_given_up(storage: PatientStorage) -> None:
    study = made(storage, trials=1)
    for _ in range(MAX_RETRIES):
        die(study, claimed(study))
        study.put_up()
        assert study.progress().waiting == 1
    die(study, claimed(study))
    study.put_up()
    assert study.claim() is None
    assert study.progress() == Progress(complete=0, pruned=0, failed=1, running=0, waiting=0)
    assert len(study.ended()) == 1


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
    for enter in (SearchStudy.create, SearchStudy.join):
        with pytest.raises(UserError, match=f"study 'study' was made with other {named} than are here"):
            enter(storage, "study", search_of(), STEPS, identity)


def test_whoever_joins_an_unknown_study_learns_which_there_are(storage: PatientStorage) -> None:
    with pytest.raises(UserError, match="has no study 'heads-1'; it has none; `tmdscope search` makes it"):
        SearchStudy.join(storage, "heads-1", search_of(), STEPS, IDENTITY)
    made(storage, "heads-2")
    with pytest.raises(UserError, match=r"searches\.db has no study 'heads-1'; did you mean 'heads-2'\?"):
        SearchStudy.join(storage, "heads-1", search_of(), STEPS, IDENTITY)


def test_whoever_joins_adds_no_places(storage: PatientStorage, elsewhere: PatientStorage) -> None:
    made(storage, trials=2)
    joined = SearchStudy.join(elsewhere, "study", search_of(trials=2), STEPS, IDENTITY)
    assert len(joined.states()) == 2
    assert len(complete_all(joined)) == 2


def test_silent_trials_are_reclaimed_and_those_with_signs_of_life_are_not(
    storage: PatientStorage, elsewhere: PatientStorage
) -> None:
    study, other = made(storage, trials=3), made(elsewhere, trials=3)
    silent, alive = claimed(study), claimed(study)
    with study.signs_of_life([alive]):
        other.reclaim()
        assert other.progress().running == 2  # nobody is taken for dead at once
        other.storage.grace_period = 2
        time.sleep(3.5)
        other.reclaim()
    assert study.states() == {
        silent.number: "FAIL",
        alive.number: "RUNNING",
        2: "WAITING",
        3: "WAITING",
    }
    again = claimed(other)
    assert other.retry_of(again) == silent.number
    assert again.params == silent.params
    assert study.tell(alive, TrialState.COMPLETE, 0.5)


def test_after_an_outage_nobody_is_taken_for_dead_at_once(storage: PatientStorage) -> None:
    study = made(storage, trials=1)
    claimed(study)
    with storage.engine.begin() as connection:
        connection.execute(text("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 day')"))
    storage.recovered_at = time.monotonic()
    study.reclaim()
    assert study.progress().running == 1
    storage.recovered_at = time.monotonic() - 4
    study.reclaim()
    assert study.progress() == Progress(complete=0, pruned=0, failed=0, running=0, waiting=1)


PLACES = 3
NAMES = itertools.count()
STEP = st.tuples(
    st.sampled_from(["claim", "complete", "prune", "fail", "die", "put up", "put up at once"]),
    st.integers(0, 1),
    st.integers(0, 9),
)


def act(studies: list[SearchStudy], held: list[optuna.Trial], what: str, who: int, which: int) -> None:
    """Let one of two processes do one thing."""
    study = studies[who]
    if what == "claim":
        held += [trial for trial in [study.claim()] if trial is not None]
    elif what == "put up":
        study.put_up()
    elif what == "put up at once":
        with pytest.MonkeyPatch.context() as patch:
            put_up_at_once(study, studies[1 - who], patch)
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
        progress = studies[0].progress()
        assert progress == studies[1].progress()
        assert progress.over + progress.running + progress.waiting == PLACES
        assert progress.over >= over  # what is over stays over
        over = progress.over
    for trial in held:
        die(studies[0], trial)
    while not studies[1].is_over():
        studies[1].put_up()
        complete_all(studies[1])
    ended = studies[0].ended()
    assert Counter(trial.user_attrs["slot"] for trial in ended) == Counter(range(PLACES))
    assert studies[0].progress().over == PLACES
