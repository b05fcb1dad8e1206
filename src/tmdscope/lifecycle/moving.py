"""Moves of production that can be cut off anywhere, and what is made of one that was.

A move is written down before its first write and struck out after its last. Whoever decides next finds one
that was cut off: where production had moved the move is completed, where it had not it is given up and
`previous` put back. Nothing is ever moved back that had moved, so that whoever repeats a rollback that was
killed does not undo it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from tmdscope.tracking.decisions import Move, moves_in
from tmdscope.tracking.lock import LAPSES_AFTER_S, Lock, is_left_behind, locked
from tmdscope.tracking.registry import PREVIOUS, PRODUCTION, find_number
from tmdscope.tracking.runs import TrackedRun, end_orphans
from tmdscope.tracking.standing import REVIEWED, read_standing
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
    found, client = Settled(), study.client
    if moves_in(name, read_standing(client, name).tags) or is_left_behind(client, name):
        with locked(client, name, by) as lock:
            moves = moves_in(name, read_standing(client, name).tags)
            for move in moves:
                found = _settle(study, name, move, lock, by)
        for move in moves:
            client.delete_registered_model_tag(name, move.tag)
    end_orphans(study, LAPSES_AFTER_S)
    return found


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
            client.set_registered_model_alias(name, alias, str(number))
    for number, what in ((move.new, "promoted"), (move.old, "demoted")):
        if number is not None and find_number(client, name, number):
            for key, value in {"at": move.at, "by": move.by, "run": move.run_id}.items():
                client.set_model_version_tag(name, str(number), f"{what}.{key}", value)
    TrackedRun(study, move.run_id).tags({"decision": move.decision})
    client.set_registered_model_tag(name, REVIEWED, f"{move.new}@{move.run_id}")


def _settle(study: Study, name: str, move: Move, lock: Lock, by: str) -> Settled:
    client, run = study.client, TrackedRun(study, move.run_id)
    production, previous, _ = read_standing(client, name).numbers
    at = datetime.now(UTC).isoformat(timespec="seconds")
    if production == move.new:
        carry_out(study, name, move, lock)
        run.tags({"completed": f"{at} by {by}"})
        run.end("FINISHED")
        return Settled(move, f"the move of {move} had been cut off and is completed now")
    lock.check()
    if previous == move.old != move.previous:
        if move.previous is None:
            client.delete_registered_model_alias(name, PREVIOUS)
        elif find_number(client, name, move.previous):
            client.set_registered_model_alias(name, PREVIOUS, str(move.previous))
    run.tags({"problem": f"cut off before production moved, given up at {at} by {by}"})
    run.end("KILLED")
    return Settled(None, f"the move of {move} was cut off before it was made, and given up")
