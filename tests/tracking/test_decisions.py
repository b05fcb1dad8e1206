import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lifecycle.memory import Data, failing_at
from tmdscope.errors import UserError
from tmdscope.tracking.decisions import Move, decide, moves_in, open_decisions, who
from tmdscope.tracking.registry import read_standing
from tmdscope.tracking.store import Store


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git of the test's own, which names no one yet."""
    path = tmp_path / "gitconfig"
    path.touch()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.chdir(tmp_path)
    return path


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("[user]\nname = Ann Ö\nemail = ann@example.org\n", "Ann Ö <ann@example.org>"),
        ("[user]\nname = Ann Ö\n", "Ann Ö"),
    ],
)
def test_git_names_who_decides(settings: Path, written: str, named: str) -> None:
    settings.write_text(written, encoding="utf-8")
    assert who() == named


def test_where_git_names_no_one_the_account_does_and_says_so(
    settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.setattr("socket.gethostname", lambda: "bench")
    assert settings.read_text() == ""
    assert who() == "ann@bench (git names no one)"
    monkeypatch.setenv("PATH", "")
    assert who() == "ann@bench (git names no one)"


def test_a_decision_is_a_run_of_their_experiment(store: Store) -> None:
    study = open_decisions()
    assert study.name == "promotions"
    with decide(study, "model 3", {"by": "Ann"}) as run:
        run.tags({"decision": "promoted"})
    stored = study.client.get_run(run.run_id)
    assert (stored.info.status, stored.info.run_name) == ("FINISHED", "model 3")
    assert (stored.data.tags["by"], stored.data.tags["decision"]) == ("Ann", "promoted")
    assert stored.info.experiment_id == study.experiment_id


def test_what_stops_a_decision_is_kept(store: Store) -> None:
    study = open_decisions()
    with pytest.raises(UserError, match="moved"), decide(study, "model 3", {}) as run:
        raise UserError("production moved " + "x" * 20_000)
    stored = study.client.get_run(run.run_id)
    assert stored.info.status == "FAILED"
    assert stored.data.tags["problem"].startswith("production moved")


def test_a_store_that_fails_hides_nothing() -> None:
    study = Data().study(failing_at(1))
    with pytest.raises(UserError, match="the first problem"), decide(study, "model 3", {}):
        raise UserError("the first problem")


def test_a_move_is_kept_until_it_is_struck_out(store: Store) -> None:
    client = store.client

    def left() -> list[Move]:
        return moves_in("moving", read_standing(client, "moving").tags)

    assert left() == []
    client.create_registered_model("moving")
    first = Move("a" * 32, "promoted", "Ann", "2026-01-02T00:00:00+00:00", None, None, None, 1)
    second = replace(first, run_id="b" * 32, at="2026-01-01T00:00:00+00:00", production=1, old=1, new=2)
    for move in (first, second):
        client.set_registered_model_tag("moving", move.tag, move.text)
    assert left() == [second, first]
    for _ in range(2):
        client.delete_registered_model_tag("moving", first.tag)
    assert left() == [second]


@pytest.mark.parametrize("value", ["", "[]", "{}", "3", '{"run_id": 1}', "[" * 9999])
def test_a_move_that_was_edited_names_its_tag(value: str) -> None:
    with pytest.raises(UserError, match=r"'production.moving.abc' of registered model 'tmd'"):
        moves_in("tmd", {"production.moving.abc": value})


def test_a_move_without_a_version_is_of_the_first_and_one_of_a_later_is_refused() -> None:
    move = Move("a" * 32, "promoted", "Ann", "2026-01-02T00:00:00+00:00", None, None, None, 1)
    written = json.loads(move.text)
    assert written.pop("version") == 1
    assert moves_in("tmd", {move.tag: json.dumps(written)}) == [move]
    with pytest.raises(UserError, match=r"is of version 2, this tmdscope reads version 1"):
        moves_in("tmd", {move.tag: json.dumps({**written, "version": 2})})
