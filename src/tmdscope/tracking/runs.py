"""MLflow runs of an experiment and its folds, written in few calls."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from tmdscope.tracking.models import Program, log_program
from tmdscope.tracking.store import Study

_PARAM_CHARACTERS = 6000
_DIGEST_CHARACTERS = 32


@dataclass(frozen=True)
class DataUse:
    """The data set that a run reads.

    Attributes
    ----------
    name : str
        Shown in the UI.
    sha256 : str
        Digest of the data set; MLflow shows its first 32 digits, the tag ``data.sha256`` has all.
    source : str
        Where the data are.
    images : int
        Number of images.
    context : str
        What the run does with them, such as ``crossval``.
    """

    name: str
    sha256: str
    source: str
    images: int
    context: str


class TrackedRun:
    """One MLflow run.

    Parameters
    ----------
    study : Study
        The open experiment.
    run_id : str
        MLflow's id of the run.
    """

    def __init__(self, study: Study, run_id: str) -> None:
        self.study = study
        self.run_id = run_id

    def params(self, params: Mapping[str, Any]) -> None:
        """Log parameters, nested ones with dots in their names.

        Parameters
        ----------
        params : mapping
            Name to value.
        """
        entries = [Param(key, str(value)[:_PARAM_CHARACTERS]) for key, value in flatten(params).items()]
        self.study.client.log_batch(self.run_id, params=entries)

    def metrics(self, scores: Mapping[str, float], step: int = 0) -> None:
        """Log metrics in one call.

        Parameters
        ----------
        scores : mapping
            Name to value.
        step : int, optional
            Epoch they belong to.
        """
        now = int(time.time() * 1000)
        entries = [Metric(key, float(value), now, step) for key, value in scores.items()]
        self.study.client.log_batch(self.run_id, metrics=entries)

    def tags(self, tags: Mapping[str, str]) -> None:
        """Set tags in one call.

        Parameters
        ----------
        tags : mapping
            Name to value.
        """
        self.study.client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def dataset(self, data: DataUse) -> None:
        """Log the data set the run reads.

        Parameters
        ----------
        data : DataUse
            The data set and what it is used for.
        """
        entity = Dataset(
            name=data.name,
            digest=data.sha256[:_DIGEST_CHARACTERS],
            source_type="dvc",
            source=json.dumps({"source": data.source}),
            profile=json.dumps({"images": data.images}),
        )
        tags = [InputTag("mlflow.data.context", data.context)]
        self.study.client.log_inputs(self.run_id, [DatasetInput(entity, tags)])

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Log a file.

        Parameters
        ----------
        path : Path
            The file.
        folder : str, optional
            Folder among the run's artifacts.
        """
        self.study.client.log_artifact(self.run_id, str(path), folder)

    def program(self, program: Program, name: str = "model") -> str:
        """Log a model as an exported program.

        Parameters
        ----------
        program : Program
            The model and its configuration.
        name : str, optional
            Shown in the UI.

        Returns
        -------
        str
            MLflow's URI of the model.
        """
        return log_program(self.run_id, program, name)


@contextmanager
def start_run(
    study: Study,
    name: str,
    tags: Mapping[str, str],
    parent: TrackedRun | None = None,
    data: DataUse | None = None,
) -> Iterator[TrackedRun]:
    """Open a run and end it as what it was: finished, failed or killed.

    Parameters
    ----------
    study : Study
        The open experiment.
    name : str
        Name of the run.
    tags : mapping
        Tag name to value.
    parent : TrackedRun, optional
        The run this one is shown under.
    data : DataUse, optional
        The data set the run reads.

    Yields
    ------
    TrackedRun
        The open run.
    """
    lineage = {} if parent is None else {"mlflow.parentRunId": parent.run_id}
    created = study.client.create_run(study.experiment_id, tags={**tags, **lineage}, run_name=name)
    run = TrackedRun(study, created.info.run_id)
    status = "FAILED"
    try:
        if data is not None:
            run.dataset(data)
        yield run
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        study.client.set_terminated(run.run_id, status)


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn nested mappings into one level with dotted names.

    Parameters
    ----------
    nested : mapping
        Values and mappings.
    prefix : str, optional
        Put before every name.

    Returns
    -------
    dict
        Dotted name to value.
    """
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
