"""Promotion and rollback: what moves, and what is recorded."""

import itertools
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lifecycle.deciding import (
    ANN,
    BEN,
    Numbers,
    accept,
    back,
    by_hand,
    cut_off,
    notes,
    numbers,
    tags_of,
)
from tests.lifecycle.gates import CONTRACT, EQUAL, NAME, OPEN, SHUT, differing, fill, when_loading
from tests.lifecycle.memory import Data, killed_at
from tmdscope.errors import UserError
from tmdscope.lifecycle.promotion import promote, rollback
from tmdscope.tracking.check_model import ModelCheck
from tmdscope.tracking.lock import locked
from tmdscope.tracking.registry import (
    BEST,
    FILES_SHA256,
    PREVIOUS,
    PRODUCTION,
    check_pinned,
    pull_version,
)
from tmdscope.tracking.store import Store, open_study

names = itertools.count(1)


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(tmp_path_factory.mktemp("promotions")))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield open_study("promotions")


@pytest.fixture(params=["memory", "sqlite"])
def study(request: pytest.FixtureRequest) -> Store:
    found: Store = Data().study() if request.param == "memory" else request.getfixturevalue("sqlite")
    return found


@pytest.fixture
def name(study: Store) -> str:
    """A registered model of this test's own, with four sound versions."""
    made = f"tmd-test-{next(names)}"
    fill(study.client, made, 4)
    return made


@pytest.fixture
def data() -> Data:
    """A registry in memory with version 1 in production and 2 before it."""
    made = Data()
    fill(made.study().client, NAME, 4)
    for number in (2, 1):
        accept(made.study(), NAME, number)
    return made


def test_the_first_promotion_has_nothing_before_it(study: Store, name: str) -> None:
    outcome = accept(study, name, 1)
    assert numbers(study, name) == (1, None, 1)
    assert (outcome.decision, outcome.old, outcome.new) == ("promoted", None, 1)
    assert "production is version 1 (before: none), promoted" in outcome.text
    assert "no production yet" in outcome.text


def test_a_promotion_remembers_and_records(study: Store, name: str) -> None:
    accept(study, name, 1)
    outcome = accept(study, name, 3)
    assert numbers(study, name) == (3, 1, 3)
    assert outcome.run_id is not None
    run = study.client.get_run(outcome.run_id)
    assert run.info.status == "FINISHED"
    told = {key: run.data.tags[key] for key in ("decision", "model", "old", "new", "by", "reason")}
    assert told == {
        "decision": "promoted",
        "model": name,
        "old": "1",
        "new": "3",
        "by": ANN,
        "reason": "none",
    }
    assert run.data.metrics["macro_f1_difference"] == pytest.approx(0.01)
    assert run.data.metrics["macro_f1_difference_low"] == pytest.approx(-0.015)
    assert run.data.metrics["images"] == 400
    for number, what in ((3, "promoted"), (1, "demoted")):
        tags = tags_of(study, name, number)
        assert tags[f"{what}.run"] == outcome.run_id
    assert run.data.tags["at"].endswith("+00:00")
    assert notes(study, name) == {}


def test_without_a_version_the_best_one_is_promoted(study: Store, name: str) -> None:
    study.client.set_registered_model_alias(name, BEST, str(4))
    assert accept(study, name, None).new == 4
    with pytest.raises(UserError, match="no version 9; it has: 1, 2, 3, 4"):
        accept(study, name, 9)


def test_a_refusal_tells_every_failed_check_and_moves_nothing() -> None:
    data = Data()
    study = data.study()
    fill(study.client, NAME, 2)
    accept(study, NAME, 1)
    shut = replace(
        SHUT,
        contract=lambda version: replace(CONTRACT, classes=("MoS2",)) if version.number == 2 else CONTRACT,
        run_tags=lambda _: {"data.sha256": "cd" * 32},
        split_problems=lambda _: ["i1 is in no part"],
        compare=lambda *_: {"held-out test": differing(EQUAL, 0.01, (-0.03, 0.0))},
    )
    with pytest.raises(UserError, match="version 2 is not promoted") as refused:
        promote(study, NAME, 2, shut, ANN, force=False, reason="hope")
    told = [line.split(":")[0] for line in str(refused.value).splitlines() if line.startswith("FAILED")]
    failed = ["classes", "data hash", "audits", "not worse", "files", "reference predictions"]
    assert told == [f"FAILED  {check}" for check in failed]
    assert numbers(study) == (1, None, 1)
    run = data.runs[f"{1:032x}"]
    assert (run.info.status, run.data.tags["decision"]) == ("FINISHED", "refused")
    assert run.data.tags["check.audits"].startswith("FAILED  audits: 1 problems")
    assert run.data.metrics["macro_f1_difference_low"] == -0.03


