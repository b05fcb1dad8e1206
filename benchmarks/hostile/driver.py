"""Cases in processes of their own, held to seconds and memory, watched for what must never happen."""

import json
import os
import resource
import select
import shutil
import signal
import socket
import stat
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.hostile.cases import MARK, Case, shared, shown_badly

CPU_S = 10.0
"""Seconds of processor time that a case may take."""

MEMORY_MIB = 1536
"""Memory that it may take beside what its process had before."""

WALL_S = 30.0
"""Seconds by the clock, on a machine that does other things too."""

PREPARE_S = 300.0
"""Seconds that making what the cases of a kind share may take."""

_GUARD_BYTES = 6 << 30
OUTCOMES = ("right", "traceback", "wrong", "hung", "memory", "executed")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_LOCAL = {"127.0.0.1", "::1", "localhost", "", None}


@dataclass(frozen=True)
class Outcome:
    """How a case ended.

    Attributes
    ----------
    kind, name : str
        Which case.
    outcome : str
        One of `OUTCOMES`.
    told : str
        What came.
    cpu_s : float
        Seconds of processor time.
    mib : float
        Memory beside what its process had before, in MiB.
    """

    kind: str
    name: str
    outcome: str
    told: str
    cpu_s: float = 0.0
    mib: float = 0.0


@dataclass
class Canary:
    """Writes down what no door may do: run programs, reach other machines, write elsewhere, unpickle."""

    folders: tuple[str, ...]
    seen: list[str] = field(default_factory=list)
    armed: bool = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Look at an audit event (PEP 578)."""
        if not self.armed:
            return
        with suppress(Exception):
            if told := self._judge(event, arguments):
                self.seen.append(told)

    def _judge(self, event: str, arguments: tuple[Any, ...]) -> str | None:
        if event in ("os.system", "os.exec", "os.posix_spawn", "pty.spawn"):
            return f"{event} {arguments[0]!r}"
        if event == "subprocess.Popen":
            return None if _is_ours(arguments[1]) else f"started {arguments[1]!r}"
        if event == "pickle.find_class":
            return f"unpickled {arguments[0]}.{arguments[1]}"
        if event == "socket.connect":
            address = arguments[1]
            away = isinstance(address, tuple) and address[0] not in _LOCAL
            return f"connected to {address!r}" if away else None
        if event == "socket.getaddrinfo":
            return f"asked for {arguments[0]!r}" if arguments[0] not in _LOCAL else None
        if event == "open" and isinstance(arguments[0], str | bytes) and arguments[2] & _WRITING:
            path = str(Path(os.fsdecode(arguments[0])).absolute())
            allowed = (*self.folders, "/dev/null", "/dev/shm", "/proc/self/")
            return None if path.startswith(allowed) else f"wrote {path}"
        return None


def _is_ours(arguments: Any) -> bool:
    """Say whether a process is one of this software's own: readers, checks, what records the commit."""
    words = [arguments] if isinstance(arguments, str) else [os.fsdecode(word) for word in arguments]
    if Path(words[0]).name in ("git", "uname", "lscpu", "ldconfig"):
        return True
    if words[0] != sys.executable:
        return False
    own = any(word.startswith(("tmdscope.", "multiprocessing", "from multiprocessing")) for word in words)
    return own or ("-c" in words and any(words[-1] in vars(module).values() for module in _ours()))


def _ours() -> Iterator[Any]:
    return (module for name, module in list(sys.modules.items()) if name.startswith("tmdscope"))


