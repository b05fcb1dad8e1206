"""What stages wrote, damaged or edited: JSON, Parquet, NPY, YAML, weights, checkpoints, databases."""

import hashlib
import io
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tests.dataset.test_store import small_dataset
from tests.scores import test_scored

from benchmarks.hostile.cases import FOREIGN, ROOT, Case, command, odd_files, put, shared
from benchmarks.hostile.models import empty_store
from tmdscope.dataset.splits import Fold, Split
from tmdscope.dataset.store import Dataset, read_descriptors, write_descriptors
from tmdscope.learn.resume import Checkpoints, Resume
from tmdscope.params.reading import read_params
from tmdscope.params.search import SEARCHED, Searched, read_best_params
from tmdscope.scores.scored import Scored
from tmdscope.vision.published import Weights
from tmdscope.vision.stored import StoredFeatures
from tmdscope.vision.weights import load_weights

Read = Callable[[Path], Any]
Change = Callable[[bytes], bytes]
DATASET = small_dataset(12)
OF = {"data": DATASET.digest, "split": "b" * 64}
STATE = {"epoch": 3, "loss": 0.5}

FOUND = Searched(
    study="mine-1",
    sampler="tpe",
    seed=1,
    images=10,
    value=0.5,
    folds=[0.5],
    selection=0.5,
    trial=0,
    settings={},
    progress={},
    epochs=1,
    importance={},
    space={},
)
"""What a search left beside its settings."""


def prepare(folder: Path) -> None:
    """Write a study of twelve images as the stages do."""
    import pandas as pd

    data = folder / "data"
    DATASET.write(data / "prepared")
    ids = tuple(DATASET.manifest["image_id"])
    Split(ids[:4], (Fold(ids[4:8], ids[8:]), Fold(ids[8:], ids[4:8]))).write(
        data / "split.json", DATASET.digest
    )
    features = np.random.default_rng(2).normal(size=(12, 4, 512)).astype(np.float32)
    put("backbone", b"weights")(folder)
    StoredFeatures(features, "resnet18", "simulated", "fp32").write(
        data / "features", DATASET.digest, folder / "backbone"
    )
    measured = pd.DataFrame({"rq_nm": np.arange(12.0)})
    write_descriptors(data / "descriptors.parquet", measured, DATASET.manifest)
    test_scored.write(folder, test_scored.predictions(), test_scored.score(test_scored.predictions()))
    resume = Resume.open(data / "attempts" / "mine", {"data": "a"}, {"threads": "1"}, 0.0)
    resume.fold(0).save(3, lambda: dict(STATE), final=True)
    entry = {
        **read_params(ROOT / "params.yaml")["experiments"]["features-multiclass"],
        "learning_rate": 1e-4,
    }
    put("data/searches/mine/best_params.yaml", json.dumps(entry))(folder)
    found = data / "searches" / "mine" / "best_params.yaml"
    FOUND.write(found.with_name(SEARCHED), {}, [found])
    empty_store(folder)


def _dataset(folder: Path) -> Any:
    return Dataset.load(folder / "data" / "prepared")


def _features(folder: Path) -> Any:
    return StoredFeatures.read(folder / "data" / "features", DATASET, folder / "backbone")


def _split(folder: Path) -> Any:
    return Split.read(folder / "data" / "split.json", DATASET.digest)


def _scored(folder: Path) -> Any:
    return Scored.read(folder / "data" / "experiments" / "mine", OF)


def _descriptors(folder: Path) -> Any:
    return read_descriptors(folder / "data" / "descriptors.parquet", DATASET.manifest)


def _best(folder: Path) -> Any:
    return read_best_params(folder / "data" / "searches" / "mine" / "best_params.yaml")


def _attempt(folder: Path) -> Any:
    return Resume.open(folder / "data" / "attempts" / "mine", {"data": "a"}, {"threads": "1"})


def _weights(folder: Path) -> Any:
    return load_weights(
        Weights.SIMULATED, "resnet18", folder / "data" / "pretrained" / "backbone.safetensors"
    )


def _models(folder: Path) -> Any:
    os.environ["DVC_ROOT"] = str(folder)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    put("params.yaml", "tracking: {study: s, model: m}\n")(folder / "home")
    return command("models", "--params", str(folder / "home" / "params.yaml"))


FILES: dict[str, tuple[str, Read]] = {
    "prepared/manifest.parquet": ("parquet", _dataset),
    "prepared/images.npy": ("npy", _dataset),
    "split.json": ("json", _split),
    "features/features.json": ("json", _features),
    "features/features.npy": ("npy", _features),
    "descriptors.parquet": ("parquet", _descriptors),
    "experiments/mine/scores.json": ("json", _scored),
    "experiments/mine/facts.json": ("json", _scored),
    "experiments/mine/run.json": ("json", _scored),
    "experiments/mine/predictions.parquet": ("parquet", _scored),
    "searches/mine/best_params.yaml": ("yaml", _best),
    "attempts/mine/attempt.json": ("json", _attempt),
}
"""Files below data/, what they are, and who reads them."""


