"""What MLflow's pages open with: the table and the charts in which a study's experiments are compared.

Run as ``python -m tmdscope.tracking.views ADDRESS``: prints where the pages of a server at ADDRESS compare
the runs of each study, and where its registered models are.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from mlflow import MlflowClient

from tmdscope.scores.task import Task
from tmdscope.stage import run_stage, say
from tmdscope.tracking.lock import PREFIX
from tmdscope.tracking.store import Store, all_pages, connect

SHOWN = ("test", "out_of_fold")
"""Parts whose scores an experiment's run shows: the held-out test, and images by folds that left them out."""

_TAG = "mlflow.sharedViewState."
"""Before a key: where the pages keep a view that was saved, which their menu "Views" lists by its name."""

_MODE = "workflowType=machine_learning"
_SETTINGS = ("strategy", "target", "architecture", "weights")


def save_views(study: Store, task: Task) -> None:
    """Save the views that compare a study's experiments by the task's scores, best first, and its folds."""
    experiment = study.client.get_experiment(study.experiment_id)
    scores = [f"{part}_{one.name}" for part in SHOWN for one in reversed(task.metrics)]
    up = not task.primary.higher_is_better
    curves = [f"epoch_{part}_{task.primary.name}" for part in ("val", "train")]
    for key, name, of, metrics, kind in (
        ("experiments", "Experiments compared", "tags.fold IS NULL", scores, "BAR"),
        ("folds", "Training curves of folds", "tags.fold IS NOT NULL", curves, "LINE"),
    ):
        view = _view(name, of, metrics, kind, up, experiment.creation_time)
        if experiment.tags.get(_TAG + key) != view:
            study.client.set_experiment_tag(study.experiment_id, _TAG + key, view)


def shown_metrics(task: Task, *parts: Mapping[str, float]) -> dict[str, float]:
    """Name the scores of the parts `SHOWN`, what decides first: all that an experiment's run shows."""
    scored = list(zip(SHOWN, parts, strict=True))
    return {f"{part}_{one.name}": of[one.name] for part, of in scored for one in reversed(task.metrics)}


def _view(name: str, of: str, metrics: Sequence[str], kind: str, up: bool, at_ms: int) -> str:
    """Write a view as the pages of MLflow 3.17 do: what they keep of filter, order, columns and charts."""
    section = {"uuid": "scores", "name": "Scores", "display": True, "isReordered": False}
    state = {
        "searchFilter": of,
        "orderByKey": f"metrics.`{metrics[0]}`",
        "orderByAsc": up,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [
            *(f"metrics.`{metric}`" for metric in metrics),
            *(f"params.`{setting}`" for setting in _SETTINGS),
        ],
        "compareRunCharts": [_chart(metric, kind, section["uuid"]) for metric in metrics],
        "compareRunSections": [section],
    }
    return json.dumps({"name": name, "createdAt": at_ms, "updatedAt": at_ms, "state": json.dumps(state)})


def _chart(metric: str, kind: str, section: Any) -> dict[str, Any]:
    chart = {"uuid": metric, "type": kind, "metricSectionId": section, "metricKey": metric}
    return {**chart, "displayName": metric, "runsCountToCompare": 10, "deleted": False, "isGenerated": False}


def links(client: MlflowClient, address: str) -> Iterator[str]:
    """Say where a server's pages compare the runs of each study, and where the registered models are."""
    for one in sorted(all_pages(client.search_experiments), key=lambda found: found.name):
        page = f"{address}/#/experiments/{one.experiment_id}/runs?{_MODE}"
        if _TAG + "experiments" in one.tags:
            yield f"{one.name}, experiments compared: {page}&viewStateShareKey=experiments"
            yield f"{one.name}, the same drawn: {page}&viewStateShareKey=experiments&compareRunsMode=CHART"
            yield f"{one.name}, training curves: {page}&viewStateShareKey=folds&compareRunsMode=CHART"
        elif "/" in one.name:
            yield f"{one.name}: {page}"
    for model in all_pages(client.search_registered_models):
        if not model.name.startswith(PREFIX):
            yield f"registered model {model.name}: {address}/#/models/{quote(model.name, safe='')}"


def main() -> None:
    """Print the links into the server that the command line names, as far as there are runs yet."""
    for line in links(connect(create=True), sys.argv[1].rstrip("/")):
        say(line)


if __name__ == "__main__":
    run_stage(main)