def run_kind(
    kind: str, cases: Sequence[Case], prepare: Callable[[Path], None] | None = None
) -> Iterator[Outcome]:
    """Try the cases of a kind one after another.

    Parameters
    ----------
    kind : str
        Its name.
    cases : sequence of Case
        What is tried.
    prepare : callable, optional
        Makes what they share.

    Yields
    ------
    Outcome
        Of each case.

    Raises
    ------
    RuntimeError
        What they share cannot be made.
    """
    with tempfile.TemporaryDirectory(prefix="tmdscope-hostile-") as name:
        folder = Path(name).resolve()
        if prepare is not None:
            (folder / "shared").mkdir()
            made = Case("prepare", prepare, lambda _: None, must="take")
            found = _run("prepare", made, folder / "shared", PREPARE_S)
            if found.outcome != "right":
                raise RuntimeError(f"{kind}: {found.told}")
            shared[kind] = folder / "shared"
        for number, case in enumerate(cases):
            place = folder / f"{number:03d}"
            place.mkdir()
            yield _run(kind, case, place, WALL_S)
            _remove(place)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _run(kind: str, case: Case, folder: Path, patience_s: float) -> Outcome:
    """Fork: everything is imported already, and whatever a case breaks ends with it."""
    ours, theirs = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process == 0:
        try:
            os.close(ours)
            os.setsid()
            try:
                told = _attempt(case, folder, patience_s == WALL_S)
            except BaseException:
                told = {"outcome": "traceback", "told": traceback.format_exc()}
            os.write(theirs, json.dumps(told).encode() + b"\n")
        finally:
            os._exit(0)
    os.close(theirs)
    content, until = b"", time.monotonic() + patience_s
    while select.select([ours], [], [], max(0.0, until - time.monotonic()))[0]:
        if not (part := os.read(ours, 1 << 16)):
            break
        content += part
        if content.endswith(b"\n"):  # what it started may keep the pipe open
            break
    late = time.monotonic() >= until
    os.close(ours)
    with suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
    status = os.waitpid(process, 0)[1]
    if content:
        found = Outcome(kind, case.name, **json.loads(content))
        return _with_mark(found, folder)
    signalled = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if late or signalled == signal.SIGXCPU:
        return Outcome(kind, case.name, "hung", f"no answer within {patience_s:g} s or {CPU_S:g} s of CPU")
    return Outcome(kind, case.name, "traceback", f"the process ended with status {status}")


def _with_mark(found: Outcome, folder: Path) -> Outcome:
    marks = [*folder.rglob(MARK), Path.cwd() / MARK]
    if any(path.exists() for path in marks):
        return Outcome(
            found.kind, found.name, "executed", f"a payload ran ({found.told})", found.cpu_s, found.mib
        )
    return found


