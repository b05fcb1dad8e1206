"""What MLflow's pages open with: the table and the charts in which a study's experiments are compared.

Run as ``python -m tmdscope.tracking.views ADDRESS``: prints where the pages of a server at ADDRESS compare
the runs of each study, and where its registered models are.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from mlflow import MlflowClient
from mlflow.entities import Experiment

from tmdscope.scores.task import Task
from tmdscope.stage import run_stage, say
from tmdscope.tracking.lock import PREFIX
from tmdscope.tracking.store import Study, all_pages, connect

SHOWN = ("test", "out_of_fold")
"""Parts whose scores an experiment's run shows: the held-out test, and images by folds that left them out."""

_KEY = "comparison"
_TAG = f"mlflow.sharedViewState.{_KEY}"
"""Where the pages keep a view that was saved under a key, which their menu "Views" lists by its name."""

_MODE = "workflowType=machine_learning"
_SETTINGS = ("strategy", "target", "architecture", "weights")


def save_view(study: Study, task: Task) -> None:
    """Save the view that compares a study's experiments by the task's scores, best first."""
    experiment = study.client.get_experiment(study.experiment_id)
    view = _view(task, experiment.creation_time)
    if experiment.tags.get(_TAG) != view:
        study.client.set_experiment_tag(study.experiment_id, _TAG, view)


def shown_metrics(task: Task, *parts: Mapping[str, float]) -> dict[str, float]:
    """Name the scores of the parts `SHOWN`, what decides first: all that an experiment's run shows."""
    scored = list(zip(SHOWN, parts, strict=True))
    return {f"{part}_{one.name}": of[one.name] for part, of in scored for one in reversed(task.metrics)}


def _view(task: Task, at_ms: int) -> str:
    """Write a view as the pages of MLflow 3.17 do: what they keep of filter, order, columns and charts."""
    metrics = [f"{part}_{one.name}" for part in SHOWN for one in reversed(task.metrics)]
    section = {"uuid": "scores", "name": "Scores", "display": True, "isReordered": False}
    drawn = dict.fromkeys(metrics, "BAR") | {f"epoch_val_{task.primary.name}": "LINE"}
    charts = [_chart(name, kind, section["uuid"]) for name, kind in drawn.items()]
    state = {
        "searchFilter": "",
        "orderByKey": f"metrics.`{metrics[0]}`",
        "orderByAsc": not task.primary.higher_is_better,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [
            *(f"metrics.`{name}`" for name in metrics),
            *(f"params.`{name}`" for name in _SETTINGS),
            "attributes.`Models`",
        ],
        "compareRunCharts": charts,
        "compareRunSections": [section],
    }
    made = {"name": "Comparison", "createdAt": at_ms, "updatedAt": at_ms}
    return json.dumps({**made, "state": json.dumps(state)})


def _chart(metric: str, kind: str, section: Any) -> dict[str, Any]:
    chart = {"uuid": metric, "type": kind, "metricSectionId": section, "metricKey": metric}
    return {**chart, "displayName": metric, "runsCountToCompare": 10, "deleted": False, "isGenerated": False}


def links(client: MlflowClient, address: str) -> Iterator[str]:
    """Say where a server's pages compare the runs of each study, and where the registered models are."""
    for one in sorted(all_pages(client.search_experiments), key=lambda found: found.name):
        if _TAG in one.tags:
            compared = f"{_page(address, one)}&viewStateShareKey={_KEY}"
            yield f"{one.name}, experiments compared: {compared}"
            yield f"{one.name}, the same as charts: {compared}&compareRunsMode=CHART"
        elif "/" in one.name:
            yield f"{one.name}: {_page(address, one)}"
    for model in all_pages(client.search_registered_models):
        if not model.name.startswith(PREFIX):
            yield f"registered model {model.name}: {address}/#/models/{quote(model.name, safe='')}"


def _page(address: str, experiment: Experiment) -> str:
    return f"{address}/#/experiments/{experiment.experiment_id}/runs?{_MODE}"


def main() -> None:
    """Print the links into the server that the command line names, as far as there are runs yet."""
    for line in links(connect(create=True), sys.argv[1].rstrip("/")):
        say(line)


if __name__ == "__main__":
    run_stage(main)