def test_a_forced_promotion_needs_a_reason_and_keeps_it(study: Store, name: str) -> None:
    with pytest.raises(UserError, match="--reason TEXT"):
        promote(study, name, 2, SHUT, ANN, force=True, reason=" ")
    outcome = promote(study, name, 2, SHUT, ANN, force=True, reason="the old one is broken")
    assert outcome.run_id is not None
    tags = study.client.get_run(outcome.run_id).data.tags
    assert (outcome.decision, tags["decision"]) == ("forced", "forced")
    assert tags["reason"] == "the old one is broken"
    assert numbers(study, name) == (2, None, 2)
    assert promote(study, name, 3, OPEN, ANN, force=True, reason="sure").decision == "promoted"


def test_what_is_in_production_already_is_left_alone(data: Data) -> None:
    study = data.study()
    before = len(data.runs)
    outcome = accept(study, NAME, 1)
    assert (outcome.decision, len(data.runs)) == ("unchanged", before)
    assert "nothing to do" in outcome.text


def test_a_move_by_hand_shows_and_is_reviewed(study: Store, name: str) -> None:
    accept(study, name, 1)
    by_hand(study, name, 3)
    assert notes(study, name) == {3: "unreviewed"}
    with pytest.raises(UserError, match="not promoted"):
        promote(study, name, 3, SHUT, ANN, force=False, reason="")
    assert notes(study, name) == {3: "unreviewed"}
    against = []
    watching = replace(OPEN, compare=lambda _, old: against.append(old.number) or {"held-out test": EQUAL})
    outcome = promote(study, name, 3, watching, ANN, force=False, reason="")
    assert against == [1]
    assert (outcome.old, numbers(study, name)) == (1, (3, 1, 3))
    assert "production was version 3, unreviewed: the last decision made it version 1" in outcome.text
    assert notes(study, name) == {}


def test_what_was_moved_by_hand_is_what_a_promotion_replaces(study: Store, name: str) -> None:
    accept(study, name, 1)
    by_hand(study, name, 3)
    outcome = accept(study, name, 4)
    assert numbers(study, name) == (4, 3, 4)
    assert outcome.run_id is not None
    assert "unreviewed" in study.client.get_run(outcome.run_id).data.tags["note"]


def test_an_alias_removed_by_hand_shows_and_its_version_stays_the_measure(study: Store, name: str) -> None:
    accept(study, name, 1)
    study.client.delete_registered_model_alias(name, PRODUCTION)
    assert notes(study, name) == {1: "production removed"}
    assert accept(study, name, 2).old == 1
    assert numbers(study, name) == (2, 1, 2)


def test_two_rollbacks_return_to_the_start(study: Store, name: str) -> None:
    accept(study, name, 1)
    accept(study, name, 2)
    outcome = back(study, name)
    assert (outcome.decision, outcome.old, outcome.new) == ("rolled-back", 2, 1)
    assert numbers(study, name) == (1, 2, 1)
    assert outcome.run_id is not None
    tags = study.client.get_run(outcome.run_id).data.tags
    assert (tags["decision"], tags["by"], tags["reason"]) == ("rolled-back", BEN, "it drifts")
    back(study, name)
    assert numbers(study, name) == (2, 1, 2)


def test_a_rollback_undoes_a_move_by_hand(study: Store, name: str) -> None:
    accept(study, name, 1)
    accept(study, name, 2)
    by_hand(study, name, 4)
    assert back(study, name).new == 2
    assert numbers(study, name) == (2, 4, 2)


def test_a_rollback_needs_somewhere_to_go(study: Store, name: str) -> None:
    with pytest.raises(UserError, match="production is version none and it has no alias 'previous'"):
        back(study, name)
    accept(study, name, 1)
    with pytest.raises(UserError, match="production is version 1 and it has no alias 'previous'"):
        back(study, name)
    study.client.set_registered_model_alias(name, PREVIOUS, str(1))
    with pytest.raises(UserError, match="previous is version 1 as well"):
        back(study, name)
    with pytest.raises(UserError, match="there is nothing to go back to"):
        back(study, "never-registered")


