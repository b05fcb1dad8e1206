"""What every stage script does around its work: say errors plainly, leave no half-written output."""

import sys
from collections.abc import Callable


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
    try:
        main()
    except Exception as error:
        said = to_user_error(error)
        if said is None:
            raise
        sys.stderr.write(f"error: {said}\n")
        raise SystemExit(1) from error
