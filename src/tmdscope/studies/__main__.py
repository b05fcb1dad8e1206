"""A stage of a study: ``python -m tmdscope.studies STUDY VERB [ENTRY]``, as dvc.yaml calls it."""

import sys

from tmdscope.stage import run_stage
from tmdscope.studies import find_study


def main() -> None:
    """Do what the command line names."""
    name, verb = [*sys.argv[1:3], "", ""][:2]
    study = find_study(name)
    study.job(verb)(study, *sys.argv[3:])


if __name__ == "__main__":
    run_stage(main)