def _study(folder: Path) -> None:
    shutil.copytree(shared["records"] / "data", folder / "data")
    put("backbone", b"weights")(folder)


def _changed(name: str, change: Change) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        _study(folder)
        path = folder / "data" / name
        path.write_bytes(change(path.read_bytes()))
        if path.suffix == ".yaml":  # its record fits: what is in it is what counts
            FOUND.write(path.with_name(SEARCHED), {}, [path])

    return make


def _edited(edit: Callable[[Any], object]) -> Change:
    def change(content: bytes) -> bytes:
        held = json.loads(content)
        return json.dumps(edit(held) or held).encode()

    return change


def _first(content: Any) -> str:
    return next(name for name in content if name != "record")


DEEP = b"[" * 100_000
CHANGES: dict[str, dict[str, Change]] = {
    "json": {
        "no byte": lambda _: b"",
        "half": lambda content: content[: len(content) // 2],
        "a byte less": lambda content: content.rstrip()[:-1],
        "lists without end": lambda _: DEEP,
        "a list": lambda _: b"[]",
        "a text": lambda _: b'"text"',
        "a number of 5000 digits": lambda content: content.rstrip()[:-1] + b', "x": ' + b"9" * 5000 + b"}",
        "NaN": lambda content: content.rstrip()[:-1] + b', "x": NaN}',
        "no UTF-8": lambda content: content.replace(b"{", b'{"\xff": 1, ', 1),
        "a mark before": lambda content: b"\xef\xbb\xbf" + content,
        "80 MB": lambda content: content + b" " * (80 << 20),
        "one key twice": lambda content: content.replace(b"{", b'{"record": {}, ', 1),
        "an escape": _edited(lambda held: held.update({"\x1b[2J": 1})),
        "half a surrogate": lambda content: content.replace(b"{", b'{"\\ud800": 1, ', 1),
        "no record": _edited(lambda held: held.pop("record")),
        "a record of another form": _edited(lambda held: held.update(record=[1])),
        "hashes of another form": _edited(lambda held: held["record"].update(of=3, files=3)),
        "a value of another form": _edited(lambda held: held.update({_first(held): 3})),
    },
    "parquet": {
        "half": lambda content: content[: len(content) // 2],
        "a byte less": lambda content: content[:-1],
        "an end that lies": lambda content: content[:-8] + b"\xff\xff\xff\x7fPAR1",
        "only marks": lambda _: b"PAR1PAR1",
        "a web page": lambda _: FOREIGN["a web page"],
        "zeros": lambda _: bytes(4096),
        "turned bits in its end": lambda content: (
            content[:-40] + bytes(b ^ 16 for b in content[-40:-8]) + content[-8:]
        ),
        "turned bits": lambda content: content[:40] + bytes(b ^ 1 for b in content[40:60]) + content[60:],
    },
    "npy": {
        "half": lambda content: content[: len(content) // 2],
        "a byte less": lambda content: content[:-1],
        "nothing but a head": lambda content: content[:128],
        "a shape that lies": lambda content: content.replace(b"(12, ", b"(99, "),
        "another type": lambda content: content.replace(b"<f4", b"<i4").replace(b"|u1", b"|i1"),
        "objects": lambda content: content.replace(b"<f4", b"|O4").replace(b"|u1", b"|O8"),
        "a head that runs": lambda content: (
            content[:10] + b"__import__('os').system('touch EXECUTED')".ljust(117) + b"\n" + content[128:]
        ),
        "a turned bit": lambda content: content[:-9] + bytes([content[-9] ^ 64]) + content[-8:],
        "a pickle": lambda _: FOREIGN["a pickle"],
    },
    "yaml": {
        "no byte": lambda _: b"",
        "a list": lambda _: b"- 1\n",
        "lists without end": lambda _: DEEP,
        "a program": lambda _: b"!!python/object/apply:os.system ['touch EXECUTED']\n",
        "no UTF-8": lambda content: content + b"# \xff",
        "itself": lambda _: b"&a {x: *a}\n",
        "a key more": lambda content: content.replace(b'"seed"', b'"x": 1, "seed"'),
        "an escape": lambda content: content.replace(b'"multiclass"', b'"\\u001b[2J"'),
    },
}


def cases() -> Iterator[Case]:
    """Give every case."""
    for name, (kind, read) in FILES.items():
        yield Case(f"{name} as it should be", _study, read, "take")
        tells = "" if "attempts" in name else Path(name).name.replace(".", r"\.")
        for told, change in CHANGES[kind].items():
            must = (
                "either"
                if told.startswith("turned bits") or told in ("a mark before", "one key twice")
                else "refuse"
            )
            yield Case(f"{name}: {told}", _changed(name, change), read, must, tells=tells)
    for name in ("split.json", "prepared/images.npy", "descriptors.parquet"):
        for told, make in odd_files(Path(name).name):

            def odd(folder: Path, make: Callable[[Path], None] = make, name: str = name) -> None:
                _study(folder)
                (folder / "data" / name).unlink()
                make((folder / "data" / name).parent)

            yield Case(f"{name}: {told}", odd, FILES[name][1], tells=Path(name).name.replace(".", r"\."))
    yield from _checkpoints()
    yield from _backbones()
    yield from _databases()


def _checkpoints() -> Iterator[Case]:
    name = "attempts/mine/fold-0/000003.ckpt"

    def load(folder: Path) -> Any:
        return Checkpoints(folder / "data" / "attempts" / "mine" / "fold-0").load()

    def sealed(content: Callable[[], bytes]) -> Change:
        return lambda _: hashlib.sha256(content()).digest() + content()

    def wrong(found: Any) -> str | None:
        return None if found in (None, STATE) else f"a state {found}"

    class Payload:
        def __reduce__(self) -> Any:
            return os.system, ("touch EXECUTED",)

    def program() -> bytes:
        import torch

        stream = io.BytesIO()
        torch.save({"a": Payload()}, stream)
        return stream.getvalue()

    changes: dict[str, Change] = {
        "as it should be": bytes,
        "cut": lambda content: content[:-5],
        "empty": lambda _: b"",
        "a hash alone": lambda content: content[:32],
        "a turned bit": lambda content: content[:99] + bytes([content[99] ^ 1]) + content[100:],
        "a program, with its hash": sealed(program),
        "a web page, with its hash": sealed(lambda: FOREIGN["a web page"]),
        "a pickle, with its hash": sealed(lambda: FOREIGN["a pickle"]),
    }
    for told, change in changes.items():

        def make(folder: Path, change: Change = change) -> None:
            _changed(name, change)(folder)
            path = folder / "data" / name
            path.rename(folder / "kept")  # what is damaged is removed, and that is right
            shutil.copy(folder / "kept", path)
            (folder / "kept").unlink()

        def door(folder: Path, make: Callable[[Path], None] = make) -> Any:
            make(folder)
            return load(folder)

        yield Case(f"a checkpoint: {told}", lambda _: None, door, "either", wrong)


def _backbones() -> Iterator[Case]:
    name = "data/pretrained/backbone.safetensors"

    def head(text: bytes, length: int | None = None) -> bytes:
        return (len(text) if length is None else length).to_bytes(8, "little") + text

    contents: dict[str, bytes] = {
        "nothing": b"",
        "a head of 4 GB": head(b"{}", 1 << 32),
        "a head of 2^63": head(b"{}", 1 << 63),
        "lists without end": head(DEEP),
        "no tensor": head(b"{}"),
        "a tensor behind the end": head(b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}'),
        "a tensor of 2^62 values": head(
            b'{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,4]}}'
        )
        + bytes(4),
        "a tensor below nothing": head(b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}') + bytes(4),
        "an unknown type": head(b'{"a":{"dtype":"X9","shape":[1],"data_offsets":[0,4]}}') + bytes(4),
        "tensors on each other": head(
            b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
        )
        + bytes(4),
        "a name with an escape": head(b'{"\\u001b[2J":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}')
        + bytes(4),
        "a pickle": FOREIGN["a pickle"],
        "a web page": FOREIGN["a web page"],
    }
    for told, content in contents.items():
        yield Case(f"a backbone: {told}", put(name, content), _weights, tells="backbone")


def _databases() -> Iterator[Case]:
    database = "mlruns/mlflow.db"

    def make(change: Callable[[Path], None]) -> Callable[[Path], None]:
        def written(folder: Path) -> None:
            (folder / "mlruns").mkdir()
            shutil.copy(shared["records"] / database, folder / database)
            change(folder / database)

        return written

    def statement(text: str) -> Callable[[Path], None]:
        def change(path: Path) -> None:
            with sqlite3.connect(path) as store:
                store.executescript(text)
            store.close()

        return change

    def write(change: Change) -> Callable[[Path], None]:
        def written(path: Path) -> None:
            path.write_bytes(change(path.read_bytes()))

        return written

    def folder(path: Path) -> None:
        path.unlink()
        path.mkdir()

    def pipe(path: Path) -> None:
        path.unlink()
        os.mkfifo(path)

    yield Case("a store: as it should be", make(lambda _: None), _models, "take")
    changes: dict[str, Callable[[Path], None]] = {
        "a web page": write(lambda _: FOREIGN["a web page"]),
        "zeros": write(lambda _: bytes(8192)),
        "half": write(lambda content: content[: len(content) // 2]),
        "turned bits": write(
            lambda content: content[:4096] + bytes(b ^ 255 for b in content[4096:8192]) + content[8192:]
        ),
        "a version of the future": statement("update alembic_version set version_num = 'ffffffffffff'"),
        "a table lost": statement("drop table registered_models"),
        "a column lost": statement("alter table runs rename column artifact_uri to x"),
        "a folder": folder,
        "a pipe": pipe,
    }
    for told, change in changes.items():
        must = (
            "either"
            if told in ("a column lost", "turned bits", "zeros", "a version of the future")
            else "refuse"
        )
        yield Case(f"a store: {told}", make(change), _models, must)
