"""What went wrong, in words: errors of the system with their remedies, and the report of a fault of ours."""

import errno
import os
import platform
import shlex
import shutil
import sys
import tempfile
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from importlib import metadata
from pathlib import Path

from tmdscope import __version__
from tmdscope.address import without_secrets
from tmdscope.layout import find_project, remedy_of

REPORTS = Path("reports")
"""Where reports of faults are written, in the project's folder, as ``problem-TIME.txt``."""

_LIBRARIES = ("dvc", "mlflow", "numpy", "optuna", "pandas", "pyarrow", "torch", "typer")
_SPACE = "free some space there, or work on another disk, then start it again"
_RIGHTS = "see who owns it (ls -ld) and that you may read it and write in its folder"
_NETWORK = "see that the network and who should answer are there"
_GONE = (errno.ENOENT, errno.EACCES, errno.ESTALE)
_REMEDIES = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: f"your quota is used up: {_SPACE}",
    errno.EFBIG: _SPACE,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: "its disk is mounted read-only: work in a folder that can be written",
    errno.EMFILE: "let more files be open at once: ulimit -n 4096",
    errno.ENFILE: "other programs hold too many files open: end some",
    errno.ENOMEM: "end other programs, or work on less at once",
    errno.ENAMETOOLONG: "shorten the name",
    errno.ELOOP: "it is a link that leads back to itself: remove it",
    errno.EISDIR: "it is a folder where a file belongs: move it away",
    errno.ENOTDIR: "a file lies where a folder belongs: move it away",
    errno.ENOTEMPTY: "another process writes there: end it and start again",
    errno.EIO: "the disk or the way to it fails: bring your data to safety",
    errno.ESTALE: "the network's disk was mounted anew: leave the folder and enter it again",
    errno.ENXIO: "it is no file: name another",
    **dict.fromkeys((errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH), _NETWORK),
    **dict.fromkeys((errno.ENETUNREACH, errno.EPIPE, errno.EADDRNOTAVAIL), _NETWORK),
}


def explain(error: BaseException) -> str | None:
    """Say what a user can mend about an error of files, memory or names, or its causes; None for others."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        if (text := _explain(cause)) is not None:
            return text
        seen.append(cause)
        cause = cause.__cause__
    return None


def _explain(error: BaseException) -> str | None:
    if isinstance(error, MemoryError):
        why = f" ({error})" if str(error) else ""
        return f"there is not enough memory{why}; end other programs, or work on less at once"
    if isinstance(error, UnicodeEncodeError):
        text = error.object[max(0, error.start - 20) : error.end + 20]
        return f"{text!r} cannot be written as {error.encoding}: {error.reason}; rename what is called so"
    if isinstance(error, ValueError) and str(error).startswith("embedded null "):
        return (
            "a name of a file or a folder holds a NUL; write it anew in the settings or on the command line"
        )
    if not isinstance(error, OSError) or not error.errno:
        return None
    if error.filename is None and error.errno in _GONE and not _is_here():
        return "the current folder was removed, or may not be entered; change to the project's folder"
    name = error.filename2 or error.filename
    path = None if name is None or isinstance(name, int) else Path(os.fsdecode(name))
    if "temporary directory" in str(error.strerror):
        return f"{error.strerror}; set TMPDIR to a folder that can be written"
    remedy = _REMEDIES.get(error.errno) or (remedy_of(path) if path else "start it again")
    if error.errno == errno.ENOENT and path is not None and len(path.parts) == 1:
        remedy = f"if it is a program, install it; else {remedy}"
    return f"{path or _nameless(error.errno)}: {error.strerror or error}; {remedy}"


def _nameless(number: int) -> str:
    """Say where an error may be of that names no file: where least space is left, if it is about space."""
    if number not in (errno.ENOSPC, errno.EDQUOT):
        return "a file or a connection"
    places = [find_project()]
    with suppress(OSError):  # on a full disk there may be none that can be written
        places.append(Path(tempfile.gettempdir()))
    free = {path: shutil.disk_usage(path).free for path in places}
    path = min(free, key=lambda one: free[one])
    return f"a file on the disk of {path} ({free[path] / 2**20:.0f} MiB are free there)"


def _is_here() -> bool:
    try:
        return bool(os.listdir())  # noqa: PTH208 - the folder that we are in
    except OSError:
        return False


def report(error: BaseException) -> str:
    """Write what is needed to mend an unforeseen error to a file, else into the message that is returned."""
    what = "".join(traceback.format_exception_only(error)).strip().partition("\n")[0][:500]
    found = without_secrets(f"tmdscope met a fault that is its own: {what}")
    text = without_secrets(_describe(error))
    if (place := _keep(text)) is None:
        return f"{found}\nno file could be written; please report this:\n{text}"
    return (
        f"{found}\nall that is known of it is in {place}; please read it through and send it to who keeps "
        "tmdscope, with a word on what you did"
    )


def _keep(text: str) -> Path | None:
    name = f"problem-{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    project = find_project()
    with suppress(OSError):
        if (project / "params.yaml").is_file():
            (project / REPORTS).mkdir(exist_ok=True)
            return _write(project / REPORTS / name, text)
    with suppress(OSError):
        return _write(Path(tempfile.gettempdir()) / name, text)
    return None


def _write(path: Path, text: str) -> Path:
    with path.open("x", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(text)
    return path


def _describe(error: BaseException) -> str:
    try:
        settings = sha256((find_project() / "params.yaml").read_bytes()).hexdigest()
    except OSError as missing:
        settings = f"none ({missing.strerror})"
    facts = {
        "time": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        "command": shlex.join(sys.argv),
        "stage": os.environ.get("DVC_STAGE", "none"),
        "settings": settings,
        "tmdscope": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        **{name: _version(name) for name in _LIBRARIES},
    }
    frames = "".join(traceback.format_exception(error))
    return "".join(f"{name}: {value}\n" for name, value in facts.items()) + f"\n{frames}"


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except (metadata.PackageNotFoundError, OSError):
        return "none"
