"""Each check of the gate on what passes and what does not."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.lifecycle.gates import AUDITED, CONTRACT, HASH, OPEN, SOUND, TAGS
from tmdscope.errors import UserError
from tmdscope.lifecycle.gate import (
    Gate,
    Requirement,
    check_loading,
    load_in_fresh_process,
    make_gate,
    parse_report,
    run_gate,
)
from tmdscope.tracking.check_model import ModelCheck
from tmdscope.tracking.contract import Contract
from tmdscope.tracking.registry import Version
from tmdscope.tracking.store import open_study

OLD = Version("tmd-test", 1, "run-1", TAGS)
NEW = Version("tmd-test", 2, "run-2", TAGS)
ORDER = ["classes", "input contract", "data hash", "audits", "not worse", "files", "reference predictions"]


def failed(gate: Gate, candidate: Version = NEW, production: Version | None = OLD) -> list[Requirement]:
    checks = run_gate(candidate, production, gate)
    assert [check.name for check in checks] == ORDER
    return [check for check in checks if not check.passed]


def contracts(new: Contract, old: Contract = CONTRACT) -> Callable[[Version], Contract]:
    return lambda version: new if version.number == NEW.number else old


@pytest.mark.parametrize("production", [OLD, None])
def test_what_is_sound_passes(production: Version | None) -> None:
    assert failed(OPEN, NEW, production) == []


def test_the_audit_is_looked_up_when_it_is_needed() -> None:
    found = [replace(AUDITED, failed=("duplicates", "campaigns")), AUDITED]
    gate = replace(OPEN, audit=lambda _: found.pop())
    told = [run_gate(NEW, OLD, gate)[3] for _ in range(2)]
    assert [check.passed for check in told] == [True, False]
    assert AUDITED.run_id in told[0].finding
    assert "failed: duplicates, campaigns" in told[1].finding


def test_copies_of_an_audit_in_tags_count_for_nothing() -> None:
    tags = {**TAGS, "audit.failed": "none", "audit.problems": "0"}
    gate = replace(OPEN, audit=refuse, split_problems=lambda _: [])
    (check,) = failed(gate, replace(NEW, tags=tags))
    assert check.name == "audits"
    (check,) = failed(replace(OPEN, split_problems=lambda _: ["sample s1 in both"]), replace(NEW, tags=tags))
    assert "1 problems of data or split, such as: sample s1 in both" in check.finding


@pytest.mark.parametrize(
    ("contract", "names", "finding"),
    [
        (replace(CONTRACT, classes=("WS2", "MoS2")), ["classes"], "WS2, MoS2; production has MoS2, WS2"),
        (replace(CONTRACT, classes=()), ["classes"], "names no classes"),
        (replace(CONTRACT, inputs=[{"type": "row"}]), ["input contract"], 'signature [{"type": "row"}], '),
        (replace(CONTRACT, prepare={"size_px": 32}), ["input contract"], 'production has {"size_px": 64}'),
        (replace(CONTRACT, prepare=None), ["input contract"], "states no preparation of its inputs"),
        (replace(CONTRACT, inputs=None), ["input contract"], "states no signature of its inputs"),
        (Contract((), None, None), ["classes", "input contract"], ""),
    ],
)
def test_another_contract_fails(contract: Contract, names: list[str], finding: str) -> None:
    found = failed(replace(OPEN, contract=contracts(contract)))
    assert [check.name for check in found] == names
    assert finding in found[0].finding


def test_without_production_a_contract_must_still_be_stated() -> None:
    silent = replace(OPEN, contract=contracts(Contract((), None, None)))
    assert [check.name for check in failed(silent, NEW, None)] == ["classes", "input contract"]


@pytest.mark.parametrize(
    ("tags", "name", "finding"),
    [
        ({}, "data hash", "tag data.sha256 is missing; run `dvc repro --force register`"),
        ({**TAGS, "data.sha256": "abc"}, "data hash", "tag data.sha256 is abc"),
        ({**TAGS, "data.sha256": "cd" * 32}, "data hash", f"says {'cd' * 6}, its run run-2 {HASH[:12]}"),
    ],
)
def test_tags_that_do_not_hold_fail(tags: dict[str, str], name: str, finding: str) -> None:
    (check,) = failed(OPEN, replace(NEW, tags=tags))
    assert check.name == name
    assert finding in check.finding


def test_a_run_without_a_data_hash_fails() -> None:
    (check,) = failed(replace(OPEN, run_tags=lambda _: {}))
    assert "its run run-2 missing" in check.finding


def refuse(*_: Version) -> Any:
    raise UserError("no image in common")


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("contract", ["classes", "input contract"]),
        ("run_tags", ["data hash", "not worse"]),
        ("split_problems", ["audits"]),
        ("audit", ["audits"]),
        ("compare", ["not worse"]),
        ("load", ["files", "reference predictions"]),
    ],
)
def test_a_check_that_cannot_be_made_fails_and_the_others_are_made(part: str, names: list[str]) -> None:
    found = failed(replace(OPEN, **{part: refuse}))
    assert [check.name for check in found] == names
    assert found[0].finding == "no image in common"


def test_what_was_loaded_is_told_with_its_largest_difference() -> None:
    files, reference = check_loading(NEW, lambda _: SOUND)
    assert files.finding == "hash as recorded, no pickle"
    assert reference.finding == "repeated, largest difference 2e-07"
    assert reference.figures == {"max_difference": 2e-7}


def answer(ok: bool, files: str | None, reference: str | None, difference: float | None) -> str:
    said = {"ok": ok, "files": files, "reference": reference, "max_difference": difference}
    return f"INFO a library's own line\n{json.dumps(said)}\n"


@pytest.mark.parametrize(
    ("status", "output", "report"),
    [
        (0, answer(True, None, None, 1e-7), ModelCheck(None, None, 1e-7)),
        (1, answer(False, "changed", "not tried", None), ModelCheck("changed", "not tried", None)),
        (1, answer(False, None, "differ", 0.5), ModelCheck(None, "differ", 0.5)),
    ],
)
def test_what_the_fresh_process_says_is_taken(status: int, output: str, report: ModelCheck) -> None:
    assert parse_report(NEW.uri, status, output, "") == report


@pytest.mark.parametrize(
    ("status", "output", "errors", "told"),
    [
        (-9, "", "", "status -9: no message"),
        (1, "", "Traceback\nMemoryError: too big\n", "status 1: MemoryError: too big"),
        (0, "true\n", "", "status 0: true"),
        (0, '{"ok": true}\n', "", 'status 0: {"ok": true}'),
        (3, answer(True, None, None, 0.0), "cleared up", "status 3: cleared up"),
        (0, answer(True, "changed", None, 0.0), "", "status 0: "),
    ],
)
def test_a_process_that_ends_otherwise_has_not_loaded_it(
    status: int, output: str, errors: str, told: str
) -> None:
    report = parse_report(NEW.uri, status, output, errors)
    assert report.files is not None
    assert f"loading models:/tmd-test/2 ended with {told}" in report.files
    assert (report.reference, report.max_difference) == ("not repeated", None)


@pytest.mark.slow
def test_a_fresh_process_loads_from_the_store_in_force(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path_factory.mktemp("gate")))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    study = open_study("gate")
    study.client.create_registered_model("tmd-test")
    run = study.client.create_run(study.experiment_id, tags={"data.sha256": HASH})
    missing = replace(NEW, run_id=run.info.run_id)
    assert make_gate(study.client, 0.02, 10, 1, {}).run_tags(missing)["data.sha256"] == HASH
    report = load_in_fresh_process(missing)
    assert report.files is not None
    assert f"cannot load {NEW.uri} from {study.uri}" in report.files
