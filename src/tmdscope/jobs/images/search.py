"""Stage `search`: settings of one experiment, found by Optuna; every trial and fold is an MLflow run."""

from tmdscope.jobs.searching import search_experiment
from tmdscope.jobs.study import Study
from tmdscope.scores.task import read_task
from tmdscope.stage import name_of_entry


def run(study: Study, *arguments: str) -> None:
    """Run the search of the experiment that the command line or DVC names, or go on with it."""
    name = name_of_entry(arguments, "searches")
    found, metric = search_experiment(study, name), read_task(study.task).primary
    print(
        f"{name}: trial {found.trial} of {found.progress.over} is best, "
        f"{metric.title} {metric.tell(found.value)}: "
        + ", ".join(f"{key} {value}" for key, value in found.settings.items())
    )
