"""The models that a person names, and the predictions that their runs keep."""

import re
from dataclasses import dataclass

import pandas as pd
from mlflow import MlflowClient

from tmdscope.dataset.label import take_label
from tmdscope.errors import UserError
from tmdscope.files import read_table
from tmdscope.scores.scored import PREDICTIONS, find_problems
from tmdscope.scores.task import Task
from tmdscope.tracking.artifacts import fetch_artifact
from tmdscope.tracking.registration import with_run
from tmdscope.tracking.registry import Version, pull, pull_alias, resolve, task_of


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
        run = pull(f"run {text}", client.get_run, text)
        logged = run.outputs.model_outputs if run.outputs is not None else []
        uri = f"models:/{logged[-1].model_id}" if logged else None
        return ScoredModel(f"run {run.info.run_name} ({text[:8]})", text, uri, dict(run.data.tags))
    version = resolve_version(client, text, default_name)
    pull(f"run {version.run_id}", client.get_run, version.run_id)
    tags = with_run(client, version).tags
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


def read_predictions(client: MlflowClient, run_id: str) -> pd.DataFrame:
    """Fetch a run's `tmdscope.learn.summary.predictions_table`; `UserError` where it is none to compare."""
    remedy = "run the experiment again with `dvc repro --force`"
    with fetch_artifact(client, run_id, PREDICTIONS) as path:
        try:
            table = take_label(path, read_table(path))
        except UserError as error:
            raise UserError(f"{PREDICTIONS} of run {run_id} cannot be read: {error}; {remedy}") from error
    problems = find_problems(table)
    if problems:
        raise UserError(
            f"run {run_id}: {PREDICTIONS} is not what a comparison needs: {'; '.join(problems)}; {remedy}"
        )
    return table
