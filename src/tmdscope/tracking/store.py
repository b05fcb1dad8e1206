"""Where runs are kept: an sqlite file and a folder of artifacts at absolute paths, or a server."""

import os
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"  # no model of ours holds one

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tmdscope.tracking.relocate import DATABASE, check_location


@dataclass(frozen=True)
class Study:
    """An open MLflow experiment.

    Attributes
    ----------
    client : mlflow.MlflowClient
        Connected to `uri`.
    experiment_id : str
        MLflow's id of the experiment.
    name : str
        Its name: the study.
    uri : str
        Tracking URI.
    """

    client: MlflowClient
    experiment_id: str
    name: str
    uri: str


def tracking_root() -> Path:
    """Give the folder that holds the local store.

    Returns
    -------
    Path
        ``mlruns`` in the project that DVC runs for (a queued ``dvc exp run`` works in a copy, but tracks
        into the project it was started from), else in the current directory.
    """
    return Path(os.environ.get("DVC_ROOT", ".")).resolve() / "mlruns"


def tracking_uri() -> str:
    """Give the tracking URI in force.

    Returns
    -------
    str
        Variable ``MLFLOW_TRACKING_URI`` when set, else the project's sqlite file.
    """
    return os.environ.get("MLFLOW_TRACKING_URI") or _local_uri()


def _local_uri() -> str:
    return f"sqlite:///{tracking_root() / DATABASE}"


def search_storage_url() -> str:
    """Give the address of the storage of searches in force, making the local folder when needed.

    Returns
    -------
    str
        Variable ``TMDSCOPE_SEARCH_STORAGE`` when set, else an sqlite file beside the runs.
    """
    given = os.environ.get("TMDSCOPE_SEARCH_STORAGE")
    if not given:
        tracking_root().mkdir(parents=True, exist_ok=True)
    return given or f"sqlite:///{tracking_root() / 'optuna.db'}"


def connect() -> MlflowClient:
    """Open the tracking store and the registry, making the local folder when needed.

    Returns
    -------
    mlflow.MlflowClient
        Connected to `tracking_uri`.

    Raises
    ------
    UserError
        The project was copied or renamed: its local store would write into the folder it came from.
    """
    uri = tracking_uri()
    if uri.startswith("sqlite:"):
        tracking_root().mkdir(parents=True, exist_ok=True)
    if uri == _local_uri():
        check_location(tracking_root())
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def open_study(name: str) -> Study:
    """Open an MLflow experiment, creating it when it is new.

    Parameters
    ----------
    name : str
        Name of the study.

    Returns
    -------
    Study
        Ready to start runs.
    """
    client = connect()
    found = client.get_experiment_by_name(name)
    if found is None:
        local = tracking_uri().startswith("sqlite:")
        artifacts = (tracking_root() / "artifacts" / name).as_uri() if local else None
        try:
            experiment_id = client.create_experiment(name, artifact_location=artifacts)
        except MlflowException:
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
            experiment_id = found.experiment_id  # another process was quicker
    else:
        experiment_id = found.experiment_id
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(experiment_id)
    return Study(client, str(experiment_id), name, tracking_uri())
