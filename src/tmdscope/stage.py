"""What every stage script does around its work: say errors plainly, leave no half-written output."""

import os
import sys
from collections.abc import Callable, Sequence

from tmdscope.names import name_problem


class UserError(ValueError):
    """Something a user can mend; the message names the file, the value and the remedy."""


def say(message: str) -> None:
    """Tell the user something that is no error, on standard error.

    Parameters
    ----------
    message : str
        One line.
    """
    sys.stderr.write(f"{message}\n")
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


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's main function and turn its foreseen errors into a message and exit status 1.

    Parameters
    ----------
    main : callable
        The stage. Errors other than `UserError` keep their traceback: they are ours to mend.
    """
    try:
        main()
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(1) from error
