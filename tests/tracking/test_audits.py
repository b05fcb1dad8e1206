"""Which audit a version rests on, as the store has it at that moment."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.report.numbers import audited
from tmdscope.errors import UserError
from tmdscope.files import sha256_json, write_json
from tmdscope.params.audit import ManifestAuditParams
from tmdscope.params.common import ScoringParams
from tmdscope.params.reading import read_section
from tmdscope.tracking.audits import NAME, audit_settings, find_audit
from tmdscope.tracking.registry import Version
from tmdscope.tracking.runs import start_run
from tmdscope.tracking.store import Store, open_study

SETTINGS = {"folds": 10}
of_its_own = (f"{number:064x}" for number in itertools.count())


def train(study: Store, /, **tags: str) -> Version:
    """A version of data of its own."""
    with start_run(
        study, "model", {"data.sha256": next(of_its_own), "split.sha256": "12" * 32, **tags}
    ) as run:
        pass
    return Version("classifier", 1, run.run_id, {})


def log_audit(
    study: Store,
    folder: Path,
    version: Version,
    failed: list[str],
    settings: Mapping[str, Any] = SETTINGS,
    **changes: str,
) -> str:
    """Log an audit as the stage does, of what a version was trained on but for some changes."""
    trained = study.client.get_run(version.run_id).data.tags
    of = {name: trained[name] for name in ("data.sha256", "split.sha256")} | changes
    with start_run(
        study, NAME, {"experiment": NAME, "params.sha256": sha256_json(dict(settings)), **of}
    ) as run:
        replace(audited(), failed_checks=failed, provenance=of).write(folder / "audit.json")
        run.artifact(folder / "audit.json")
    return run.run_id


def test_an_audit_made_again_is_the_one_that_counts(store: Store, tmp_path: Path) -> None:
    version = train(store)
    log_audit(store, tmp_path, version, [])
    assert find_audit(store.client, version, SETTINGS).failed == ()
    again = log_audit(store, tmp_path, version, ["duplicates", "campaigns"])
    found = find_audit(store.client, version, SETTINGS)
    assert (found.run_id, found.failed) == (again, ("duplicates", "campaigns"))
    assert again in found.text


def test_an_audit_is_found_in_the_experiment_of_audits(store: Store, tmp_path: Path) -> None:
    version = train(store, study=store.name)
    before = log_audit(store, tmp_path, version, ["folds"])  # beside the trainings, by an earlier tmdscope
    assert find_audit(store.client, version, SETTINGS).run_id == before
    own = log_audit(open_study(store.name, NAME), tmp_path, version, [])
    assert find_audit(store.client, version, SETTINGS).run_id == own
    log_audit(open_study("another", NAME), tmp_path, version, ["samples"])
    assert find_audit(store.client, version, SETTINGS).run_id == own


def test_an_audit_of_something_else_does_not_count(store: Store, tmp_path: Path) -> None:
    version = train(store)
    log_audit(store, tmp_path, version, [], **{"data.sha256": "ee" * 32})
    log_audit(store, tmp_path, version, [], **{"split.sha256": "ee" * 32})
    with pytest.raises(
        UserError, match=r"not audited: models:/classifier/1 was .* `dvc repro --force audit`"
    ):
        find_audit(store.client, version, None)
    log_audit(store, tmp_path, version, ["folds"], {"folds": 5})
    assert find_audit(store.client, version, None).failed == ("folds",)
    with pytest.raises(UserError, match=r"not audited with the settings of params\.yaml"):
        find_audit(store.client, version, SETTINGS)


def test_one_that_did_not_end_does_not_count(store: Store, tmp_path: Path) -> None:
    version = train(store)
    sound = log_audit(store, tmp_path, version, [])
    failing = log_audit(store, tmp_path, version, ["duplicates"])
    store.client.set_terminated(failing, "FAILED")
    assert find_audit(store.client, version, SETTINGS).run_id == sound


def test_a_record_of_something_else_than_its_tags_say_is_refused(store: Store, tmp_path: Path) -> None:
    version = train(store)
    run_id = log_audit(store, tmp_path, version, [])
    replace(audited(), provenance={"data.sha256": "ee" * 32}).write(tmp_path / "audit.json")
    store.client.log_artifact(run_id, str(tmp_path / "audit.json"))
    with pytest.raises(UserError, match=f"audit.json of run {run_id} is of other data"):
        find_audit(store.client, version, SETTINGS)


@pytest.mark.parametrize("content", [{}, {"version": 2}, {"version": 1, "failed_checks": []}])
def test_a_record_of_another_version_is_refused(
    store: Store, tmp_path: Path, content: dict[str, Any]
) -> None:
    version = train(store)
    run_id = log_audit(store, tmp_path, version, [])
    write_json(tmp_path / "audit.json", content)
    store.client.log_artifact(run_id, str(tmp_path / "audit.json"))
    with pytest.raises(UserError, match=rf"audit\.json of run {run_id} cannot be used: .*--force audit"):
        find_audit(store.client, version, SETTINGS)


def test_a_class_that_was_added_needs_an_audit_of_all_images(store: Store) -> None:
    version = train(store, experiment="add-material")
    with pytest.raises(UserError, match=r"not audited.*add the class's images to the study's own source"):
        find_audit(store.client, version, SETTINGS)


def test_settings_are_those_of_both_sections() -> None:
    path = Path(__file__).parents[2] / "params.yaml"
    params = read_section("audit", ManifestAuditParams, path)
    scoring = read_section("scoring", ScoringParams, path)
    found = [
        sha256_json(audit_settings(one, other))
        for one in (params, params.model_copy(update={"seed": params.seed + 1}))
        for other in (scoring, scoring.model_copy(update={"bootstrap": 7}))
    ]
    assert len(set(found)) == 4