def _attempt(case: Case, folder: Path, watched: bool) -> dict[str, Any]:
    """Make the input, knock, and say what came; runs in the forked process."""
    sys.dont_write_bytecode = True
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "MPLCONFIGDIR"):
        os.environ[name] = str(folder / "home")
    (folder / "home").mkdir(exist_ok=True)
    tempfile.tempdir = None
    os.chdir(folder)
    output = os.open(folder / "home" / "output", os.O_RDWR | os.O_CREAT)
    for number in (1, 2):
        os.dup2(output, number)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    canary = Canary((str(folder), *map(str, shared.values())))
    sys.addaudithook(canary)
    try:
        case.make(folder)
    except Exception:
        return {"outcome": "wrong", "told": f"the case cannot be made: {traceback.format_exc()}"}
    _lower(dict(case.limits))
    before, base, spent = _files(folder), _memory("VmRSS"), _cpu()
    Path("/proc/self/clear_refs").write_text("5")  # noqa: PTH - forget the peak so far
    if watched:
        _hold(spent)
    canary.armed = True
    outcome, told = _knock(case, folder)
    canary.armed = False
    sys.stdout.flush()
    sys.stderr.flush()
    _end_children()
    cpu_s = _cpu() - spent
    peak = max(_memory("VmHWM"), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
    printed = (folder / "home" / "output").read_text(encoding="utf-8", errors="surrogateescape")
    if outcome == "right":
        if changed := [path for path, about in before.items() if _about(folder / path) != about]:
            outcome, told = "wrong", f"{changed[0]} was changed ({told})"
        elif "Traceback (most recent call last)" in printed:
            outcome, told = "traceback", printed[-2000:]
        elif bad := shown_badly(printed):
            outcome, told = "wrong", f"printed {bad}"
    imported = [
        name
        for name, module in list(sys.modules.items())
        if _lies_in(getattr(module, "__file__", None), folder)
    ]
    if canary.seen or imported:
        outcome, told = "executed", f"{(canary.seen + imported)[:5]} ({told})"
    elif peak - base > MEMORY_MIB:
        outcome, told = "memory", f"{peak - base:.0f} MiB ({told})"
    elif cpu_s > CPU_S:
        outcome, told = "hung", f"{cpu_s:.1f} s of CPU ({told})"
    return {
        "outcome": outcome,
        "told": told[-4000:],
        "cpu_s": round(cpu_s, 2),
        "mib": max(0, round(peak - base)),
    }


def _knock(case: Case, folder: Path) -> tuple[str, str]:
    import re

    from tmdscope.stage import say, to_user_error

    try:
        value = case.door(folder)
    except (Exception, SystemExit) as error:
        said = to_user_error(error) if isinstance(error, Exception) else None
        if isinstance(error, MemoryError) and said is None:
            return "memory", "MemoryError"
        if said is None:
            return "traceback", traceback.format_exc()
        message = str(said)
        if case.must == "take":
            return "wrong", f"was refused: {message}"
        say(f"error: {message}")
        if "Traceback (most recent" in message or not message.strip():
            return "traceback", message
        if case.tells and not re.search(case.tells, message):
            return "wrong", f"the message does not tell {case.tells}: {message}"
        return "right", f"refused: {message}"
    if case.must == "refuse":
        return "wrong", f"was taken: {str(value)[:500]}"
    try:
        bad = case.wrong(value)
    except Exception:
        bad = traceback.format_exc()
    return ("wrong", f"was taken: {bad}") if bad else ("right", "taken")


def _lower(limits: dict[str, float]) -> None:
    """Let a limit be lower, wherever it was imported."""
    for module in _ours():
        for limit, value in limits.items():
            if hasattr(module, limit):
                setattr(module, limit, value)


def _hold(spent: float) -> None:
    seconds = int(spent + CPU_S) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    most = int(_memory("VmSize")) * (1 << 20) + _GUARD_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 30, 4 << 30))


def _memory(field: str) -> float:
    """Read a figure of /proc/self/status in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def _cpu() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


servers: list[int] = []
"""Processes of hostile servers, whose own time does not count."""


def _end_children() -> None:
    """End what still runs, so that its time and memory count."""
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # a thread has ended
            for process in map(int, (task / "children").read_text(encoding="ascii").split()):
                if process not in servers:
                    os.kill(process, signal.SIGKILL)
                    os.waitpid(process, 0)


def _files(folder: Path) -> dict[str, tuple[int, ...]]:
    """Tell every file of the case from what it becomes."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if not name.startswith("home") and not path.is_dir():
            found[name] = _about(path)
    return found


def _about(path: Path) -> tuple[int, ...]:
    try:
        about = path.lstat()
    except OSError:
        return ()
    regular = stat.S_ISREG(about.st_mode)
    return (about.st_mode, about.st_size, about.st_mtime_ns) if regular else (about.st_mode,)


def _lies_in(file: Any, folder: Path) -> bool:
    return isinstance(file, str) and file.startswith(str(folder))


def summarise(kind: str, outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """Count a kind's outcomes.

    Parameters
    ----------
    kind : str
        Its name.
    outcomes : iterable of Outcome
        Of its cases.

    Returns
    -------
    dict
        ``hostile`` (the kind), ``cases``, a count for each of `OUTCOMES`, ``worst_cpu_s`` and ``worst_mib``.
    """
    found = list(outcomes)
    counts = Counter(one.outcome for one in found)
    worst = {
        "worst_cpu_s": max((one.cpu_s for one in found), default=0.0),
        "worst_mib": max((one.mib for one in found), default=0.0),
    }
    return {"hostile": kind, "cases": len(found), **{name: counts[name] for name in OUTCOMES}, **worst}


def free_port() -> int:
    """Find a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
