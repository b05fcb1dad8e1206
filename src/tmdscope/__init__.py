"""Tracked, reproducible transfer learning for microscopy of two-dimensional materials."""

import sys
from pathlib import PurePath
from types import TracebackType

__version__ = "0.1.0"


def _end(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    from tmdscope.stage import end

    raise SystemExit(end(error))


_program = PurePath(*sys.argv[:1])
if _program.name in ("tmdscope", "-m"):  # the command, a stage (python -m tmdscope.studies): ours
    sys.excepthook = _end  # what ends their imports is told as what ends their work
