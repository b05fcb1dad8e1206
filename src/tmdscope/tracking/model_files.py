"""What a model's files may be: exactly what `log_program` writes, seen before any loader runs.

Whoever can write a store can put programs into it: torch unpickles old and unusual records of an archive
and evaluates the texts of its graph, MLflow imports what ``MLmodel`` names. Here nothing is imported,
unpickled or evaluated; every file, key, record and word that is not on a list is refused by a `ValueError`.
"""

import io
import json
import math
import os
import pickletools
import re
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent

from tmdscope.errors import UserError
from tmdscope.files import open_regular, read_bytes
from tmdscope.limits import MAX_BESIDE_BYTES, MAX_MODEL_BYTES, MAX_TEXT_BYTES
from tmdscope.tracking.model_graph import (
    DOTTED,
    GRAPH,
    PROGRAM,
    check_graph,
    check_words,
    expect_keys,
    json_of,
)

RELIABILITY = "extra_files/reliability.safetensors"
REFERENCE = "extra_files/reference.safetensors"
"""Files of a model: how far it can be trusted, and images with what it says of them."""

ESTIMATOR, COMPOUNDS = "model.skops", "extra_files/compounds.txt"
"""Files of a model of formulae: the estimator, and the compounds that it was trained on."""

TRUSTED = [
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "tmdscope.composition.cheap.CheapProperty",
    "tmdscope.composition.features.CompositionFeatures",
    "tmdscope.composition.intervals.SpreadConformalRegressor",
    "tmdscope.composition.regressors.MedianTrees",
]
"""Types that its reader makes beside those that skops trusts by itself."""

WRITTEN_LATER = "registered_model_meta"
"""File that MLflow writes where a version's files are when they are read."""

_DTYPES = {5: np.dtype("<i8"), 7: np.dtype("<f4")}
_MLMODEL_BYTES = 1 << 17
_DEEPEST = 10
_DIRECTORY_BYTES = 1 << 24
_PLAIN_BYTES = 1 << 25
_FOLDERS = {"data", "extra_files"}
_AROUND = {
    "MLmodel": _MLMODEL_BYTES,
    **dict.fromkeys(("input_example.json", "serving_input_example.json"), MAX_BESIDE_BYTES),
    **dict.fromkeys(("conda.yaml", "python_env.yaml", "requirements.txt", WRITTEN_LATER), _MLMODEL_BYTES),
}
_FILES = {**_AROUND, PROGRAM: MAX_MODEL_BYTES, RELIABILITY: MAX_BESIDE_BYTES, REFERENCE: MAX_BESIDE_BYTES}
_ESTIMATOR_FILES = {**_AROUND, ESTIMATOR: MAX_MODEL_BYTES, COMPOUNDS: MAX_BESIDE_BYTES}

_DESCRIBED = set(
    "artifact_path flavors is_signature_from_type_hint metadata mlflow_version model_id model_size_bytes "
    "model_uuid prompts run_id saved_input_example_info signature type_hint_from_example "
    "utc_time_created".split()
)
_METADATA = {"ensemble", "classes", "not_trained", "prepare", "scale"}
_BESIDE = [{"path": RELIABILITY}, {"path": REFERENCE}]
_FLAVOURS: dict[str, dict[str, list[Any] | None]] = {
    "python_function": {
        "config": [{"device": None}],
        "data": ["data"],
        "env": [{"conda": "conda.yaml", "virtualenv": "python_env.yaml"}],
        "loader_module": ["mlflow.pytorch"],
        "pickle_module_name": ["mlflow.pytorch.pickle_module"],
        "python_version": None,
    },
    "pytorch": {
        "code": [None],
        "extra_files": [None, [], _BESIDE[:1], _BESIDE[1:], _BESIDE, _BESIDE[::-1]],
        "model_data": ["data"],
        "pytorch_version": None,
    },
}
"""What ``MLmodel`` may say of each flavour; None: any text."""

_ESTIMATOR_FLAVOURS: dict[str, dict[str, list[Any] | None]] = {
    "python_function": {
        "env": [{"conda": "conda.yaml", "virtualenv": "python_env.yaml"}],
        "loader_module": ["mlflow.sklearn"],
        "model_path": [ESTIMATOR],
        "predict_fn": ["predict"],
        "python_version": None,
    },
    "sklearn": {
        "code": [None],
        "extra_files": [[{"path": COMPOUNDS}]],
        "pickled_model": [ESTIMATOR],
        "serialization_format": ["skops"],
        "skops_trusted_types": [TRUSTED],
        "sklearn_version": None,
    },
}
"""The same of a model of formulae."""

