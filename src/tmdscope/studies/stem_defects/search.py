"""Stage `search`: learning rate and dropout of the network that is registered, found by Optuna."""

from tmdscope.jobs.network_search import run_search, task_of
from tmdscope.jobs.study import Study
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.search import SearchParams
from tmdscope.scores.task import CLASSES
from tmdscope.studies.stem_defects.data import classes_of, windows_dataset
from tmdscope.studies.stem_defects.records import NETWORK
from tmdscope.studies.stem_defects.study import windows_of


def run(study: Study) -> None:
    """Search on the training conditions alone; every trial and fold is an MLflow run."""
    asked, windows = study.section("search", SearchParams), windows_of(study)
    settings = asked, study.section("network", ExperimentParams)
    task = task_of(windows, NETWORK, settings, windows_dataset(windows), classes_of(study))
    found = run_search(windows, NETWORK, task)
    told = ", ".join(f"{key} {value:.3g}" for key, value in found.settings.items())
    print(
        f"trial {found.trial} of {found.progress.over} is best: {told}, {CLASSES.primary.tell(found.value)}"
    )
