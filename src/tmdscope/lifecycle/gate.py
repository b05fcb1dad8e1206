"""The gate before production: what a version must show, each check with what it found."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tmdscope.address import without_secrets
from tmdscope.lifecycle.comparison import compare_versions
from tmdscope.lifecycle.not_worse import Finding, judge_difference
from tmdscope.limits import LOADING_MEMORY_BYTES, LOADING_S
from tmdscope.scores.intervals import Estimate
from tmdscope.tracking.audits import StudyAudit, find_audit
from tmdscope.tracking.check_model import ModelCheck
from tmdscope.tracking.contract import Contract, read_contract
from tmdscope.tracking.registration import read_facts, run_tags, with_run
from tmdscope.tracking.registry import Client, Version, check_pinned, task_of
from tmdscope.tracking.store import tracking_uri

AGAIN = "`dvc repro --force register`"


@dataclass(frozen=True)
class Requirement:
    """One thing that a version must show: what was found, with a remedy, and numbers for the record."""

    name: str
    passed: bool
    finding: str
    figures: Mapping[str, float] = field(default_factory=dict)


Load = Callable[[Version], ModelCheck]
"""Loads a version in a fresh process."""

_Found = tuple[bool, str] | Finding


@dataclass(frozen=True)
class Gate:
    """How versions are judged.

    `margin`, at least 0, is for `tmdscope.lifecycle.not_worse.judge_difference`. `audit` gives the newest
    audit of what a version was trained on, and raises where there is none. `compare` gives differences of two
    versions, first less second, by the part that both held out, as named in
    `tmdscope.lifecycle.comparison.HELD_OUT`.
    """

    margin: float
    contract: Callable[[Version], Contract]
    run_tags: Callable[[Version], Mapping[str, str]]
    split_problems: Callable[[Version], Sequence[str]]
    audit: Callable[[Version], StudyAudit]
    compare: Callable[[Version, Version], Mapping[str, Estimate]]
    load: Load


def make_gate(client: Client, margin: float, resamples: int, seed: int, audited: Mapping[str, Any]) -> Gate:
    """Make the gate that reads a store; `audited` is as `tmdscope.tracking.audits.audit_settings` gives."""

    def compare(first: Version, second: Version) -> dict[str, Estimate]:
        one, other = (with_run(client, version) for version in (first, second))
        found = compare_versions(client, one, other, resamples, seed)
        return {scores.name: scores.difference for scores in found.held_out}

    def contract(version: Version) -> Contract:
        check_pinned(client, version)
        return read_contract(version)

    return Gate(
        margin=margin,
        contract=contract,
        run_tags=partial(run_tags, client),
        split_problems=lambda version: read_facts(client, version).audit.problems,
        audit=lambda version: find_audit(client, version, audited),
        compare=compare,
        load=load_in_fresh_process,
    )


def run_gate(candidate: Version, production: Version | None, gate: Gate) -> list[Requirement]:
    """Judge a version; every check runs, whatever the others found. No `production`: nothing to beat."""
    own = cache(lambda: gate.contract(candidate))
    theirs = cache(lambda: own() if production is None else gate.contract(production))
    checks: dict[str, Callable[[], _Found]] = {
        "classes": lambda: _classes(candidate, own(), theirs()),
        "input contract": lambda: _inputs(candidate, own(), theirs()),
        "data hash": lambda: _data(candidate, gate),
        "audits": lambda: _audits(candidate, gate),
        "not worse": lambda: _not_worse(candidate, production, gate),
    }
    return [_attempt(name, check) for name, check in checks.items()] + check_loading(candidate, gate.load)


def check_loading(version: Version, load: Load) -> list[Requirement]:
    """Check that a version loads intact (``files``) and repeats its ``reference predictions``."""
    try:
        found = load(version)
    except Exception as error:
        found = ModelCheck(without_secrets(str(error)), "not tried: the model was not loaded")
    figures = {} if found.max_difference is None else {"max_difference": found.max_difference}
    largest = "" if found.max_difference is None else f", largest difference {found.max_difference:.1g}"
    return [
        Requirement("files", found.files is None, found.files or "hash as recorded, no pickle"),
        Requirement(
            "reference predictions", found.reference is None, found.reference or f"repeated{largest}", figures
        ),
    ]


def load_in_fresh_process(version: Version) -> ModelCheck:
    """Load a version in a process of its own and let it repeat its stored predictions."""
    command = [sys.executable, "-m", "tmdscope.tracking.check_model", version.uri]
    try:
        with tempfile.TemporaryDirectory(prefix="tmdscope-") as folder:  # it may be killed: we clean up
            environment = os.environ | {"MLFLOW_TRACKING_URI": tracking_uri(), "TMPDIR": folder}
            ended = subprocess.run(  # noqa: S603
                command, env=environment, capture_output=True, text=True, check=False, timeout=LOADING_S
            )
    except subprocess.TimeoutExpired:
        return ModelCheck(f"{version.uri} was not loaded within {LOADING_S} s", "not repeated")
    return parse_report(version.uri, ended.returncode, ended.stdout, ended.stderr)


def parse_report(uri: str, status: int, output: str, errors: str) -> ModelCheck:
    """Read the `ModelCheck` that ends a process's output; where there is none the files are at fault."""
    try:
        report = TypeAdapter(ModelCheck).validate_json(output.strip().rpartition("\n")[2], strict=True)
        if report.ok == (status == 0):
            return report
    except ValidationError:
        pass
    last = without_secrets(errors).strip().rpartition("\n")[2] or output.strip()[-200:] or "no message"
    if status < 0:
        last += f" (at most {LOADING_MEMORY_BYTES >> 30} GiB and {LOADING_S} s are allowed)"
    return ModelCheck(f"loading {uri} ended with status {status}: {last}", "not repeated")


