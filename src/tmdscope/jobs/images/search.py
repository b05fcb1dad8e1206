"""Stage `search`: settings of one experiment, found by Optuna; every trial and fold is an MLflow run."""

from tmdscope.jobs.searching import SearchRequest, search_experiment
from tmdscope.jobs.study import Study
from tmdscope.memory import keep_freed_memory
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.images import DataParams, ModelTrackingParams
from tmdscope.params.search import SearchParams
from tmdscope.scores.task import read_task
from tmdscope.stage import name_of_entry


def run(study: Study, *arguments: str) -> None:
    """Run the search of the experiment that the command line or DVC names, or go on with it."""
    name = name_of_entry(arguments, "searches")
    keep_freed_memory()
    request = SearchRequest(
        experiment=name,
        search=study.section(f"searches.{name}", SearchParams),
        base=study.section(f"experiments.{name}", ExperimentParams),
        classes=study.section("data", DataParams).classes,
        study=study.section("tracking", ModelTrackingParams).study,
    )
    found = search_experiment(request, study.layout.searches / name)
    metric = read_task(study.task).primary
    print(
        f"{name}: trial {found.trial} of {found.progress.over} is best, "
        f"{metric.title} {metric.tell(found.value)}: "
        + ", ".join(f"{key} {value}" for key, value in found.settings.items())
    )
