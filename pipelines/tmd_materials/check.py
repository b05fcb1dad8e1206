"""Stage `check`: all settings together, before anything is made or trained."""

from pathlib import Path

from tmdscope.files import write_text
from tmdscope.lifecycle.settings import check_samples
from tmdscope.params.study import read_study
from tmdscope.stage import run_stage

PARAMS = Path("params.yaml")
CHECKED = Path("data/checked.txt")
"""The same text whenever all is well: what depends on it does not run again."""


def main() -> None:
    """Write that the settings are right, or list every problem."""
    print(check_samples(read_study(PARAMS), PARAMS))
    write_text(CHECKED, f"{PARAMS} was found to be right.\n")


if __name__ == "__main__":
    run_stage(main)
