"""Moving a version into production and back: judged, under a lock, and recorded.

The aliases are moved one after the other, as MLflow moves no two at once. A decision that was cut off
anywhere is settled by the next one (`tmdscope.lifecycle.moving`), so that every command can be repeated.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal, cast

from tmdscope.errors import UserError
from tmdscope.lifecycle.gate import Check, Gate, Load, check_loading, run_gate
from tmdscope.lifecycle.moving import carry_out, settle
from tmdscope.tracking.decisions import Move, decide, moves_in
from tmdscope.tracking.lock import locked
from tmdscope.tracking.registry import BEST, FILES_SHA256, Client, Version, pull_alias, pull_version
from tmdscope.tracking.standing import Standing, number_of, read_standing
from tmdscope.tracking.store import Study

Decision = Literal["promoted", "forced", "refused", "rolled-back", "unchanged"]
"""What became of a request; ``forced`` is a promotion in spite of failed checks."""

_TAG_CHARACTERS = 5000


@dataclass(frozen=True)
class Outcome:
    """What was decided; never ``refused``, which raises.

    `old` was in production, or was to be compared with; `new` is in production. `run_id` is None where there
    was nothing to decide, `sha256`, of the files of the version in production, empty where it is not known;
    `note` is something that a person should know.
    """

    decision: Decision
    name: str
    old: int | None
    new: int
    run_id: str | None = None
    checks: list[Check] = field(default_factory=list)
    note: str = ""
    sha256: str = ""

    @property
    def text(self) -> str:
        """What a person is told."""
        if self.decision == "unchanged":
            told = f"{self.name}: version {self.new} is in production already, and reviewed; nothing to do"
            return "\n".join(line for line in (told, self.note, self._files) if line)
        before = "none" if self.old is None else f"version {self.old}"
        headline = f"{self.name}: production is version {self.new} (before: {before}), {self.decision}"
        lines = [headline, *map(_line, self.checks), self.note, f"recorded as run {self.run_id}", self._files]
        return "\n".join(line for line in lines if line)

    @property
    def _files(self) -> str:
        return (
            f"its files: SHA-256 {self.sha256} (`tmdscope predict --sha256` takes no others)"
            if self.sha256
            else ""
        )


def promote(
    study: Study, name: str, number: int | None, gate: Gate, by: str, force: bool, reason: str
) -> Outcome:
    """Make a version production if the gate lets it pass, and remember what it was as previous.

    A promotion of the same version that was cut off when production had moved is completed. Production that
    was moved by hand is judged against what it was before that, and is thereby reviewed. No `number` is the
    version with alias ``best``; `force` promotes in spite of failed checks and needs a `reason`. `UserError`
    where checks failed, or someone else moves or has moved production meanwhile.
    """
    if force and not reason.strip():
        raise UserError("a forced promotion needs a reason: add --reason TEXT")
    client = study.client
    new = pull_alias(client, name, BEST) if number is None else pull_version(client, name, number)
    settled = settle(study, name, by)
    done = settled.completed
    if done is not None and done.decision != "rolled-back" and done.new == new.number:
        return _outcome_of(name, done, new, settled.note)
    seen = read_standing(client, name)
    if seen.is_reviewed and seen.numbers[0] == new.number:
        return Outcome("unchanged", name, None, new.number, note=settled.note, sha256=new.sha256)
    old = _measure_of(seen, new)
    checks = run_gate(new, old, gate)
    passed = all(check.passed for check in checks)
    decision: Decision = "promoted" if passed else "forced" if force else "refused"
    move = _plan(seen, old, new, by, decision)
    run_id = _record(study, name, move, seen, new, checks, reason)
    if decision == "refused":
        raise UserError(
            f"{name} version {new.number} is not promoted:\n{_failures(checks)}\n"
            f"mend that, or `tmdscope promote {new.number} --force --reason TEXT` (recorded as run {run_id})"
        )
    note = _note(seen, settled.note)
    return Outcome(decision, name, move.old, new.number, run_id, checks, note, new.sha256)


def rollback(study: Study, name: str, load: Load, by: str, reason: str) -> Outcome:
    """Undo the last move of production: production and previous change places.

    A rollback that was cut off is completed, not undone. Production that was moved by hand goes back to the
    version that was reviewed last. One that `load` does not load in a fresh process is not made production.
    `UserError` where there is nothing to go back to, or someone else moves or has moved production meanwhile.
    """
    settled = settle(study, name, by)
    done = settled.completed
    if done is not None and done.decision == "rolled-back":
        return _outcome_of(name, done, pull_version(study.client, name, done.new), settled.note)
    seen = read_standing(study.client, name)
    new = _before(seen)
    if new is None:
        raise UserError(_nowhere(name, seen))
    checks = check_loading(new, load)
    passed = all(check.passed for check in checks)
    move = _plan(seen, seen.production, new, by, "rolled-back" if passed else "refused")
    run_id = _record(study, name, move, seen, new, checks, reason)
    if not passed:
        raise UserError(
            f"{name} is not rolled back to version {new.number}:\n{_failures(checks)}\n"
            "`tmdscope models` lists the versions, `tmdscope promote VERSION` takes another "
            f"(recorded as run {run_id})"
        )
    note = _note(seen, settled.note)
    return Outcome("rolled-back", name, move.old, new.number, run_id, checks, note, new.sha256)


def _outcome_of(name: str, done: Move, new: Version, note: str) -> Outcome:
    """Tell what a decision came to that was cut off and has been completed now."""
    return Outcome(
        cast(Decision, done.decision), name, done.old, done.new, done.run_id, note=note, sha256=new.sha256
    )


def _plan(seen: Standing, old: Version | None, new: Version, by: str, decision: Decision) -> Move:
    """Make the move from `old` to `new`, by what was seen before it was judged; its run comes later."""
    return Move(
        run_id="",
        decision=decision,
        by=by,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        production=number_of(seen.production),
        previous=number_of(seen.previous),
        old=number_of(old),
        new=new.number,
    )


def _record(
    study: Study, name: str, move: Move, seen: Standing, new: Version, checks: Sequence[Check], reason: str
) -> str:
    """Write a decision down and, unless it is a refusal, carry it out."""
    client = study.client
    tags = {
        "model": name,
        "old": str(move.old or "none"),
        "new": str(move.new),
        "by": move.by,
        "at": move.at,
        "reason": reason or "none",
        **({FILES_SHA256: new.sha256} if new.sha256 else {}),
        "note": _note(seen) or "none",
        **{f"check.{check.name}": _line(check)[:_TAG_CHARACTERS] for check in checks},
    }
    with decide(study, f"{name} {move.new}", tags) as run:
        run.metrics({key: value for check in checks for key, value in check.figures.items()})
        if move.decision == "refused":
            run.tags({"decision": move.decision})
            return run.run_id
        move = replace(move, run_id=run.run_id)
        with locked(client, name, move.by) as lock:
            _expect_as_seen(client, name, move, seen)
            client.set_registered_model_tag(name, move.tag, move.text)
            carry_out(study, name, move, lock)
    client.delete_registered_model_tag(name, move.tag)
    return run.run_id


def _expect_as_seen(client: Client, name: str, move: Move, seen: Standing) -> None:
    """See, while the lock is held, that nothing was moved, and no move cut off, since all was judged."""
    now = read_standing(client, name)
    for other in moves_in(name, now.tags):
        raise UserError(f"{name}: meanwhile the move of {other} was cut off; run it again")
    if now.numbers != seen.numbers:
        was, became = number_of(seen.production), number_of(now.production)
        told = (
            f"production moved from version {was or 'none'} to {became or 'none'} meanwhile"
            if was != became
            else "its aliases were moved meanwhile"
        )
        raise UserError(
            f"{name}: {told}, so version {move.new} was judged against what no longer holds; "
            "look at `tmdscope models` and run it again"
        )
    pull_version(client, name, move.new)


def _measure_of(seen: Standing, new: Version) -> Version | None:
    """Find what a version replaces: production, or where that is itself or unset, what it was before."""
    for version in (seen.production, seen.reviewed, seen.previous):
        if version is not None and version.number != new.number:
            return version
    return None


def _before(seen: Standing) -> Version | None:
    """Find what production was before its last move, made by a decision or by hand."""
    for version in (seen.reviewed, seen.previous):
        if version is not None and version.number != number_of(seen.production):
            return version
    return None


def _nowhere(name: str, seen: Standing) -> str:
    production, previous, _ = seen.numbers
    told = "it has no alias 'previous'" if previous is None else f"previous is version {previous} as well"
    return (
        f"{name}: production is version {production or 'none'} and {told}, so there is nothing to go back "
        "to; `tmdscope models` lists the versions, `tmdscope promote VERSION` takes one"
    )


def _note(seen: Standing, settled: str = "") -> str:
    if seen.is_reviewed:
        return settled
    production, _, reviewed = seen.numbers
    return f"{settled}\n".lstrip() + (
        f"production was version {production or 'none'}, unreviewed: the last decision made it "
        f"{'none' if reviewed is None else f'version {reviewed}'}"
    )


def _failures(checks: Sequence[Check]) -> str:
    return "\n".join(_line(check) for check in checks if not check.passed)


def _line(check: Check) -> str:
    return f"{'passed' if check.passed else 'FAILED'}  {check.name}: {check.finding}"
