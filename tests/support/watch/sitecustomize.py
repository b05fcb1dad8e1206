"""Log what this process reads and imports; `tests.support.reads.watching` puts this on PYTHONPATH.

Python imports `sitecustomize` at start. Only reads through Python's own `open` are seen: not those of
compiled readers (sqlite, safetensors) or of forked children that leave by `os._exit`.
"""

import atexit
import json
import os
import sys
import uuid
from pathlib import Path


def _watch(log: Path, root: Path) -> None:
    opened: set[str] = set()
    owner = os.getpid()

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes) and _reads(*arguments[1:3]):
            opened.add(os.path.abspath(os.fsdecode(arguments[0])))  # noqa: PTH100 (pathlib would raise events)

    def write() -> None:
        if os.getpid() != owner:
            return
        modules = {str(getattr(module, "__file__", None) or "") for module in list(sys.modules.values())}
        content = {
            "script": os.path.abspath(sys.argv[0]),  # noqa: PTH100
            "arguments": sys.argv[1:],
            "reads": sorted(_inside(root, {name for name in opened if not name.endswith((".py", ".pyc"))})),
            "modules": sorted(_inside(root, {name for name in modules if name.endswith(".py")})),
        }
        (log / f"{uuid.uuid4()}.json").write_text(json.dumps(content), encoding="utf-8")

    atexit.register(write)
    sys.addaudithook(note)


def _reads(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return "r" in mode or "+" in mode
    return isinstance(flags, int) and flags & os.O_ACCMODE in (os.O_RDONLY, os.O_RDWR)


def _inside(root: Path, names: set[str]) -> set[str]:
    found = {Path(name) for name in names}
    return {
        path.relative_to(root).as_posix() for path in found if path.is_relative_to(root) and path.is_file()
    }


if "TMDSCOPE_READS_LOG" in os.environ:
    _watch(Path(os.environ["TMDSCOPE_READS_LOG"]), Path(os.environ["TMDSCOPE_READS_ROOT"]))
