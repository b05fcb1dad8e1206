"""Models as exported programs: no pickle, class names in the metadata, rebuilt from their tensors."""

import json
import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import mlflow.pytorch
import numpy as np
import torch
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from tmdscope.files import sha256_file, sha256_json
from tmdscope.learn.reliability.reliability import Reliability
from tmdscope.params.materials_study import PrepareParams
from tmdscope.stage import UserError
from tmdscope.tracking.scale import Scale
from tmdscope.tracking.store import Study, shown_uri
from tmdscope.vision.classifier import Ensemble, EnsembleConfig, rebuild_ensemble
from tmdscope.vision.features import placed

FILES_SHA256 = "files.sha256"
"""Tag of a logged model and of its versions: the hash of its files."""

_EXAMPLE_BATCH = 2
_BESIDE = Path("extra_files")
_RELIABILITY = "reliability.safetensors"
_REFERENCE = "reference.safetensors"
_WRITTEN_LATER = "registered_model_meta"  # MLflow writes it where a version's files are when they are read

logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)  # it warns where uv left out pip


@dataclass(frozen=True)
class Program:
    """A model ready to be exported, and what is stored beside it.

    Attributes
    ----------
    ensemble : Ensemble
        On the CPU or not, and left there; a copy is exported, from the CPU.
    config : EnsembleConfig
        What is needed to rebuild it.
    prepare : PrepareParams, optional
        How its images were prepared: what it takes in.
    reliability : Reliability, optional
        How far its predictions can be trusted.
    reference : numpy.ndarray, optional
        Images whose predictions are stored, uint8, N x S x S: whoever loads the model can repeat them.
    scale : Scale, optional
        How wide in nm its training images were.
    """

    ensemble: Ensemble
    config: EnsembleConfig
    prepare: PrepareParams | None = None
    reliability: Reliability | None = None
    reference: NDArray[np.uint8] | None = None
    scale: Scale | None = None


def log_program(run_id: str, program: Program, name: str) -> str:
    """Export a model and log it to a run; its tag `FILES_SHA256` is the hash of its files.

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
    ensemble = placed(program.ensemble, torch.device("cpu")).to(memory_format=torch.contiguous_format)
    example = np.zeros((_EXAMPLE_BATCH, config.size_px, config.size_px), np.uint8)
    example[1:] = 255
    columns = "probabilities of " + ", ".join(config.classes)
    signature = ModelSignature(
        Schema([TensorSpec(np.dtype("uint8"), (-1, config.size_px, config.size_px))]),
        Schema([TensorSpec(np.dtype("float32"), (-1, len(config.classes)), columns)]),
    )
    metadata = {"ensemble": json.dumps(config.to_dict()), "classes": list(config.classes)}
    metadata["not_trained"] = list(config.not_trained)
    if program.prepare is not None:
        metadata["prepare"] = program.prepare.model_dump_json()
    if program.scale is not None:
        metadata["scale"] = program.scale.to_json()
    with tempfile.TemporaryDirectory(prefix="tmdscope-") as folder, _active(run_id):
        info = mlflow.pytorch.log_model(
            ensemble,
            name=name,
            signature=signature,
            input_example=example,
            pip_requirements=[f"{package}=={version(package)}" for package in ("torch", "numpy")],
            metadata=metadata,
            extra_files=_write_beside(program, ensemble, Path(folder)) or None,
            serialization_format="pt2",
            validate_serving_input=False,  # seconds a model; the gate tries what is promoted
        )
    sha256 = hash_files(Path(mlflow.artifacts.download_artifacts(artifact_uri=info.model_uri)))
    MlflowClient().set_logged_model_tags(info.model_id, {FILES_SHA256: sha256})
    return str(info.model_uri)


@contextmanager
def _active(run_id: str) -> Iterator[None]:
    """Make a run MLflow's active one, and leave it running: by itself MLflow would call it finished."""
    mlflow.start_run(run_id=run_id)
    try:
        yield
    finally:
        mlflow.end_run("RUNNING")


def _write_beside(program: Program, ensemble: Ensemble, folder: Path) -> list[str]:
    if program.reliability is not None:
        arrays, texts = program.reliability.tensors()
        save_file(arrays, folder / _RELIABILITY, texts)
    if program.reference is not None:
        with torch.inference_mode():
            expected = ensemble(torch.from_numpy(program.reference)).numpy()
        save_file({"images": program.reference, "probabilities": expected}, folder / _REFERENCE)
    return [str(path) for path in sorted(folder.iterdir())]


def hash_files(folder: Path) -> str:
    """Hash the files of a model.

    Parameters
    ----------
    folder : Path
        As MLflow keeps it.

    Returns
    -------
    str
        SHA-256 over the names and contents of all files but the one that MLflow writes on reading.
    """
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != _WRITTEN_LATER
    )
    return sha256_json({name: sha256_file(folder / name) for name in names})


