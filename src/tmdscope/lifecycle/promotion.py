"""Moving a version into production and back: judged, under a lock, and recorded.

The aliases are moved one after the other, as MLflow moves no two at once. A move is written down before its
first write and struck out after its last. Whoever decides next finds one that was cut off: where production
had moved the move is completed, where it had not it is given up and `previous` put back. Nothing that had
moved is ever moved back, so that whoever repeats a rollback that was killed does not undo it.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal, cast

from tmdscope.errors import UserError
from tmdscope.lifecycle.gate import Gate, Load, Requirement, check_loading, run_gate
from tmdscope.tracking.decisions import Move, decide, moves_in
from tmdscope.tracking.lock import LAPSES_AFTER_S, Lock, is_left_behind, locked
from tmdscope.tracking.registry import (
    BEST,
    FILES_SHA256,
    PREVIOUS,
    PRODUCTION,
    REVIEWED,
    Standing,
    Version,
    find_number,
    number_of,
    pull_alias,
    pull_version,
    read_standing,
)
from tmdscope.tracking.runs import TrackedRun, end_orphans
from tmdscope.tracking.store import Store

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
    checks: list[Requirement] = field(default_factory=list)
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
    study: Store, name: str, number: int | None, gate: Gate, by: str, force: bool, reason: str
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
    done, note = _settle_all(study, name, by)
    if done is not None and done.decision != "rolled-back" and done.new == new.number:
        return _outcome_of(name, done, new, note)
    seen = read_standing(client, name)
    if seen.is_reviewed and seen.numbers[0] == new.number:
        return Outcome("unchanged", name, None, new.number, note=note, sha256=new.sha256)
    old = _first_other(new.number, seen.production, seen.reviewed, seen.previous)
    checks = run_gate(new, old, gate)
    passed = all(check.passed for check in checks)
    return _Case(study, name, by, reason, seen, note).decide(
        *(old, new, checks, "promoted" if passed else "forced" if force else "refused"),
        f"{name} version {new.number} is not promoted",
        f"mend that, or `tmdscope promote {new.number} --force --reason TEXT`",
    )


def rollback(study: Store, name: str, load: Load, by: str, reason: str) -> Outcome:
    """Undo the last move of production: production and previous change places.

    A rollback that was cut off is completed, not undone. Production that was moved by hand goes back to the
    version that was reviewed last. One that `load` does not load in a fresh process is not made production.
    `UserError` where there is nothing to go back to, or someone else moves or has moved production meanwhile.
    """
    done, note = _settle_all(study, name, by)
    if done is not None and done.decision == "rolled-back":
        return _outcome_of(name, done, pull_version(study.client, name, done.new), note)
    seen = read_standing(study.client, name)
    new = _first_other(number_of(seen.production), seen.reviewed, seen.previous)
    if new is None:
        production, previous, _ = seen.numbers
        told = "it has no alias 'previous'" if previous is None else f"previous is version {previous} as well"
        raise UserError(
            f"{name}: production is version {production or 'none'} and {told}, so there is nothing to go "
            "back to; `tmdscope models` lists the versions, `tmdscope promote VERSION` takes one"
        )
    checks = check_loading(new, load)
    passed = all(check.passed for check in checks)
    return _Case(study, name, by, reason, seen, note).decide(
        *(seen.production, new, checks, "rolled-back" if passed else "refused"),
        f"{name} is not rolled back to version {new.number}",
        "`tmdscope models` lists the versions, `tmdscope promote VERSION` takes another",
    )


def _outcome_of(name: str, done: Move, new: Version, note: str) -> Outcome:
    """Tell what a decision came to that was cut off and has been completed now."""
    return Outcome(
        cast(Decision, done.decision), name, done.old, done.new, done.run_id, note=note, sha256=new.sha256
    )


@dataclass(frozen=True)
class _Case:
    """What is decided on by whom, and what was seen of the model before that was judged."""

    study: Store
    name: str
    by: str
    reason: str
    seen: Standing
    settled: str

    @property
    def note(self) -> str:
        """What a person should know: whether production was moved by hand."""
        if self.seen.is_reviewed:
            return ""
        production, _, reviewed = self.seen.numbers
        return (
            f"production was version {production or 'none'}, unreviewed: the last decision made it "
            f"{'none' if reviewed is None else f'version {reviewed}'}"
        )

    def decide(
        self,
        old: Version | None,
        new: Version,
        checks: list[Requirement],
        decision: Decision,
        refusal: str,
        remedy: str,
    ) -> Outcome:
        """Write a decision down and, unless it is a refusal, which is raised, carry it out."""
        client, at = self.study.client, datetime.now(UTC).isoformat(timespec="seconds")
        move = Move("", decision, self.by, at, *self.seen.numbers[:2], number_of(old), new.number)
        tags = {
            "model": self.name,
            "old": str(move.old or "none"),
            "new": str(move.new),
            "by": self.by,
            "at": at,
            "reason": self.reason or "none",
            **({FILES_SHA256: new.sha256} if new.sha256 else {}),
            "note": self.note or "none",
            **{f"check.{check.name}": _line(check)[:_TAG_CHARACTERS] for check in checks},
        }
        with decide(self.study, f"{self.name} {move.new}", tags) as run:
            run.metrics({key: value for check in checks for key, value in check.figures.items()})
            move = replace(move, run_id=run.run_id)
            if decision == "refused":
                run.tags({"decision": decision})
            else:
                with locked(client, self.name, self.by) as lock:
                    self._expect_as_seen(move)
                    client.set_registered_model_tag(self.name, move.tag, move.text)
                    _carry_out(self.study, self.name, move, lock)
        if decision == "refused":
            failures = "\n".join(_line(check) for check in checks if not check.passed)
            raise UserError(f"{refusal}:\n{failures}\n{remedy} (recorded as run {run.run_id})")
        client.delete_registered_model_tag(self.name, move.tag)
        note = "\n".join(filter(None, (self.settled, self.note)))
        return Outcome(decision, self.name, move.old, move.new, run.run_id, checks, note, new.sha256)

    def _expect_as_seen(self, move: Move) -> None:
        """See, while the lock is held, that nothing was moved, and no move cut off, since all was judged."""
        name, seen, now = self.name, self.seen.numbers, read_standing(self.study.client, self.name)
        for other in moves_in(name, now.tags):
            raise UserError(f"{name}: meanwhile the move of {other} was cut off; run it again")
        if now.numbers != seen:
            told = "its aliases were moved meanwhile"
            was, became = seen[0], now.numbers[0]
            if was != became:
                told = f"production moved from version {was or 'none'} to {became or 'none'} meanwhile"
            raise UserError(
                f"{name}: {told}, so version {move.new} was judged against what no longer holds; "
                "look at `tmdscope models` and run it again"
            )
        pull_version(self.study.client, name, move.new)


def _settle_all(study: Store, name: str, by: str) -> tuple[Move | None, str]:
    """Complete or give up what a killed process has left of a decision, and end its run.

    Gives the move that was completed, None where it was given up, and what to tell a person; or None and an
    empty text where nothing was left.
    """
    found: tuple[Move | None, str] = (None, "")
    client = study.client
    if moves_in(name, read_standing(client, name).tags) or is_left_behind(client, name):
        with locked(client, name, by) as lock:
            moves = moves_in(name, read_standing(client, name).tags)
            for move in moves:
                found = _settle(study, name, move, lock, by)
        for move in moves:
            client.delete_registered_model_tag(name, move.tag)
    end_orphans(study, LAPSES_AFTER_S)
    return found


def _carry_out(study: Store, name: str, move: Move, lock: Lock) -> None:
    """Make a move that was written down, or the rest of it, under the lock: every write may be repeated.

    A promotion saves what production is before it moves it. A rollback's goal is in `previous`, so that is
    overwritten last. The tag that says that production was reviewed comes last of all.
    """
    client = study.client
    steps = [(PREVIOUS, move.old), (PRODUCTION, move.new)]
    if move.decision == "rolled-back":
        steps.reverse()
    for alias, number in steps:
        lock.check()
        if number is not None and find_number(client, name, number):
            client.set_registered_model_alias(name, alias, str(number))
    for number, what in ((move.new, "promoted"), (move.old, "demoted")):
        if number is not None and find_number(client, name, number):
            client.set_model_version_tag(name, str(number), f"{what}.run", move.run_id)
    TrackedRun(study, move.run_id).tags({"decision": move.decision})
    client.set_registered_model_tag(name, REVIEWED, f"{move.new}@{move.run_id}")


def _settle(study: Store, name: str, move: Move, lock: Lock, by: str) -> tuple[Move | None, str]:
    client, run = study.client, TrackedRun(study, move.run_id)
    production, previous, _ = read_standing(client, name).numbers
    at = datetime.now(UTC).isoformat(timespec="seconds")
    if production == move.new:
        _carry_out(study, name, move, lock)
        run.tags({"completed": f"{at} by {by}"})
        run.end("FINISHED")
        return move, f"the move of {move} had been cut off and is completed now"
    lock.check()
    if previous == move.old != move.previous:
        if move.previous is None:
            client.delete_registered_model_alias(name, PREVIOUS)
        elif find_number(client, name, move.previous):
            client.set_registered_model_alias(name, PREVIOUS, str(move.previous))
    run.tags({"problem": f"cut off before production moved, given up at {at} by {by}"})
    run.end("KILLED")
    return None, f"the move of {move} was cut off before it was made, and given up"


def _first_other(than: int | None, *versions: Version | None) -> Version | None:
    """Find the first version of another number: what a new one replaces, or what was there before."""
    return next((version for version in versions if version and version.number != than), None)


def _line(check: Requirement) -> str:
    return f"{'passed' if check.passed else 'FAILED'}  {check.name}: {check.finding}"
