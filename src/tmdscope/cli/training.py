"""Commands that train: search, search-worker, add-material."""

from pathlib import Path
from typing import Annotated

import typer

from tmdscope.cli.options import ParamsPath, echo


def search(
    experiment: Annotated[str, typer.Argument(help="Key of sections `searches` and `experiments`.")],
    workers: Annotated[int, typer.Option(min=1, max=1000, help="Processes on this machine.")] = 1,
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """Search the settings of an experiment, or go on with its search, as stage `search` does.

    Variable TMDSCOPE_SEARCH_STORAGE names a PostgreSQL database for searches of more than one process;
    `tmdscope search-worker` joins from anywhere. Ctrl-C gives trials under way back.
    """
    from tmdscope.jobs.searching import local_workers, search_experiment
    from tmdscope.params.search import BEST_PARAMS
    from tmdscope.scores.task import read_task
    from tmdscope.studies import study_of

    study = study_of(params)
    with local_workers(experiment, workers - 1, params):
        found = search_experiment(study, experiment)
    metric = read_task(study.task).primary
    echo(
        f"{experiment}: trial {found.trial} of {found.progress.over} is best, {metric.title} "
        f"{metric.tell(found.value)}; settings in {study.layout.searches / experiment / BEST_PARAMS}"
    )


def search_worker(
    study: Annotated[str, typer.Argument(help="Name of the study, as `tmdscope search` prints it.")],
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the study to be made.")] = 0.0,
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """Work on a search that another process leads, until its last trial is over.

    The same commit, data and settings must be here, and the same TMDSCOPE_SEARCH_STORAGE and
    MLFLOW_TRACKING_URI. An experiment's name stands for its study.
    """
    from tmdscope.jobs.searching import join_experiment_search
    from tmdscope.studies import study_of

    echo(f"{study}: {join_experiment_search(study_of(params), study, wait)} trials ended here")


def add_material(
    model: Annotated[str, typer.Option(help="Start: models:/NAME@ALIAS or models:/NAME/VERSION.")],
    images: Annotated[Path, typer.Option(help="Folder with images of one new class and their manifest CSV.")],
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """Add a class to a registered model and say what that gains against training anew.

    Section `sequential` says how it is trained; data and split must be those of the model. The new model is
    registered, no alias is moved. The study's own files stay as they are: to keep the class, add its images
    to the study's source.
    """
    from tmdscope.jobs.add_material import add_material as add
    from tmdscope.studies import study_of

    text, place = add(study_of(params), model, images)
    echo(f"{text}\nin full: {place}")