_WEIGHTS = "data/weights/model_weights_config.json"
_CONSTANTS = "data/constants/model_constants_config.json"
_EXAMPLE = "data/sample_inputs/model.pt"
_TEXTS = {
    "archive_format": rb"pt2",
    "archive_version": rb"\d{1,3}",
    "byteorder": rb"little",
    ".data/version": rb"\d{1,3}\n?",
    ".data/serialization_id": rb"\d{1,64}",
}
_RECORD = re.compile(r"data/(weights/weight|constants/tensor)_\d{1,7}")
_EXAMPLE_RECORDS = re.compile(
    r"data\.pkl|\.format_version|\.storage_alignment|byteorder|data/0|version|\.data/\w+"
)
_EXAMPLE_NAMES = {"torch._utils _rebuild_tensor_v2", "torch ByteStorage", "collections OrderedDict"}


def check_list(folder: Path) -> None:
    """See that a model's folder holds its files, no others, no links and none that is too large."""
    if (folder / ESTIMATOR).is_file():
        raise UserError(
            "it takes formulae, not images: `tmdscope predict --model ADDRESS GaAs ZnO` says what it predicts"
        )
    _check_list(folder, _FILES, PROGRAM)


def check_estimator_list(folder: Path) -> None:
    """See the same of a model of formulae."""
    _check_list(folder, _ESTIMATOR_FILES, ESTIMATOR)


def _check_list(folder: Path, files: Mapping[str, int], model: str) -> None:
    found = set()
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(place) / name
            shown, kind = path.relative_to(folder).as_posix(), path.lstat()
            if shown in _FOLDERS and stat.S_ISDIR(kind.st_mode):
                continue
            if shown not in files or not stat.S_ISREG(kind.st_mode):
                raise ValueError(f"it holds {shown!r}, which is no file that belongs to a model")
            if kind.st_size > files[shown]:
                raise ValueError(f"{shown} has {kind.st_size} bytes, {files[shown]} at most are read")
            found.add(shown)
    for needed in ("MLmodel", model):
        if needed not in found:
            raise ValueError(f"it was not made by tmdscope: it has no {needed}")


def read_description(path: Path) -> dict[str, Any]:
    """Read ``MLmodel``; `ValueError` where it says anything that `log_program` does not have MLflow write."""
    text = read_bytes(path, _MLMODEL_BYTES).decode("utf-8")
    reader = YAML(typ="safe", pure=True)
    try:
        depth = 0
        for event in reader.parse(text):
            depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
            if isinstance(event, AliasEvent) or depth > _DEEPEST:
                raise ValueError("MLmodel refers to itself by a YAML alias, or is nested too deep")
        described = reader.load(text)
    except YAMLError as error:
        raise ValueError(f"MLmodel is not YAML ({' '.join(str(error).split())[:200]})") from error
    expect_keys("MLmodel", described, _DESCRIBED, {"flavors"})
    flavours, metadata = described["flavors"], described.setdefault("metadata", {})
    formulae = "sklearn" in flavours
    known_flavours = _ESTIMATOR_FLAVOURS if formulae else _FLAVOURS
    expect_keys("flavors of MLmodel", flavours, set(known_flavours), set(known_flavours))
    for name, allowed in known_flavours.items():
        needed = {"loader_module", "model_data", "pickled_model"} & set(allowed)
        expect_keys(f"flavour {name}", flavours[name], set(allowed), needed)
        for key, value in flavours[name].items():
            known = allowed[key]
            if not isinstance(value, str) if known is None else value not in known:
                raise ValueError(f"MLmodel has {name}.{key} {str(value)[:80]!r}")
    for key in ("prompts", "is_signature_from_type_hint", "type_hint_from_example"):
        if described.get(key):
            raise ValueError(f"MLmodel has {key}")
    own = "about" if formulae else "ensemble"
    if own not in (metadata or {}):
        raise ValueError(f"it was not made by tmdscope: its metadata names no {own}")
    expect_keys("metadata of MLmodel", metadata, {own} if formulae else _METADATA)
    for key, value in metadata.items():
        words = value if key in ("classes", "not_trained") else [value]
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError(f"metadata {key} is a {type(value).__name__}")
    return dict(described)


