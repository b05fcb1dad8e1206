"""Moves of production that can be cut off anywhere, and what is made of one that was.

A move is written down before its first write and struck out after its last. Whoever decides next finds one
that was cut off: where production had moved the move is completed, where it had not it is given up and
`previous` put back. Nothing is ever moved back that had moved, so that whoever repeats a rollback that was
killed does not undo it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from tmdscope.errors import UserError
from tmdscope.tracking.decisions import Move, list_moves, strike_out
from tmdscope.tracking.lock import LAPSES_AFTER_S, Lock, is_left_behind, locked
from tmdscope.tracking.registry import PREVIOUS, PRODUCTION, Client, drop_alias, find_number, point_alias
from tmdscope.tracking.runs import TrackedRun, end_orphans
from tmdscope.tracking.standing import mark_reviewed, read_standing, tag_version
from tmdscope.tracking.store import Study


@dataclass(frozen=True)
class Settled:
    """What was made of a move that was cut off.

    `completed` is None where it was given up, or there was none; `note` tells a person, empty where there was
    none.
    """

    completed: Move | None = None
    note: str = ""


def settle(study: Study, name: str, by: str) -> Settled:
    """Complete or give up what a killed process has left of a decision, and end its run."""
    found = Settled()
    if list_moves(study.client, name) or is_left_behind(study.client, name):
        with locked(study.client, name, by) as lock:
            moves = list_moves(study.client, name)
            for move in moves:
                found = _settle(study, name, move, lock, by)
        for move in moves:
            strike_out(study.client, name, move)
    end_orphans(study, LAPSES_AFTER_S)
    return found


def expect_settled(client: Client, name: str) -> None:
    """See, while the lock is held, that no move was cut off since all was settled."""
    for move in list_moves(client, name):
        raise UserError(f"{name}: meanwhile the move of {_describe(move)} was cut off; run it again")


def carry_out(study: Study, name: str, move: Move, lock: Lock) -> None:
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
            point_alias(client, name, alias, number)
    record = {"at": move.at, "by": move.by, "run": move.run_id}
    for number, what in ((move.new, "promoted"), (move.old, "demoted")):
        if number is not None and find_number(client, name, number):
            tag_version(client, name, number, {f"{what}.{key}": value for key, value in record.items()})
    TrackedRun(study, move.run_id).tags({"decision": move.decision})
    mark_reviewed(client, name, move.new, move.run_id)


def _settle(study: Study, name: str, move: Move, lock: Lock, by: str) -> Settled:
    client, run = study.client, TrackedRun(study, move.run_id)
    production, previous, _ = read_standing(client, name).numbers
    at = datetime.now(UTC).isoformat(timespec="seconds")
    if production == move.new:
        carry_out(study, name, move, lock)
        run.tags({"completed": f"{at} by {by}"})
        run.end("FINISHED")
        return Settled(move, f"the move of {_describe(move)} had been cut off and is completed now")
    lock.check()
    if previous == move.old != move.previous:
        if move.previous is None:
            drop_alias(client, name, PREVIOUS)
        elif find_number(client, name, move.previous):
            point_alias(client, name, PREVIOUS, move.previous)
    run.tags({"problem": f"cut off before production moved, given up at {at} by {by}"})
    run.end("KILLED")
    return Settled(None, f"the move of {_describe(move)} was cut off before it was made, and given up")


def _describe(move: Move) -> str:
    return f"production to version {move.new} ({move.decision} by {move.by} at {move.at}, run {move.run_id})"
