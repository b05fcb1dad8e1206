"""Stage `search`: settings of one experiment, found by Optuna; every trial and fold is an MLflow run."""

import sys

from tmdscope.jobs.searching import SearchRequest, search_experiment
from tmdscope.layout import MAIN
from tmdscope.memory import keep_freed_memory
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.images import DataParams, ModelTrackingParams
from tmdscope.params.reading import read_section
from tmdscope.params.search import SearchParams
from tmdscope.scores.task import CLASSES
from tmdscope.stage import name_of_entry, run_stage


def main() -> None:
    """Run the search of the experiment that the command line or DVC names, or go on with it."""
    name = name_of_entry(sys.argv[1:], "searches")
    keep_freed_memory()
    request = SearchRequest(
        experiment=name,
        search=read_section(f"searches.{name}", SearchParams),
        base=read_section(f"experiments.{name}", ExperimentParams),
        classes=read_section("data", DataParams).classes,
        study=read_section("tracking", ModelTrackingParams).study,
    )
    found = search_experiment(request, MAIN.searches / name)
    metric = CLASSES.primary
    print(
        f"{name}: trial {found.trial} of {found.progress.over} is best, "
        f"{metric.title} {metric.tell(found.value)}: "
        + ", ".join(f"{key} {value}" for key, value in found.settings.items())
    )


if __name__ == "__main__":
    run_stage(main)
