"""Decisions on what is in production, each a run of one MLflow experiment."""

import getpass
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from mlflow.exceptions import MlflowException

from tmdscope.tracking.provenance import git
from tmdscope.tracking.runs import TrackedRun, start_run
from tmdscope.tracking.store import Study, connect, open_study

EXPERIMENT = "promotions"
"""MLflow experiment of the decisions."""

_TAG_CHARACTERS = 5000


def open_decisions() -> Study:
    """Open the experiment of the decisions.

    Returns
    -------
    Study
        Its client is the one that decisions are carried out with.
    """
    connect()  # nothing can be decided where there is no store
    return open_study(EXPERIMENT)


def who() -> str:
    """Name the person who decides.

    Returns
    -------
    str
        ``NAME <EMAIL>`` as git is configured here; without a name there, ``USER@HOST (git names no one)``.
    """
    name, email = (git("config", "--get", f"user.{key}") for key in ("name", "email"))
    if name:
        return f"{name} <{email}>" if email else name
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()} (git names no one)"


@contextmanager
def decide(study: Study, name: str, tags: Mapping[str, str]) -> Iterator[TrackedRun]:
    """Open the run of a decision; what stops it is kept as its tag ``problem``.

    Parameters
    ----------
    study : Study
        As `open_decisions` gives.
    name : str
        Name of the run.
    tags : mapping
        Who, when, why, and what about.

    Yields
    ------
    TrackedRun
        The open run; it ends as failed when something is raised.
    """
    with start_run(study, name, tags) as run:
        try:
            yield run
        except Exception as error:
            with suppress(MlflowException):  # the store may be what failed
                run.tags({"problem": str(error)[:_TAG_CHARACTERS]})
            raise