def _attempt(name: str, check: Callable[[], _Found]) -> Requirement:
    try:
        return Requirement(name, *check())
    except Exception as error:
        return Requirement(name, False, without_secrets(str(error)) or type(error).__name__)


def _classes(candidate: Version, own: Contract, theirs: Contract) -> _Found:
    if not own.classes:
        return False, f"{candidate.uri} names no classes; log it with tmdscope"
    told = ", ".join(own.classes)
    if own.classes == theirs.classes:
        return True, told
    others = ", ".join(theirs.classes) or "none"
    return False, f"{told}; production has {others}: register it under another name"


def _inputs(candidate: Version, own: Contract, theirs: Contract) -> _Found:
    problems = []
    for what, mine, other in (
        ("signature", own.inputs, theirs.inputs),
        ("preparation", own.prepare, theirs.prepare),
    ):
        if mine is None:
            problems.append(f"{candidate.uri} states no {what} of its inputs; run its experiment again")
        elif mine != other:
            problems.append(f"{what} {json.dumps(mine)}, production has {json.dumps(other)}")
    return not problems, "; ".join(problems) or "same signature and preparation"


def _data(candidate: Version, gate: Gate) -> _Found:
    tag = candidate.tags.get("data.sha256", "")
    if not re.fullmatch(r"[0-9a-f]{64}", tag):
        return False, f"tag data.sha256 is {tag or 'missing'}; run {AGAIN}"
    source = gate.run_tags(candidate).get("data.sha256", "missing")
    if tag == source:
        return True, tag[:12]
    return False, f"the version says {tag[:12]}, its run {candidate.run_id} {source[:12]}; run {AGAIN}"


def _audits(candidate: Version, gate: Gate) -> _Found:
    if problems := gate.split_problems(candidate):
        told = f"{len(problems)} problems of data or split, such as: {problems[0]}"
        return False, f"{told}; mend them and run it again"
    found = gate.audit(candidate)
    if found.failed:
        failed = ", ".join(found.failed)
        return False, f"the study's audit ({found.text}) failed: {failed}; its report says why"
    return True, f"no problems of data or split, nothing failed in the study's audit ({found.text})"


def _not_worse(candidate: Version, production: Version | None, gate: Gate) -> _Found:
    if production is None:
        return True, "no production yet"
    found = gate.compare(candidate, production)
    task = task_of({**gate.run_tags(candidate), **candidate.tags})
    return judge_difference(found, task.primary, gate.margin, f"version {production.number}")
