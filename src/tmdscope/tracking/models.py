"""Models as exported programs: no pickle, class names in the metadata, rebuilt from their tensors."""

import io
import json
import logging
import math
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
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
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from numpy.typing import NDArray
from pydantic import TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from tmdscope.errors import UserError
from tmdscope.files import sha256_file, sha256_json
from tmdscope.limits import MAX_CLASSES, MAX_MODEL_BYTES
from tmdscope.names import text_problem
from tmdscope.params.architectures import check_architecture
from tmdscope.params.images import PrepareParams
from tmdscope.reliability.reliability import Reliability
from tmdscope.tracking.model_files import (
    REFERENCE,
    RELIABILITY,
    WRITTEN_LATER,
    ProgramFile,
    check_list,
    open_program,
    read_description,
)
from tmdscope.tracking.model_graph import PROGRAM
from tmdscope.tracking.registry import FILES_SHA256, check_pinned, is_registered, recorded_sha256, resolve
from tmdscope.tracking.scale import Scale
from tmdscope.tracking.store import Store, shown_uri
from tmdscope.vision.backbones import on_paper
from tmdscope.vision.classifier import (
    EMBEDDING_WIDTH,
    Ensemble,
    EnsembleConfig,
    bare_ensemble,
    rebuild_ensemble,
)
from tmdscope.vision.features import placed

_EXAMPLE_BATCH = 2
_REFERENCE_VERSION = "1"
_TENSORS_OF_HEAD = 4

logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)  # it warns where uv left out pip


@dataclass(frozen=True)
class Program:
    """A model ready to be exported, and what is stored beside it.

    The ensemble is left where it is; a copy is exported, from the CPU. `reference` are images whose
    predictions are stored, uint8, N x S x S: whoever loads the model can repeat them. `scale` is how wide in
    nm its training images were.
    """

    ensemble: Ensemble
    config: EnsembleConfig
    prepare: PrepareParams | None = None
    reliability: Reliability | None = None
    reference: NDArray[np.uint8] | None = None
    scale: Scale | None = None


Reference = tuple[NDArray[np.uint8], NDArray[np.float32]]
"""Images, N x S x S, and the class probabilities, N x K, that a model gave them when it was logged."""


def log_program(run_id: str, program: Program, name: str) -> str:
    """Export a model, log it to a run and give MLflow's URI of it, ``models:/m-...``.

    It turns uint8 images N x S x S into float32 class probabilities N x K. Its tag `FILES_SHA256` is the hash
    of its files; `name` is shown in the UI.
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
    metadata = {
        "ensemble": json.dumps(asdict(config)),
        "classes": list(config.classes),
        "not_trained": list(config.not_trained),
    }
    if program.prepare is not None:
        metadata["prepare"] = program.prepare.model_dump_json()
    if program.scale is not None:
        metadata["scale"] = program.scale.to_json()
    with tempfile.TemporaryDirectory(prefix="tmdscope-") as folder, active_run(run_id):
        info = mlflow.pytorch.log_model(
            ensemble,
            name=name,
            signature=signature,
            input_example=example,
            pip_requirements=[f"{package}=={version(package)}" for package in ("torch", "numpy")],
            metadata=metadata,
            extra_files=_write_beside(program, ensemble, Path(folder)),
            serialization_format="pt2",
            validate_serving_input=False,  # seconds a model; the gate tries what is promoted
        )
    sha256 = hash_files(Path(mlflow.artifacts.download_artifacts(artifact_uri=info.model_uri)))
    MlflowClient().set_logged_model_tags(info.model_id, {FILES_SHA256: sha256})
    return str(info.model_uri)


@contextmanager
def active_run(run_id: str) -> Iterator[None]:
    """Make a run MLflow's active one, and leave it running: by itself MLflow would call it finished."""
    mlflow.start_run(run_id=run_id)
    try:
        yield
    finally:
        mlflow.end_run("RUNNING")


def _write_beside(program: Program, ensemble: Ensemble, folder: Path) -> list[str] | None:
    if program.reliability is not None:
        arrays, texts = program.reliability.tensors()
        save_file(arrays, folder / Path(RELIABILITY).name, texts)
    if program.reference is not None:
        with torch.inference_mode():
            expected = ensemble(torch.from_numpy(program.reference)).numpy()
        said = {"images": program.reference, "probabilities": expected}
        save_file(said, folder / Path(REFERENCE).name, {"version": _REFERENCE_VERSION})
    return [str(path) for path in sorted(folder.iterdir())] or None


def hash_files(folder: Path) -> str:
    """Give the SHA-256 over names and contents of all files but the one that MLflow writes on reading."""
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != WRITTEN_LATER
    )
    return sha256_json({name: sha256_file(folder / name) for name in names})


def find_program(study: Store, run_id: str, name: str) -> str | None:
    """Find the URI of a whole model that a run has logged, or None; what was logged by half is removed."""
    logged = study.client.search_logged_models(
        [study.experiment_id], filter_string=f"source_run_id = '{run_id}' and name = '{name}'"
    )
    whole = None
    for model in logged:
        if model.status == LoggedModelStatus.READY and FILES_SHA256 in model.tags:
            whole = whole or str(model.model_uri)
        else:
            study.client.delete_logged_model(model.model_id)
    return whole


