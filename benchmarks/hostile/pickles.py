"""Pickles: programs, damage and bombs, where numbers alone are expected; nothing in them is ever run."""

import io
import os
import pickle
import struct
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.hostile.cases import FOREIGN, Case, cuts, flips, odd_files, put
from tmdscope.dataset.safe_pickle import read_pickle

TABLE = pd.DataFrame(
    {
        "sampleId": ["13164", "7408"],
        "targets": ["WSe2", "Mo-WSe2"],
        "ImageNet": [np.arange(3, dtype=np.float32), np.full(3, -0.5, np.float32)],
    },
    dtype=object,
)
TABLE.columns = pd.Index(list(TABLE.columns), dtype=object)
WHOLE = pickle.dumps(TABLE, protocol=5)


class _Calls:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def _case(told: str, content: bytes | Callable[[], bytes], must: str = "refuse") -> Case:
    def make(folder: Path) -> None:
        put("a.pkl", content if isinstance(content, bytes) else content())(folder)

    return Case(told, make, lambda folder: read_pickle(folder / "a.pkl"), must, tells=r"a\.pkl")


def cases() -> Iterator[Case]:
    """Give every case."""
    yield _case("a table as it should be", WHOLE, "take")
    for told, content in cuts(WHOLE, [0, 1, 2, 11, 100, len(WHOLE) // 2, len(WHOLE) - 1]):
        yield _case(told, content)
    for told, content in flips(WHOLE, 12):
        yield _case(told, content, "either")
    programs = {
        "os.system": _Calls(os.system, "touch EXECUTED"),
        "subprocess": _Calls(subprocess.check_output, ["touch", "EXECUTED"]),
        "eval": _Calls(eval, "open('EXECUTED', 'w')"),
        "exec": _Calls(exec, "open('EXECUTED', 'w')"),
        "open": _Calls(open, "EXECUTED", "w"),
        "getattr": _Calls(getattr, np.ndarray, "tofile"),
        "pickle in a pickle": _Calls(pickle.loads, pickle.dumps(_Calls(os.system, "touch EXECUTED"))),
        "numpy.load": _Calls(np.load, "x.npy"),
        "pandas.read_pickle": _Calls(pd.read_pickle, "x.pkl"),
        "an import": _Calls(__import__, "antigravity"),
    }
    for told, program in programs.items():
        for protocol in (0, 2, 5):
            yield _case(f"{told}, protocol {protocol}", pickle.dumps([program], protocol=protocol))
    yield from _assembled()
    for told, content in FOREIGN.items():
        yield _case(told, content)
    for told, make in odd_files("a.pkl"):
        yield Case(
            f"{told} in its place", make, lambda folder: read_pickle(folder / "a.pkl"), tells=r"a\.pkl"
        )
    yield from _weights()


def _assembled() -> Iterator[Case]:
    reach = b"\x80\x04\x8c\x05numpy\x8c\x0f__builtins__.eval\x93\x8c\x01x\x85R."
    yield _case("a name with dots", reach)
    yield _case("an instance by its old name", b"(S'touch EXECUTED'\nios\nsystem\n.")
    yield _case("an object by its old name", b"(cos\nsystem\nS'touch EXECUTED'\no.")
    yield _case("an extension of the registry", b"\x80\x04\x82\x01.")
    yield _case("something kept elsewhere", b"\x80\x04\x8c\x01xQ.")
    yield _case("a buffer from elsewhere", b"\x80\x05\x97.")
    yield _case("lists in lists", b"\x80\x04" + b"]" * 500_000 + b"a" * 499_999 + b".")
    yield _case("a list that holds itself", b"\x80\x04]\x94h\x00a.")
    yield _case(
        "a billion laughs",
        b"\x80\x04]\x94" + b"".join(b"]\x94(" + (b"h" + bytes([n])) * 10 + b"e" for n in range(25)) + b".",
    )
    yield _case("two million numbers", b"\x80\x04](" + b"K\x01" * 2_000_000 + b"e.")
    yield _case("a text of 4 EB", b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"x.")
    yield _case("a memo of 2^31", b"\x80\x04]r\xff\xff\xff\x7f.", "either")
    yield _case(
        "a number of 200 MB", b"\x80\x04\x8b" + struct.pack("<i", 200 << 20) + bytes(200 << 20) + b"."
    )
    shape = pickle.dumps(np.zeros((2, 3)), protocol=4)
    yield _case(
        "an array of 2^60 rows",
        shape.replace(b"K\x02K\x03\x86", b"\x8a\x08" + struct.pack("<q", 1 << 60) + b"K\x03\x86"),
    )
    yield _case("an array of objects of itself", b"\x80\x04]\x94(h\x00h\x00e0h\x00.", "either")


def _weights() -> Iterator[Case]:
    """Files of weights, which torch would unpickle."""

    def load(folder: Path) -> Any:
        from tmdscope.vision.published import Weights
        from tmdscope.vision.weights import load_weights

        os.environ["TORCH_HOME"] = str(folder / "torch")
        return load_weights(Weights.MICRONET, "resnet18", folder / "none")

    name = "torch/hub/checkpoints/resnet18_pretrained_microscopynet_v1.0.pth.tar"

    def archive(program: Any) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as packed:
            packed.writestr("archive/data.pkl", pickle.dumps(program, protocol=2))
            packed.writestr("archive/version", "3\n")
        return stream.getvalue()

    def saved(content: Any) -> bytes:
        import torch

        stream = io.BytesIO()
        torch.save(content, stream)
        return stream.getvalue()

    def make(content: Callable[[], bytes]) -> Callable[[Path], None]:
        return lambda folder: put(name, content())(folder)

    import torch

    contents: dict[str, Callable[[], bytes]] = {
        "that run a program": lambda: archive(_Calls(os.system, "touch EXECUTED")),
        "that run a program, in the old form": lambda: pickle.dumps(_Calls(os.system, "touch EXECUTED")),
        "of another network": lambda: saved({"x": torch.zeros(3)}),
        "that are a list": lambda: saved([torch.zeros(3)]),
        "of nothing": lambda: saved({}),
        "with keys that are numbers": lambda: saved({1: torch.zeros(3)}),
        "cut off": lambda: saved({"x": torch.zeros(300)})[:-200],
        "that are a web page": lambda: FOREIGN["a web page"],
        "empty": lambda: b"",
        "of meta tensors": lambda: saved({"x": torch.zeros(3, device="meta")}),
    }
    for told, content in contents.items():
        yield Case(f"weights {told}", make(content), load)
