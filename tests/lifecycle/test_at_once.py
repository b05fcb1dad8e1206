"""Decisions in processes of their own, on an sqlite file and through a server: at once, and killed."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lifecycle.gates import OPEN, fill
from tests.lifecycle.promoting import die_at_write, promote_at_once
from tests.support.mlflow_server import serve
from tmdscope.lifecycle.promotion import promote, rollback
from tmdscope.tracking.lock import PREFIX
from tmdscope.tracking.registry import read_standing
from tmdscope.tracking.store import Store, open_study

PROCESSES = 4
ROUNDS = 2


@pytest.fixture(params=["sqlite", "server"])
def study(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with ExitStack() as stack:
        if request.param == "server":
            store = f"sqlite:///{tmp_path / 'served.db'}"
            address = stack.enter_context(serve(store, tmp_path / "artifacts"))
            monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        yield open_study("promotions")


@pytest.mark.slow
def test_of_promotions_at_once_one_wins_and_the_others_are_told(study: Store) -> None:
    for turn in range(ROUNDS):
        name = f"tmd-at-once-{turn}"
        fill(study.client, name, PROCESSES + 1)
        promote(study, name, PROCESSES + 1, OPEN, "the first", force=False, reason="")
        answers = promote_at_once(name, list(range(1, PROCESSES + 1)), study.uri)
        won = [int(answer.split()[1]) for answer in answers if answer.startswith("promoted")]
        lost = [answer for answer in answers if answer.startswith("refused")]
        assert (len(won), len(lost)) == (1, PROCESSES - 1), answers
        assert all("are being moved by process" in answer or "meanwhile" in answer for answer in lost)
        assert read_standing(study.client, name).numbers == (won[0], PROCESSES + 1, won[0])
        tags = study.client.get_model_version(name, str(won[0])).tags
        decided = study.client.get_run(tags["promoted.run"]).data.tags
        assert decided["by"] == f"process {won[0]}"
        runs = study.client.search_runs([study.experiment_id], f"tags.model = '{name}'")
        outcomes = sorted((run.info.status, run.data.tags.get("decision", "none")) for run in runs)
        assert outcomes == [("FAILED", "none")] * (PROCESSES - 1) + [("FINISHED", "promoted")] * 2
    assert list(study.client.search_registered_models(f"name LIKE '{PREFIX}%'")) == []


@pytest.mark.slow
@pytest.mark.parametrize("study", ["sqlite"], indirect=True)
@pytest.mark.parametrize("what", ["promote", "rollback"])
def test_a_decision_whose_process_dies_at_any_write_is_repeated_at_once(study: Store, what: str) -> None:
    client = study.client
    for at in itertools.count():
        name = f"tmd-{what}-{at}"
        fill(client, name, 3)
        for number in (2, 1):
            promote(study, name, number, OPEN, "the first", force=False, reason="")
        came = die_at_write(name, 3 if what == "promote" else None, study.uri, at)
        if not came:
            break
        if what == "promote":
            promote(study, name, 3, OPEN, "the next", force=False, reason="")
        else:
            rollback(study, name, OPEN.load, "the next", reason="")
        new = 3 if what == "promote" else 2
        assert read_standing(client, name).numbers == (new, 1, new)
        runs = client.search_runs([study.experiment_id], f"tags.model = '{name}'")
        assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}
        assert [model.name for model in client.search_registered_models(f"name = '{PREFIX}{name}'")] == []
        assert list(client.get_registered_model(name).tags) == ["production.reviewed"]
    assert at > 11
