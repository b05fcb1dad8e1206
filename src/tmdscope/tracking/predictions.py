"""The models that a person names, and the predictions that their runs keep."""

import re
from dataclasses import dataclass

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from tmdscope.files import read_table
from tmdscope.learn.scored import PREDICTIONS, find_problems
from tmdscope.stage import UserError
from tmdscope.tracking.models import fetch_files
from tmdscope.tracking.registry import Version, pull_alias, resolve
from tmdscope.tracking.runs import fetch_artifact
from tmdscope.tracking.store import shown_uri


@dataclass(frozen=True)
class ScoredModel:
    """A model and the run that keeps its predictions.

    Attributes
    ----------
    title : str
        How a reader is told of it: ``NAME version 3`` or ``run NAME (1c29a1ee)``.
    run_id : str
        MLflow run.
    uri : str or None
        MLflow's URI of the model; None where the run logged none.
    tags : dict
        Of the run, and of the version where it is one.
    """

    title: str
    run_id: str
    uri: str | None
    tags: dict[str, str]


def resolve_model(client: MlflowClient, text: str, default_name: str) -> ScoredModel:
    """Find the model that a person names.

    Parameters
    ----------
    client : mlflow.MlflowClient
        Connected store.
    text : str
        A version (``3``), an alias (``production`` or ``@production``), an address
        (``models:/NAME/3``, ``models:/NAME@ALIAS``), or a run's id of 32 hexadecimal digits.
    default_name : str
        Registered model of a bare version or alias.

    Returns
    -------
    ScoredModel
        The model.

    Raises
    ------
    UserError
        The text is none of these, or stands for nothing in this store.
    """
    if re.fullmatch(r"[0-9a-f]{32}", text):
        return _scored_run(client, text)
    return scored_version(client, resolve_version(client, text, default_name))


def resolve_version(client: MlflowClient, text: str, default_name: str) -> Version:
    """Find the registered version that a person names.

    Parameters
    ----------
    client : mlflow.MlflowClient
        Connected store.
    text : str
        A version (``3``), an alias (``production`` or ``@production``), or an address
        (``models:/NAME/3``, ``models:/NAME@ALIAS``).
    default_name : str
        Registered model of a bare version or alias.

    Returns
    -------
    Version
        The version.

    Raises
    ------
    UserError
        The text is none of these, or stands for nothing in this store.
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


def scored_version(client: MlflowClient, version: Version) -> ScoredModel:
    """Find the run of a registered version.

    Parameters
    ----------
    client : mlflow.MlflowClient
        Connected store.
    version : Version
        The version.

    Returns
    -------
    ScoredModel
        The version as a model to compare.

    Raises
    ------
    UserError
        The store lacks the version's run.
    """
    run = _get_run(client, version.run_id)
    tags = {**run.data.tags, **version.tags}
    return ScoredModel(f"{version.name} version {version.number}", version.run_id, version.uri, tags)


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
    """Fetch what every fold of a run says of every image.

    Parameters
    ----------
    client : mlflow.MlflowClient
        Connected store.
    run_id : str
        The run of an experiment or of a stage of a sequence.

    Returns
    -------
    pandas.DataFrame
        One row per fold and image, see `tmdscope.learn.summary.predictions_table`.

    Raises
    ------
    UserError
        The run keeps no such table, or one that lacks what a comparison needs.
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


def model_bytes(uri: str) -> int:
    """Measure a model's files.

    Parameters
    ----------
    uri : str
        MLflow's URI of the model; the store must be connected.

    Returns
    -------
    int
        Bytes of all files; where they lie elsewhere they are fetched.

    Raises
    ------
    UserError
        The store lacks the files, or they are not what was logged.
    """
    return sum(path.stat().st_size for path in fetch_files(uri).rglob("*") if path.is_file())
