"""What every stage script does around its work: say errors plainly, leave no half-written output."""

import os
import sys
from collections.abc import Callable, Sequence

from tmdscope.address import keep_secrets, without_secrets
from tmdscope.names import name_problem, shown


class UserError(ValueError):
    """Something a user can mend; the message names the file, the value and the remedy.

    Parameters
    ----------
    message : str
        What is wrong; passwords and tokens are taken out of it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(without_secrets(message))


def say(message: str) -> None:
    """Tell the user something that is no error, on standard error.

    Parameters
    ----------
    message : str
        One line.
    """
    sys.stderr.write(shown(without_secrets(message), keep="\n") + "\n")
    sys.stderr.flush()


def name_of_entry(arguments: Sequence[str], section: str) -> str:
    """Say which entry of a section a stage works on.

    Parameters
    ----------
    arguments : sequence of str
        The entry's name; without one, DVC's variable ``DVC_STAGE`` has it (``crossval@NAME``): a command in
        dvc.yaml that held the name would hand it to a shell.
    section : str
        Of params.yaml, for messages.

    Returns
    -------
    str
        The name.

    Raises
    ------
    UserError
        None is given, or it cannot be a name.
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
    """Register who knows the errors of a library: floors above know libraries that this one does not.

    Parameters
    ----------
    translator : callable
        Asked for every error that ends a stage or a command.

    Returns
    -------
    callable
        The same.
    """
    _translators.append(translator)
    return translator


def to_user_error(error: Exception) -> UserError | None:
    """Say what a user can mend about an error.

    Parameters
    ----------
    error : Exception
        Any.

    Returns
    -------
    UserError or None
        The error itself, or what a library's means; None where it is ours to mend.
    """
    if isinstance(error, UserError):
        return error
    return next((said for one in _translators if (said := one(error)) is not None), None)


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's main function and turn its foreseen errors into a message and exit status 1.

    Parameters
    ----------
    main : callable
        The stage. Errors that nobody translates keep their traceback: they are ours to mend.
    """
    keep_secrets()
    try:
        main()
    except Exception as error:
        said = to_user_error(error)
        if said is None:
            raise
        sys.stderr.write("error: " + shown(str(said), keep="\n") + "\n")
        raise SystemExit(1) from error
