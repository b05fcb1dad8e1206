"""Which process something belongs to, written as text, and whether that process has left it behind."""

import json
import os
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TOKENS = {""}  # the empty one is the process's own
_PROC = Path("/proc")
_ENDED = ("Z", "X")  # states of a process that has ended and was not yet cleared away


@contextmanager
def owned() -> Iterator[str]:
    """Own something for as long as the block lasts; gives a JSON object to write on it.

    It holds ``place`` (the host, and on Linux its container), ``pid``, ``started``, which tells the process
    from another that gets the same number later, and a name of this ``block``.
    """
    token = uuid.uuid4().hex[:12]
    _TOKENS.add(token)
    try:
        yield mine(token)
    finally:
        _TOKENS.discard(token)


def mine(token: str = "") -> str:
    """Name this process, as `owned` does, for what it owns until it ends."""
    pid = os.getpid()
    return json.dumps({"place": _place(), "pid": pid, "started": _started(pid), "block": token})


def is_left(owner: str) -> bool:
    """Say whether an owner, as `owned` gives, is known to be gone; False where nothing can be said."""
    try:
        named = json.loads(owner)
        place, pid, started, token = named["place"], int(named["pid"]), named["started"], named["block"]
    except (ValueError, TypeError, KeyError):
        return False
    if place != _place():
        return False
    try:
        os.kill(pid, 0)  # signal 0 asks only whether it is there
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass  # it is there, another's
    if pid == os.getpid() and started == _started(pid):
        return token not in _TOKENS
    return _started(pid) not in (None, started)


def describe(owner: str) -> str:
    """Name a process for a person, ``process 4711 on bench``; empty for a text that names none."""
    try:
        named = json.loads(owner)
        return f"process {int(named['pid'])} on {str(named['place']).partition(' ')[0]}"
    except (ValueError, TypeError, KeyError):
        return ""


def _place() -> str:
    inside = ""
    with suppress(OSError):  # other systems than Linux know no such names
        inside = str((_PROC / "self" / "ns" / "pid").readlink())
    return f"{socket.gethostname()} {inside}".strip()


def _started(pid: int) -> str | None:
    """Say when a process began, in its system's own words; None where that is not to be learnt."""
    if not (_PROC / "stat").exists():
        return _started_elsewhere(pid)
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    state, *rest = stat.rpartition(")")[2].split()  # its name, in brackets, may hold anything
    return "ended" if state in _ENDED else f"{boot} {rest[18]}"


def _started_elsewhere(pid: int) -> str | None:
    said = subprocess.run(  # noqa: S603
        ["ps", "-o", "lstart=", "-p", str(pid)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
    )
    return said.stdout.strip() or None
