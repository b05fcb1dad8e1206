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