@contextmanager
def expect_ours(what: str) -> Iterator[None]:
    """Turn what is found to be wrong with a model's files into an error that says what to do."""
    try:
        yield
    except UserError:
        raise
    except (
        *(ValueError, TypeError, LookupError, AttributeError),
        *(OSError, RecursionError, OverflowError),
    ) as error:
        problem = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(
            f"{what} is not loaded: {problem}; it is damaged, or nothing that tmdscope logged: bring its "
            "files back from a copy, run its experiment again, or name another version"
        ) from error


def fetch_files(uri: str, sha256: str | None = None, check: Callable[[Path], None] = check_list) -> Path:
    """Bring a model's files here and see that they are what was logged and nothing that runs.

    `uri` is ``models:/NAME/VERSION``, ``models:/NAME@ALIAS`` or ``models:/m-...``; the store must be
    connected. `sha256`, 64 hexadecimal digits, must be that of its files, whatever the store says; `check`
    raises `ValueError` where the folder holds what is none of its files.
    `UserError` where there is no such model, no hash is recorded for it, or its files are not what was
    logged, not what was made production, not those of `sha256`, or not such as `log_program` writes.
    """
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        told = f"{sha256[:80]!r} is no SHA-256: 64 hexadecimal digits"
        raise UserError(f"{told}, as `tmdscope promote` prints them")
    store, client = shown_uri(), MlflowClient()
    try:
        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
        recorded = recorded_sha256(client, uri)
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
    with expect_ours(uri):
        check(folder)
        found = hash_files(folder)
    if found != recorded:
        raise UserError(
            f"{uri}: the files in {folder} have SHA-256 {found[:12]}, {recorded[:12]} was recorded when it "
            "was logged: changed or damaged; bring them back from a copy or run its experiment again"
        )
    if sha256 is not None and found != sha256.lower():
        raise UserError(
            f"{uri}: its files have SHA-256 {found}, {sha256.lower()} was asked for: it is another "
            "version, or its files were changed"
        )
    if is_registered(uri):
        check_pinned(client, resolve(client, uri))
    return folder


@dataclass(frozen=True)
class ModelFiles:
    """A model's files, open: seen to be such as `log_program` writes, and `config` to be of their size.

    `described` is what ``MLmodel`` says; of its metadata ``prepare`` and ``scale`` are JSON texts.
    """

    folder: Path
    described: dict[str, Any]
    config: EnsembleConfig
    program: ProgramFile

    def reference(self) -> Reference | None:
        """Read the reference predictions; None where none are stored."""
        path, size, classes = self.folder / REFERENCE, self.config.size_px, len(self.config.classes)
        if not path.exists():
            return None
        with expect_ours(str(path)):
            arrays, texts = _open_beside(path)
            version = texts.get("version", _REFERENCE_VERSION)[:80]
            if version != _REFERENCE_VERSION:
                raise ValueError(f"{path.name} is of version {version!r}, {_REFERENCE_VERSION!r} is read")
            images, said = arrays["images"], arrays["probabilities"]
            wanted = (len(images), size, size), (len(images), classes)
            if (images.shape, said.shape) != wanted or images.dtype != np.uint8:
                raise ValueError(f"it holds images {images.shape} and probabilities {said.shape}")
            return images, said.astype(np.float32)

    def load(self) -> Program:
        """Build the networks from the stored numbers, in evaluation mode on the CPU."""
        metadata, config = self.described["metadata"], self.config
        state = self.program.tensors(_expected_tensors(config))
        prepare, reference, trust = metadata.get("prepare"), self.reference(), self.folder / RELIABILITY
        return Program(
            rebuild_ensemble(config, {name: torch.from_numpy(values) for name, values in state.items()}),
            config,
            None if prepare is None else PrepareParams.model_validate_json(prepare),
            _read_reliability(config, *_open_beside(trust)) if trust.exists() else None,
            None if reference is None else reference[0],
            Scale.from_json(metadata["scale"]) if "scale" in metadata else None,
        )

    def write(self, to: Path) -> None:
        """Write the model anew into an empty folder, with nothing but what was checked."""
        example = torch.zeros((_EXAMPLE_BATCH, self.config.size_px, self.config.size_px), dtype=torch.uint8)
        written = io.BytesIO()
        torch.save(((example,), {}), written)
        (to / PROGRAM).parent.mkdir()
        self.program.write(to / PROGRAM, written.getvalue())
        described = {key: value for key, value in self.described.items() if key != "saved_input_example_info"}
        (to / "MLmodel").write_text(json.dumps(described, default=str), encoding="utf-8")


@contextmanager
def open_model(uri: str, sha256: str | None = None) -> Iterator[ModelFiles]:
    """Open a model's files for a block; arguments and errors are as for `fetch_files`."""
    folder = fetch_files(uri, sha256)
    with expect_ours(uri), _open_folder(folder) as model:
        yield model


