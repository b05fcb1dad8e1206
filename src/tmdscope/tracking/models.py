"""Models as exported programs: no pickle, class names in the metadata, rebuilt from their tensors."""

import json
import logging
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import mlflow.pytorch
import numpy as np
import torch
from mlflow.entities import LoggedModelStatus
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

from tmdscope.stage import UserError
from tmdscope.tracking.store import Study
from tmdscope.vision.classifier import Ensemble, EnsembleConfig, rebuild_ensemble

_EXAMPLE_BATCH = 2

logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)  # it warns where uv left out pip


@dataclass(frozen=True)
class Program:
    """A model ready to be exported.

    Attributes
    ----------
    ensemble : Ensemble
        On the CPU or not; it is exported from the CPU.
    config : EnsembleConfig
        What is needed to rebuild it.
    """

    ensemble: Ensemble
    config: EnsembleConfig


def log_program(run_id: str, program: Program, name: str) -> str:
    """Export a model and log it to a run.

    Parameters
    ----------
    run_id : str
        MLflow run.
    program : Program
        The model: uint8 images N x S x S to float32 class probabilities N x K.
    name : str
        Shown in the UI.

    Returns
    -------
    str
        MLflow's URI of the model, ``models:/m-...``.
    """
    config = program.config
    example = np.zeros((_EXAMPLE_BATCH, config.size_px, config.size_px), np.uint8)
    example[1:] = 255
    columns = "probabilities of " + ", ".join(config.classes)
    signature = ModelSignature(
        Schema([TensorSpec(np.dtype("uint8"), (-1, config.size_px, config.size_px))]),
        Schema([TensorSpec(np.dtype("float32"), (-1, len(config.classes)), columns)]),
    )
    with mlflow.start_run(run_id=run_id):
        info = mlflow.pytorch.log_model(
            program.ensemble.cpu().to(memory_format=torch.contiguous_format).eval(),
            name=name,
            signature=signature,
            input_example=example,
            pip_requirements=[f"{package}=={version(package)}" for package in ("torch", "numpy")],
            metadata={"ensemble": json.dumps(config.to_dict()), "classes": list(config.classes)},
            serialization_format="pt2",
        )
    return str(info.model_uri)


def find_program(study: Study, run_id: str, name: str) -> str | None:
    """Find a model that a run has logged, and remove what a killed process left half logged.

    Parameters
    ----------
    study : Study
        The open experiment.
    run_id : str
        MLflow run.
    name : str
        Name of the model.

    Returns
    -------
    str or None
        MLflow's URI of the model; None where the run has no whole one.
    """
    logged = study.client.search_logged_models(
        [study.experiment_id], filter_string=f"source_run_id = '{run_id}' and name = '{name}'"
    )
    whole = [model for model in logged if model.status == LoggedModelStatus.READY]
    for model in logged:
        if model not in whole:
            study.client.delete_logged_model(model.model_id)
    return str(whole[0].model_uri) if whole else None


def load_program(uri: str) -> Program:
    """Load a model that `log_program` logged, with every layer at hand.

    Parameters
    ----------
    uri : str
        ``models:/NAME/VERSION``, ``models:/NAME@ALIAS`` or ``models:/m-...``; the store must be connected.

    Returns
    -------
    Program
        The ensemble in evaluation mode on the CPU.

    Raises
    ------
    UserError
        There is no such model, or it is not one of ours.
    """
    try:
        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
    except (mlflow.exceptions.MlflowException, OSError) as error:
        raise UserError(
            f"cannot load {uri} from {mlflow.get_tracking_uri()}: {error}; run `dvc repro --force register` "
            "to register the models again, or set MLFLOW_TRACKING_URI to the store that has them"
        ) from error
    metadata: dict[str, Any] = Model.load(folder).metadata or {}
    if "ensemble" not in metadata:
        raise UserError(f"{uri} was not made by tmdscope: its metadata names no ensemble")
    config = EnsembleConfig.from_dict(json.loads(metadata["ensemble"]))
    program = torch.export.load(folder / "data" / "model.pt2")
    return Program(rebuild_ensemble(config, dict(program.state_dict)), config)
