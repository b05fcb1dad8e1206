"""A stage of a study: ``python -m tmdscope.studies STUDY VERB [ENTRY]``, as dvc.yaml calls it."""

import sys

from tmdscope.errors import UserError
from tmdscope.stage import run_stage
from tmdscope.studies import find_study


def main() -> None:
    """Do what the command line names."""
    if len(sys.argv) < 3:
        raise UserError("name a study and a stage of it, as dvc.yaml does")
    study = find_study(sys.argv[1])
    study.job(sys.argv[2])(study, *sys.argv[3:])


if __name__ == "__main__":
    run_stage(main)