@contextmanager
def _open_folder(folder: Path) -> Iterator[ModelFiles]:
    described = read_description(folder / "MLmodel")
    with open_program(folder / PROGRAM) as program:
        config = _read_config(described["metadata"], len(program.weights))
        yield ModelFiles(folder, described, config, program)


def load_program(uri: str, sha256: str | None = None) -> Program:
    """Load a model that `log_program` logged, in evaluation mode on the CPU, with every layer at hand.

    Only numbers are taken from its files; the networks are built by our own code, and no loader of torch or
    MLflow sees them. Arguments and errors are as for `fetch_files`.
    """
    with open_model(uri, sha256) as model:
        return model.load()


def load_files(folder: Path, sha256: str) -> Program:
    """Load a model as `load_program` from a folder where another process fetched it, by its files' hash."""
    if not folder.is_dir():
        raise UserError(f"{folder} does not exist, where the model's files are to be read")
    with expect_ours(str(folder)):
        check_list(folder)
        if (found := hash_files(folder)) != sha256:
            raise ValueError(f"its files have SHA-256 {found[:12]}, {sha256[:12]} was asked for")
        with _open_folder(folder) as model:
            return model.load()


def _read_config(metadata: Mapping[str, Any], weights: int) -> EnsembleConfig:
    """Read what a model says of its networks; nothing of a size that its file does not have is believed."""
    text = metadata["ensemble"]
    if unknown := sorted(json.loads(text).keys() - {each.name for each in fields(EnsembleConfig)}):
        raise ValueError(f"its metadata say {unknown[0][:80]!r}, which this version does not know")
    config = TypeAdapter(EnsembleConfig).validate_json(text, strict=True)
    for name in (*config.classes, *(config.atoms or ())):
        if problem := text_problem(name):
            raise ValueError(f"class {problem}")
    check_architecture(config.architecture)
    own = 0 if config.shared_backbone else len(on_paper(config.architecture).state_dict())
    most = weights // (_TENSORS_OF_HEAD + own)
    for what, number, lowest, highest in (
        ("classes", len(set(config.classes)), max(1, len(config.classes)), MAX_CLASSES),
        ("atoms", len(config.atoms or ()), 0, MAX_CLASSES),
        ("size_px", config.size_px, 16, 4096),
        ("members", config.members, 1, most),
    ):
        if not lowest <= number <= highest:
            raise ValueError(f"its metadata say {what} {number}, {lowest} to {highest} is possible")
    if list(metadata.get("classes", config.classes)) != list(config.classes):
        raise ValueError("its metadata name two lists of classes")
    if not set(config.trained or ()) <= set(config.classes):
        raise ValueError("its metadata name trained classes that it does not have")
    if not all(map(math.isfinite, config.normalisation.mean)) or not min(config.normalisation.std) > 0:
        raise ValueError("its metadata normalise by what is no number")
    return config


def _expected_tensors(config: EnsembleConfig) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Give the shape and type of every tensor of an ensemble, without memory for any."""
    with torch.device("meta"):
        state = bare_ensemble(config).state_dict()
    kinds: dict[torch.dtype, Any] = {torch.float32: np.dtype("<f4"), torch.int64: np.dtype("<i8")}
    needed = sum(values.numel() * values.element_size() for values in state.values())
    if needed > MAX_MODEL_BYTES:
        raise ValueError(f"its networks take {needed} bytes, {MAX_MODEL_BYTES} at most are loaded")
    return {name: (tuple(values.shape), kinds[values.dtype]) for name, values in state.items()}


def _read_reliability(
    config: EnsembleConfig, arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, str]
) -> Reliability:
    found = Reliability.from_tensors(arrays, texts)
    if (found.members, found.classes) != (config.members, len(config.classes)):
        raise ValueError(f"its reliability is of {found.members} networks and {found.classes} classes")
    for gaussians in found.gaussians:
        means, whitening = gaussians.means.shape, gaussians.whitening.shape
        if whitening != (EMBEDDING_WIDTH, EMBEDDING_WIDTH) or means[1:] != whitening[1:]:
            raise ValueError(f"its reliability has means {means} and whitening {whitening}")
    for conformal in (found.sets, found.novelty):
        for scores, tails in zip(conformal.scores, conformal.tails, strict=True):
            if scores.ndim != 1 or tails.shape != (len(scores) + 1,):
                raise ValueError(f"its reliability has scores {scores.shape} and tails {tails.shape}")
    scalars = np.array([found.temperature, found.level, found.novelty_cut])
    finite = (each.dtype == np.float64 and np.isfinite(each).all() for each in (*arrays.values(), scalars))
    if not all(finite) or min(scalars) < 0:
        raise ValueError("its reliability holds what are no numbers")
    return found


def _open_beside(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    try:
        with safe_open(path, framework="numpy") as stored:
            return {key: stored.get_tensor(key) for key in stored.keys()}, dict(stored.metadata() or {})  # noqa: SIM118
    except (SafetensorError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}); run the experiment again") from error
