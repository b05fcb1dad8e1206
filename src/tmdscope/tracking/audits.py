"""The audits of a study in its store: logged by stage `audit`, looked up whenever something rests on one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlflow import MlflowClient

from tmdscope.audit.record import Audit
from tmdscope.errors import UserError
from tmdscope.files import sha256_json
from tmdscope.params.audit import AuditParams
from tmdscope.params.common import ScoringParams
from tmdscope.tracking.artifacts import fetch_artifact
from tmdscope.tracking.registry import Version, task_of
from tmdscope.tracking.store import all_pages, experiments_of

NAME = "audit"
"""Tag ``experiment`` of an audit's run, and the kind that it is of, see `open_study`."""

AUDITED = "audited.sha256"
"""Tag of what was trained on another table than the one that its study's audit is of: that one's hash."""

_RECORD = "audit.json"
_OF = ("data.sha256", "split.sha256")
_ADDED = "add-material"


@dataclass(frozen=True)
class StudyAudit:
    """An audit that ended, at `at` (UTC); `failed` are the checks that failed."""

    run_id: str
    at: datetime
    failed: tuple[str, ...]

    @property
    def text(self) -> str:
        """When it was made, and where its record is."""
        return f"{self.at:%Y-%m-%d %H:%M UTC}, run {self.run_id}"


def audit_settings(params: AuditParams, scoring: ScoringParams) -> dict[str, Any]:
    """Give all settings that an audit depends on, JSON-like; tag ``params.sha256`` is their hash."""
    return {**params.model_dump(mode="json"), "scoring": scoring.model_dump(mode="json")}


def find_audit(client: MlflowClient, version: Version, settings: Mapping[str, Any] | None) -> StudyAudit:
    """Find the newest audit of the data and the split that a version was trained on, or of `AUDITED`.

    An audit with other `settings` than these (as `audit_settings` gives) does not count; None takes any.
    `UserError` where there is none, or its record is not of that data and split.
    """
    trained = client.get_run(version.run_id)
    of = {name: trained.data.tags.get(name, "none") for name in _OF}
    of["data.sha256"] = trained.data.tags.get(AUDITED, of["data.sha256"])
    clauses = [f"tags.`{name}` = '{value}'" for name, value in {"experiment": NAME, **of}.items()]
    query = " and ".join([*clauses, "attributes.status = 'FINISHED'"])
    where = {trained.info.experiment_id, *experiments_of(client, trained.data.tags.get("study", ""))}
    latest = ["attributes.end_time DESC"]
    ended = all_pages(client.search_runs, sorted(where), query, order_by=latest)
    wanted = None if settings is None else sha256_json(dict(settings))
    fitting = [run for run in ended if wanted in (None, run.data.tags.get("params.sha256"))]
    if not fitting:
        told = "with the settings of params.yaml (audit, scoring), only with others" if ended else ""
        raise UserError(_missing(version, of, trained.data.tags.get("experiment") == _ADDED, told))
    info = fitting[0].info
    what, remedy = f"{_RECORD} of run {info.run_id}", "make it anew: `dvc repro --force audit`"
    with fetch_artifact(client, info.run_id, _RECORD) as path:
        try:
            audit = Audit.read(path, task_of(trained.data.tags))
        except UserError as error:
            raise UserError(f"{what} cannot be used: {error}; {remedy}") from error
    made_of = audit.provenance or {}
    if {name: made_of.get(name) for name in _OF} != of:
        raise UserError(f"{what} is of other data or another split than its tags say; {remedy}")
    at = datetime.fromtimestamp(info.end_time / 1000, UTC)
    return StudyAudit(info.run_id, at, tuple(audit.failed_checks))


def _missing(version: Version, of: Mapping[str, str], added: bool, told: str) -> str:
    what = " and ".join(f"{name.partition('.')[0]} {value[:12]}" for name, value in of.items())
    remedy = (
        "its class was added to the study's data: add the class's images to the study's own source and "
        "`dvc repro`"
        if added
        else "check out the data and params.yaml that it was trained with and `dvc repro --force audit`"
    )
    return f"not audited{told and f' {told}'}: {version.uri} was trained on {what}; {remedy}"