def recorded_sha256(client: MlflowClient, uri: str) -> str | None:
    """Give the hash that a model's files had when it was logged.

    Parameters
    ----------
    client : mlflow.MlflowClient
        Connected store.
    uri : str
        ``models:/NAME/VERSION``, ``models:/NAME@ALIAS`` or ``models:/m-...``.

    Returns
    -------
    str or None
        The version's tag, or the logged model's where its own id is asked for; None where there is none.
    """
    place = uri.removeprefix("models:/")
    if "@" in place:
        tags: Mapping[str, str] = client.get_model_version_by_alias(*place.split("@")).tags
    elif "/" in place:
        tags = client.get_model_version(*place.split("/")).tags
    else:
        tags = client.get_logged_model(place).tags
    return tags.get(FILES_SHA256)


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
    whole = [
        model for model in logged if model.status == LoggedModelStatus.READY and FILES_SHA256 in model.tags
    ]
    for model in logged:
        if model not in whole:
            study.client.delete_logged_model(model.model_id)
    return str(whole[0].model_uri) if whole else None


def fetch_files(uri: str) -> Path:
    """Bring a model's files here and see that they are what was logged.

    Parameters
    ----------
    uri : str
        ``models:/NAME/VERSION``, ``models:/NAME@ALIAS`` or ``models:/m-...``; the store must be connected.

    Returns
    -------
    Path
        The folder with its files.

    Raises
    ------
    UserError
        There is no such model, no hash is recorded for it, or its files are not what was logged.
    """
    store = shown_uri()
    try:
        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
        recorded = recorded_sha256(MlflowClient(), uri)
    except (MlflowException, OSError) as error:
        raise UserError(
            f"cannot load {uri} from {store}: {error}; run `dvc repro --force register` "
            "to register the models again, or set MLFLOW_TRACKING_URI to the store that has them"
        ) from error
    if recorded is None:
        raise UserError(
            f"{uri} in {store} has no tag {FILES_SHA256}, so its files cannot be checked: it was logged by "
            "an earlier version; run its experiment again with `dvc repro --force`"
        )
    found = hash_files(folder)
    if found != recorded:
        raise UserError(
            f"{uri}: the files in {folder} have SHA-256 {found[:12]}, {recorded[:12]} was recorded when it "
            "was logged: changed or damaged; bring them back from a copy or run its experiment again"
        )
    return folder


def load_program(uri: str) -> Program:
    """Load a model that `log_program` logged, with every layer at hand.

    Parameters
    ----------
    uri : str
        ``models:/NAME/VERSION``, ``models:/NAME@ALIAS`` or ``models:/m-...``; the store must be connected.

    Returns
    -------
    Program
        The ensemble in evaluation mode on the CPU, and what is stored beside it.

    Raises
    ------
    UserError
        There is no such model, it is not one of ours, its files were changed, or they hold a pickle.
    """
    folder = fetch_files(uri)
    metadata = read_metadata(folder)
    if "ensemble" not in metadata:
        raise UserError(f"{uri} was not made by tmdscope: its metadata names no ensemble")
    config = EnsembleConfig.from_dict(json.loads(metadata["ensemble"]))
    try:
        state = dict(mlflow.pytorch.load_model(str(folder)).state_dict())
    except MlflowException as error:
        raise UserError(f"{uri} is not loaded: {error}") from error
    prepare, reliability = metadata.get("prepare"), _open_beside(folder, _RELIABILITY)
    reference = read_reference(folder)
    return Program(
        rebuild_ensemble(config, state),
        config,
        None if prepare is None else PrepareParams.model_validate_json(prepare),
        None if reliability is None else Reliability.from_tensors(*reliability),
        None if reference is None else reference[0],
        Scale.from_json(metadata["scale"]) if "scale" in metadata else None,
    )


def read_metadata(folder: Path) -> dict[str, Any]:
    """Read what a model's file ``MLmodel`` says of it.

    Parameters
    ----------
    folder : Path
        Its files.

    Returns
    -------
    dict
        ``ensemble``, ``prepare`` and ``scale`` as JSON texts, ``classes``; empty where it says nothing.
    """
    return dict(Model.load(folder).metadata or {})


def read_reference(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.float32]] | None:
    """Read the predictions stored with a model.

    Parameters
    ----------
    folder : Path
        Its files.

    Returns
    -------
    tuple of numpy.ndarray or None
        Images N x S x S and class probabilities N x K; None where none are stored.
    """
    found = _open_beside(folder, _REFERENCE)
    return None if found is None else (found[0]["images"], found[0]["probabilities"])


def _open_beside(folder: Path, name: str) -> tuple[dict[str, NDArray[Any]], dict[str, str]] | None:
    path = folder / _BESIDE / name
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as stored:
            return {key: stored.get_tensor(key) for key in stored.keys()}, dict(stored.metadata() or {})  # noqa: SIM118
    except SafetensorError as error:
        raise UserError(f"{path} is damaged ({error}); run the experiment again") from error