class ProgramFile:
    """An open ``.pt2`` file that holds a graph of known operators over raw tensors, and nothing else.

    `ValueError` where it holds a pickle, a text that is no name, or anything else that no model of ours has.
    `weights` and `constants` are name to entry of its lists of tensors; of the graph, what only tells of its
    making is left out.
    """

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read = read
        self.weights = _read_payloads(read(_WEIGHTS), "weight_")
        self.constants = _read_payloads(read(_CONSTANTS), "tensor_")
        _check_example(read(_EXAMPLE))
        self.graph = check_graph(json_of(GRAPH, read(GRAPH)))

    def tensors(
        self, expected: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]
    ) -> dict[str, NDArray[Any]]:
        """Read the parameters and buffers, each with memory of its own.

        `expected` is name to shape and type of each: `ValueError` where it does not hold exactly these.
        """
        if odd := sorted(self.weights.keys() ^ expected.keys()):
            raise ValueError(f"its tensors are not those of its metadata: {odd[0]} is in one of the two only")
        read, weights = self._read, self.weights
        return {name: _read_tensor(name, weights[name], read, *wanted) for name, wanted in expected.items()}

    def write(self, to: Path, example: bytes) -> None:
        """Write the file anew from what was seen of it, with a record of example inputs.

        A loader that reads archives otherwise than we do meets nothing but what was checked.
        """
        lists = ((_WEIGHTS, self.weights, "weights"), (_CONSTANTS, self.constants, "constants"))
        with zipfile.ZipFile(to, "w") as archive:
            for config, entries, folder in lists:
                for record in sorted({entry["path_name"] for entry in entries.values()}):
                    archive.writestr(f"model/data/{folder}/{record}", self._read(f"data/{folder}/{record}"))
                archive.writestr(f"model/{config}", json.dumps({"config": entries}))
            archive.writestr(f"model/{GRAPH}", json.dumps(self.graph))
            archive.writestr(f"model/{_EXAMPLE}", example)
            archive.writestr("model/.data/version", b"6")
            for name in ("archive_format", "archive_version", "byteorder"):
                archive.writestr(f"model/{name}", self._read(name))


@contextmanager
def open_program(path: Path) -> Iterator[ProgramFile]:
    """Open a ``.pt2`` file whose records are those of a program, unpacked, and each there once."""
    size = path.stat().st_size
    with open_regular(path, MAX_MODEL_BYTES) as stream, _open_archive(stream, size) as archive:
        records = archive.namelist()
        prefix = min(records).partition("/")[0] + "/" if records else ""
        names = {name.removeprefix(prefix) for name in records if name.startswith(prefix)}
        needed = {GRAPH, _EXAMPLE, _WEIGHTS, _CONSTANTS, "archive_format", "archive_version", "byteorder"}
        if missing := sorted(needed - names):
            raise ValueError(f"{PROGRAM} has no record {missing[0]}")
        for name in records:
            bare = name.removeprefix(prefix)
            if not (name.startswith(prefix) and (bare in {*needed, *_TEXTS} or _RECORD.fullmatch(bare))):
                raise ValueError(f"{PROGRAM} holds the record {name!r}, which no model has")

        def read(name: str) -> bytes:
            try:
                return archive.read(prefix + name)
            except (KeyError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
                raise ValueError(f"{PROGRAM} is damaged: {error}") from error

        for name, pattern in _TEXTS.items():
            if name in names and not re.fullmatch(pattern, read(name)):
                raise ValueError(f"{PROGRAM} has another {name} than a model's")
        yield ProgramFile(read)


def _open_archive(stream: IO[bytes], size: int) -> zipfile.ZipFile:
    stream.seek(max(0, size - 98))  # ends of ZIP64 and ZIP: a directory's size is read before the directory
    end = stream.read()
    if end[-22:-18] != b"PK\5\6":
        raise ValueError(f"{PROGRAM} is no archive")
    (listed,) = struct.unpack("<I", end[-10:-6])
    if end[-42:-38] == b"PK\6\7":
        (listed,) = struct.unpack("<Q", end[-58:-50]) if end[-98:-94] == b"PK\6\6" else (size,)
    if listed > _DIRECTORY_BYTES:
        raise ValueError(f"{PROGRAM} lists too many records")
    try:
        archive = zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, struct.error, NotImplementedError, OSError) as error:
        raise ValueError(f"{PROGRAM} is no archive: {error}") from error
    records = archive.infolist()
    if len({record.filename for record in records}) < len(records):
        raise ValueError(f"{PROGRAM} holds two records of one name")
    for record in records:
        if record.compress_type or record.flag_bits & 1 or record.compress_size != record.file_size:
            raise ValueError(f"{PROGRAM}: record {record.filename!r} is packed or encrypted")
        most = MAX_TEXT_BYTES if record.filename.endswith(".json") else _PLAIN_BYTES
        if record.file_size > most and not _RECORD.search(record.filename):
            raise ValueError(f"{PROGRAM}: record {record.filename!r} has {record.file_size} bytes")
    if sum(record.file_size for record in records) > size:
        raise ValueError(f"{PROGRAM}: its records overlap")
    return archive