def test_a_rollback_goes_to_nothing_that_does_not_load(data: Data) -> None:
    study = data.study()
    with pytest.raises(UserError, match="not rolled back to version 2:\nFAILED  files: gone"):
        rollback(study, NAME, lambda _: ModelCheck("gone", "not tried", None), BEN, "")
    assert numbers(study) == (1, 2, 1)
    assert [run.data.tags["decision"] for run in data.runs.values()][-1] == "refused"


def test_production_that_moves_while_it_is_judged_stops_the_promotion(data: Data) -> None:
    study = data.study()
    meanwhile = when_loading(lambda: accept(data.study(), NAME, 4))
    with pytest.raises(UserError, match=r"production moved from version 1 to 4 meanwhile.*run it again"):
        promote(study, NAME, 3, meanwhile, BEN, force=False, reason="")
    assert numbers(study) == (4, 1, 4)
    statuses = [(run.data.tags["new"], run.info.status) for run in data.runs.values()]
    assert statuses == [("2", "FINISHED"), ("1", "FINISHED"), ("4", "FINISHED"), ("3", "FAILED")]
    lost = data.runs[f"{3:032x}"].data.tags
    assert "meanwhile" in lost["problem"]
    assert "decision" not in lost


def test_a_promotion_under_way_is_named_to_whoever_comes(data: Data) -> None:
    study = data.study()
    with locked(study.client, NAME, BEN), pytest.raises(UserError, match=f"moved by {BEN} since .* UTC"):
        accept(data.study(), NAME, 3)
    assert numbers(study) == (1, 2, 1)
    assert accept(study, NAME, 3).decision == "promoted"


actions = st.one_of(
    st.tuples(st.sampled_from(["promote", "force", "refuse", "by hand"]), st.integers(1, 4)),
    st.tuples(st.just("roll back"), st.just(0)),
    st.tuples(st.just("killed"), st.integers(0, 15)),
)


@given(st.lists(actions, max_size=12))
def test_no_sequence_of_moves_loses_production_or_hides_a_move_by_hand(moves: list[tuple[str, int]]) -> None:
    data = Data()
    study = data.study()
    fill(study.client, NAME, 4)
    was: Numbers = (None, None, None)
    for what, value in moves:
        runs = len(data.runs)
        if what == "by hand":
            by_hand(study, NAME, value)
        elif what == "killed":
            cut_off(data, lambda each: accept(each, NAME, 4), killed_at, value)
        elif what == "roll back":
            with suppress(UserError):
                outcome = back(study, NAME)
                assert outcome.new != was[0]
                assert numbers(study)[1] in (was if was[0] is None else was[:1])
        elif what == "refuse":
            with suppress(UserError):
                promote(study, NAME, value, SHUT, ANN, force=False, reason="")
            assert numbers(study)[0] == was[0]
        else:
            gate = SHUT if what == "force" else OPEN
            outcome = promote(study, NAME, value, gate, ANN, force=what == "force", reason="so")
            assert numbers(study)[::2] == (value, value)
            assert len(data.runs) == runs + (bool(outcome.checks))
            if was[0] not in (None, value):
                assert numbers(study)[1] == was[0]
        now = numbers(study)
        assert now[0] is not None or was[0] is None
        shown = {number for number, note in notes(study).items() if note == "unreviewed"}
        assert shown == ({now[0]} if now[0] not in (None, now[2]) else set())
        if what in ("promote", "force"):
            assert shown == set()
        was = now


def test_a_decision_keeps_the_hash_of_what_it_made_production_and_prints_it(study: Store, name: str) -> None:
    client, sha256 = study.client, "ab" * 32
    client.set_model_version_tag(name, "2", FILES_SHA256, sha256)
    accept(study, name, 1)
    outcome = accept(study, name, 2)
    assert f"SHA-256 {sha256}" in outcome.text
    assert client.get_run(str(outcome.run_id)).data.tags[FILES_SHA256] == sha256
    check_pinned(client, pull_version(client, name, 2))
    client.set_model_version_tag(name, "2", FILES_SHA256, "cd" * 32)
    with pytest.raises(UserError, match=f"cdcdcdcdcdcd, decision {outcome.run_id} .by {ANN}"):
        check_pinned(client, pull_version(client, name, 2))
    back(study, name)
    with pytest.raises(UserError, match="changed after it was made production"):
        check_pinned(client, pull_version(client, name, 2))
