"""The models that a person names, and the predictions that their runs keep."""

import re
from dataclasses import dataclass

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from tmdscope.errors import UserError
from tmdscope.files import read_table
from tmdscope.scores.scored import PREDICTIONS, find_problems
from tmdscope.scores.task import Task
from tmdscope.tracking.registry import Version, pull_alias, resolve, task_of
from tmdscope.tracking.runs import fetch_artifact
from tmdscope.tracking.store import shown_uri


@dataclass(frozen=True)
class ScoredModel:
    """A model and the run that keeps its predictions.

    `title` is ``NAME version 3`` or ``run NAME (1c29a1ee)``, `uri` None where the run logged no model; `tags`
    are of the run, and of the version where it is one.
    """

    title: str
    run_id: str
    uri: str | None
    tags: dict[str, str]

    @property
    def task(self) -> Task:
        """What it predicts."""
        return task_of(self.tags)


def resolve_model(client: MlflowClient, text: str, default_name: str) -> ScoredModel:
    """Find the model that a person names, as `resolve_version` or by a run's id, 32 hexadecimal digits."""
    if re.fullmatch(r"[0-9a-f]{32}", text):
        return _scored_run(client, text)
    version = resolve_version(client, text, default_name)
    tags = {**_get_run(client, version.run_id).data.tags, **version.tags}
    return ScoredModel(f"{version.name} version {version.number}", version.run_id, version.uri, tags)


def resolve_version(client: MlflowClient, text: str, default_name: str) -> Version:
    """Find the registered version that a person names.

    `text` is a version (``3``), an alias (``production`` or ``@production``), or an address
    (``models:/NAME/3``, ``models:/NAME@ALIAS``); `default_name` is the registered model of a bare version or
    alias.
    """
    if text.startswith("models:/"):
        return resolve(client, text)
    if re.fullmatch(r"\d+", text):
        return resolve(client, f"models:/{default_name}/{text}")
    alias = re.fullmatch(r"@?([\w.-]+)", text)
    if alias is None:
        raise UserError(
            f"{text!r} names no model: give a version (3), an alias (production), models:/NAME/3, "
            "models:/NAME@ALIAS, or, to compare, the id of a run"
        )
    return pull_alias(client, default_name, alias[1])


def _scored_run(client: MlflowClient, run_id: str) -> ScoredModel:
    run = _get_run(client, run_id)
    logged = run.outputs.model_outputs if run.outputs is not None else []
    uri = f"models:/{logged[-1].model_id}" if logged else None
    return ScoredModel(f"run {run.info.run_name} ({run_id[:8]})", run_id, uri, dict(run.data.tags))


def _get_run(client: MlflowClient, run_id: str) -> Run:
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        raise UserError(
            f"run {run_id} is not in {shown_uri()}; set MLFLOW_TRACKING_URI to the store that has it"
        ) from error


def read_predictions(client: MlflowClient, run_id: str) -> pd.DataFrame:
    """Fetch what every fold of a run says of every image: `tmdscope.learn.summary.predictions_table`.

    `UserError` where the run of an experiment or stage keeps no such table, or it lacks what a comparison
    needs.
    """
    remedy = "run the experiment again with `dvc repro --force`"
    with fetch_artifact(client, run_id, PREDICTIONS) as path:
        try:
            table = read_table(path)
        except UserError as error:
            raise UserError(f"{PREDICTIONS} of run {run_id} cannot be read: {error}; {remedy}") from error
    problems = find_problems(table)
    if problems:
        raise UserError(
            f"run {run_id}: {PREDICTIONS} is not what a comparison needs: {'; '.join(problems)}; {remedy}"
        )
    return table
