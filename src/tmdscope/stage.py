"""What every stage and command does around its work: each end has a message and an exit status, no frames."""

import gc
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from tmdscope import problem
from tmdscope.address import keep_secrets, without_secrets
from tmdscope.errors import UserError
from tmdscope.names import name_problem, shown
from tmdscope.temporary import all_in_one

FAULT = 70
"""Exit status after an error that nobody foresaw (EX_SOFTWARE); 1 is of errors that a user can mend."""

_LOOK_EVERY_S = 0.5
_COLLECT_AFTER = 50_000
"""New objects after which cycles among them are looked for: at Python's 700 imports take a second more."""


def say(message: str) -> None:
    """Tell the user something that is no error, on standard error."""
    sys.stderr.write(shown(without_secrets(message), keep="\n") + "\n")
    sys.stderr.flush()


class Stopped(KeyboardInterrupt):
    """A signal asked this process to end, as Ctrl-C does; the clean-up is the same."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def name_of_entry(arguments: Sequence[str], section: str) -> str:
    """Say which entry of a section a stage works on: DVC's ``DVC_STAGE`` has it (``crossval@NAME``).

    A command in dvc.yaml that held the name would hand it to a shell.
    """
    stage = os.environ.get("DVC_STAGE", "").rpartition(":")[2]
    given = [*arguments] or [name for name in [stage.partition("@")[2]] if name]
    if len(given) != 1:
        raise UserError(f"name one key of section '{section}' in params.yaml, and nothing else")
    if problem := name_problem(given[0]):
        raise UserError(f"{section}: {problem}")
    return given[0]


Translator = Callable[[Exception], UserError | None]
"""Turns a library's error into one that a user can mend; None where it is not that library's."""

_translators: list[Translator] = []


def translates(translator: Translator) -> Translator:
    """Register who knows the errors of a library: floors above know libraries that this one does not."""
    _translators.append(translator)
    return translator


def to_user_error(error: BaseException) -> UserError | None:
    """Say what a user can mend about an error, asking all translators; None where it is ours to mend."""
    if isinstance(error, UserError):
        return error
    asked = (one(error) for one in _translators) if isinstance(error, Exception) else ()
    if (said := next((said for said in asked if said is not None), None)) is not None:
        return said
    told = problem.explain(error)
    return None if told is None else UserError(told)


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's main function; whatever ends it becomes a message and an exit status."""
    if "DVC_STAGE" in os.environ:  # a new `dvc repro` would remove what a stage that goes on alone writes
        end_with(os.getppid(), signal.SIGTERM)
    with orderly(), all_in_one():
        main()


def end_with(parent: int, number: int = signal.SIGKILL) -> None:
    """End this process by a signal soon after its parent has ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY_S)
        os.kill(os.getpid(), number)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def orderly(kinds: type[BaseException] | tuple[type[BaseException], ...] = Exception) -> Iterator[None]:
    """Turn what ends the block into a message and a SystemExit, see `end`; errors not of these kinds pass.

    SIGTERM and SIGHUP raise `Stopped` in it, so that what Ctrl-C cleans up is cleaned up after them, too.
    """
    keep_secrets()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # a test's own stream
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    thread_hook, threading.excepthook = threading.excepthook, _tell_of_thread
    thresholds = gc.get_threshold()
    gc.set_threshold(_COLLECT_AFTER, *thresholds[1:])
    try:
        for number, handler in handlers.items():
            if handler is signal.SIG_DFL and threading.current_thread() is threading.main_thread():
                signal.signal(number, _stop)
        try:
            yield
        except SystemExit:
            _flush()
            raise
        _flush()
    except KeyboardInterrupt as error:
        with suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # who presses it again has waited enough
        raise SystemExit(end(error)) from error
    except kinds as error:
        raise SystemExit(end(error)) from error
    finally:
        threading.excepthook = thread_hook
        gc.set_threshold(*thresholds)
        for number, handler in handlers.items():
            if signal.getsignal(number) is _stop:
                signal.signal(number, handler)


def end(error: BaseException) -> int:
    """Tell why a process ends (``TMDSCOPE_TRACEBACK`` shows where), and give its exit status.

    1 for what a user can mend, `FAULT` for what is ours, 128 and the signal's number after a signal (141
    where who read the output has gone).
    """
    if isinstance(error, KeyboardInterrupt):
        number = error.number if isinstance(error, Stopped) else signal.SIGINT
        _tell(f"stopped by {signal.Signals(number).name}; start the same again to go on")
        return 128 + number
    if isinstance(error, BrokenPipeError) and _nobody_reads():
        _drop_output()
        return 128 + signal.SIGPIPE
    if os.environ.get("TMDSCOPE_TRACEBACK"):
        traceback.print_exception(error)
    said = to_user_error(error)
    _tell(f"error: {said or problem.report(error)}")
    if isinstance(error, OSError):
        _drop_output()
    return FAULT if said is None else 1


def _flush() -> None:
    """Write what waits to be written while its failure can still be told: a disk is full, a reader gone."""
    if sys.stdout is not None:  # it is where it was closed
        sys.stdout.flush()


def _tell(message: str) -> None:
    with suppress(OSError, AttributeError):  # nobody listens
        say(message)


def _tell_of_thread(about: threading.ExceptHookArgs) -> None:
    if about.exc_value is not None:
        end(about.exc_value)


def _stop(number: int, _: FrameType | None) -> None:
    raise Stopped(number)


def _nobody_reads() -> bool:
    """Whether who read standard output has gone."""
    with suppress(OSError, ValueError, AttributeError):
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return bool(poll.poll(0))
    return False


def _drop_output() -> None:
    """Let the interpreter not fail a second time on what could not be written to standard output."""
    try:
        _flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