def _read_payloads(content: bytes, kind: str) -> dict[str, Any]:
    config = json_of("a list of tensors", content)
    expect_keys("a list of tensors", config, {"config"}, {"config"})
    expect_keys("a list of tensors", config["config"], set(config["config"]))
    for name, entry in config["config"].items():
        keys = {"path_name", "is_param", "use_pickle", "tensor_meta"}
        expect_keys(f"tensor {name[:80]!r}", entry, keys, keys)
        record, meta = entry["path_name"], entry["tensor_meta"]
        if entry["use_pickle"] is not False or not re.fullmatch(rf"{kind}\d{{1,7}}", str(record)):
            raise ValueError(f"{PROGRAM}: {name[:80]!r} may be a pickle ({str(record)[:80]!r})")
        if not re.fullmatch(DOTTED, name):
            raise ValueError(f"{PROGRAM}: {name[:80]!r} is no name of a tensor")
        check_words(meta, "tensor_meta")
        keys = {"dtype", "sizes", "strides", "storage_offset", "layout", "device", "requires_grad"}
        expect_keys(f"tensor {name!r}", meta, keys, keys)
    return dict(config["config"])


def _read_tensor(
    name: str,
    entry: Mapping[str, Any],
    read: Callable[[str], bytes],
    shape: tuple[int, ...],
    kind: np.dtype[Any],
) -> NDArray[Any]:
    meta = entry["tensor_meta"]
    sizes, strides = (tuple(_whole(name, value) for value in meta[key]) for key in ("sizes", "strides"))
    offset = _whole(name, meta["storage_offset"])
    if sizes != shape or _DTYPES.get(meta["dtype"]) != kind or len(strides) != len(sizes):
        raise ValueError(f"tensor {name} has shape {sizes}, its metadata ask for {kind} of {shape}")
    content = read(f"data/weights/{entry['path_name']}")
    values = np.frombuffer(content, kind, len(content) // kind.itemsize)
    last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    if not math.prod(sizes) or last >= len(values):
        raise ValueError(f"tensor {name} is larger than its record {entry['path_name']}")
    steps = tuple(stride * kind.itemsize for stride in strides)
    return np.lib.stride_tricks.as_strided(values[offset:], sizes, steps).copy()


def _whole(name: str, value: Any) -> int:
    number = value.get("as_int") if isinstance(value, dict) else None
    if type(number) is not int or not 0 <= number <= MAX_MODEL_BYTES:
        raise ValueError(f"tensor {name} has a size or stride {str(value)[:80]}")
    return number


def _check_example(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            records = archive.infolist()
            for record in records:
                if record.compress_type or not _EXAMPLE_RECORDS.fullmatch(record.filename.partition("/")[2]):
                    raise ValueError(f"record {record.filename!r}")
            small = [r for r in records if r.filename.endswith("data.pkl") and r.file_size < 4096]
            program = archive.read(small[0])
        named = [(code.name, str(arg)) for code, arg, _ in pickletools.genops(program)]
    except (ValueError, IndexError, zipfile.BadZipFile, EOFError, NotImplementedError, struct.error) as error:
        raise ValueError(f"{PROGRAM}: {_EXAMPLE} may be a pickle of anything ({error})") from error
    for code, arg in named:
        if code in ("INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "STACK_GLOBAL", "BUILD") or code.startswith("EXT"):
            raise ValueError(f"{PROGRAM}: {_EXAMPLE} is a pickle that does {code}")
        if code == "GLOBAL" and arg not in _EXAMPLE_NAMES:
            raise ValueError(f"{PROGRAM}: {_EXAMPLE} is a pickle that calls {arg[:80]}")
