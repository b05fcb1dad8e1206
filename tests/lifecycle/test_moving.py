"""Decisions that are cut off anywhere: what is left, and what the next one makes of it."""

import itertools
from collections.abc import Callable

import pytest

from tests.lifecycle.deciding import ANN, accept, back, cut_off, locks, notes, numbers, tags_of
from tests.lifecycle.gates import NAME, SHUT, fill
from tests.lifecycle.memory import Data, failing_at, killed_at
from tmdscope.errors import UserError
from tmdscope.lifecycle.promotion import promote


def make(before: list[int]) -> Data:
    data = Data()
    fill(data.study().client, NAME, 4)
    for number in before:
        accept(data.study(), NAME, number)
    return data


def left(data: Data) -> tuple[list[str], list[str], list[str]]:
    """What a decision may leave to nobody: runs that go on, locks, moves that are written down."""
    running = [run.info.run_name for run in data.runs.values() if run.info.status == "RUNNING"]
    moves = [tag for tag in data.models[NAME].tags if "moving" in tag]
    return running, [lock for lock in locks(data) if "lapsed" not in lock], moves


@pytest.mark.parametrize("trouble", [killed_at, failing_at])
@pytest.mark.parametrize("before", [[1], [2, 1]], ids=str)
def test_a_promotion_cut_off_anywhere_leaves_production_set_and_can_be_repeated(
    trouble: Callable[[int], Callable[[int], None]], before: list[int]
) -> None:
    for at in itertools.count():
        data = make(before)
        came = cut_off(data, lambda study: accept(study, NAME, 3), trouble, at)
        study = data.study()
        production, previous, reviewed = numbers(study)
        assert production in (1, 3)
        assert previous == 1 or (production == 1 and previous == (2 if 2 in before else None))
        assert notes(study) == ({} if production == reviewed else {3: "unreviewed"})
        outcome = accept(study, NAME, 3)
        assert numbers(study) == (3, 1, 3)
        decision = tags_of(study, NAME, 3)["promoted.run"]
        assert tags_of(study, NAME, 1)["demoted.run"] == decision
        assert data.runs[decision].data.tags["by"] == ANN
        assert left(data) == ([], [], [])
        assert ("cut off" in outcome.text) == (outcome.note != "")
        if not came:
            break
    assert at > 11  # run, figures, lock, move, aliases, tags, decision, review, lock, run, move


@pytest.mark.parametrize("trouble", [killed_at, failing_at])
def test_a_rollback_cut_off_anywhere_is_completed_by_the_next_and_never_undone(
    trouble: Callable[[int], Callable[[int], None]],
) -> None:
    for at in itertools.count():
        data, told = make([2, 1]), []
        came = cut_off(data, lambda study, told=told: told.append(back(study, NAME)), trouble, at)
        study = data.study()
        assert numbers(study)[:2] in ((1, 2), (2, 2), (2, 1))
        if not came:
            break
        if told:  # all but the lock was done, and it says so
            continue
        outcome = back(study, NAME)
        assert (outcome.decision, outcome.old, outcome.new) == ("rolled-back", 1, 2)
        assert numbers(study) == (2, 1, 2)
        assert left(data) == ([], [], [])
        assert back(study, NAME).new == 1  # the next one is a new one
    assert at > 11


@pytest.mark.parametrize("at", range(18))
def test_another_decision_after_one_that_was_cut_off_starts_from_what_production_was(at: int) -> None:
    data = make([2, 1])
    cut_off(data, lambda study: accept(study, NAME, 3), killed_at, at)
    moved = numbers(data.study())[0] == 3
    cut_off(data, lambda study: accept(study, NAME, 4), killed_at, 0)  # before it has written anything
    assert accept(data.study(), NAME, 4).old == (3 if moved else 1)
    assert numbers(data.study()) == (4, 3 if moved else 1, 4)
    assert left(data) == ([], [], [])


@pytest.mark.parametrize("at", range(18))
def test_a_rollback_after_a_promotion_that_was_cut_off_goes_back_before_it(at: int) -> None:
    data = make([2, 1])
    cut_off(data, lambda study: accept(study, NAME, 3), killed_at, at)
    moved = numbers(data.study())[0] == 3
    assert back(data.study(), NAME).new == (1 if moved else 2)
    assert numbers(data.study()) == ((1, 3, 1) if moved else (2, 1, 2))
    assert left(data) == ([], [], [])


def test_a_promotion_that_was_cut_off_before_production_moved_gives_previous_back() -> None:
    for before, expected in (([1], (1, None, 1)), ([2, 1], (1, 2, 1))):
        data = make(before)
        study = data.study()
        writes = []
        watching = data.study(writes.append)
        accept(watching, NAME, 3)
        for at in range(len(writes)):
            data = make(before)
            cut_off(data, lambda each: accept(each, NAME, 3), killed_at, at)
            study = data.study()
            if numbers(study)[0] == 3:
                break
            with pytest.raises(UserError, match="not promoted"):
                promote(study, NAME, 4, SHUT, ANN, force=False, reason="")
            assert numbers(study) == expected
            assert left(data) == ([], [], [])
        assert at > 5


def test_what_is_killed_again_while_it_settles_can_be_repeated() -> None:
    for first, again in itertools.product(range(4, 13), range(11)):
        data = make([2, 1])
        cut = [cut_off(data, lambda study: back(study, NAME), killed_at, at) for at in (first, again)]
        if all(cut):
            back(data.study(), NAME)
        assert numbers(data.study())[::2] == (2, 2), (first, again)
        assert left(data) == ([], [], [])


def test_a_failure_that_is_no_kill_ends_the_run_and_gives_the_lock_back() -> None:
    for at in range(3, 10):  # after the run and its figures, before the lock is given back
        data = make([2, 1])
        assert cut_off(data, lambda study: accept(study, NAME, 3), failing_at, at)
        last = list(data.runs.values())[-1]
        assert last.info.status == "FAILED"
        assert "the store is away" in last.data.tags["problem"]
        assert locks(data) == []
