"""Read the authors' pickles without running what is in them.

A pickle is a program: it names callables and calls them. Here it is walked through by the code below: every
name that tables need stands for an inert `_Record` of what was asked for; any other name or instruction is
refused. Only when the program has ended are records turned into arrays and tables. `Unpickler.find_class`
would keep out the names, but not deep keys of dictionaries (hashing them overflows the stack or never ends),
memo places of any size (``LONG_BINPUT``), or one buffer that is built again and again.
"""

import math
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tmdscope.errors import UserError
from tmdscope.files import read_bytes
from tmdscope.limits import MAX_PICKLE_STEPS

_EXPANSION = 16
_DTYPES = frozenset("b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 O8".split())


class _Record:
    """What a pickle asked to build: the arguments and the state it gave, and nothing built from them."""

    state: Any = None

    def __init__(self, build: "Build", arguments: tuple[Any, ...]) -> None:
        self.build, self.arguments = build, arguments


Build = Callable[["_Builder", _Record], Any]
"""What makes a value of a record, once the program has ended."""


def _mention(*_: object) -> None:
    raise ValueError("a class where a value was expected")


def _dtype(_: "_Builder", record: _Record) -> np.dtype[Any]:
    code = record.arguments[0]
    if not isinstance(code, str) or code not in _DTYPES:
        raise ValueError(f"dtype {code!r}"[:80])
    dtype: np.dtype[Any] = np.dtype(code)
    return dtype.newbyteorder("=" if record.state is None else record.state[1])


def _reconstructed(build: "_Builder", record: _Record) -> np.ndarray[Any, Any]:
    _, shape, dtype, fortran, data = record.state
    return _array(build, data, dtype, shape, "F" if fortran else "C")


def _index(build: "_Builder", record: _Record) -> Any:
    _, content = record.arguments
    if "data" in content:
        return build(content["data"])
    rows = range(content["start"], content["stop"], content["step"])
    build.spend(8 * len(rows))
    return rows


def _block(build: "_Builder", record: _Record) -> tuple[np.ndarray[Any, Any], Any]:
    values, placement, _ = record.arguments
    return build(values), build(placement)


def _table(build: "_Builder", record: _Record) -> pd.DataFrame:
    blocks, (columns, index) = record.arguments
    names, rows = build(columns), build(index)
    for label in (*names, *rows):  # pandas hashes them: what is deep would take for ever
        if not isinstance(label, str | int | float | np.generic | None):
            raise ValueError(f"a {type(label).__name__} names a row or column")
    held: dict[int, Any] = {}
    for values, placement in map(build, blocks):
        build.spend(values.nbytes + 8 * len(names))
        places = np.arange(len(names))[placement]
        held |= dict(zip(places.tolist(), values, strict=True))
    return pd.DataFrame({name: held[place] for place, name in enumerate(names)}, index=rows)


_NUMPY: dict[str, Build] = {
    "multiarray _reconstruct": _reconstructed,
    "numeric _frombuffer": lambda build, record: _array(build, *record.arguments),
}
_ADMITTED: dict[str, Build] = {
    "builtins slice": lambda _, record: slice(*record.arguments),
    "numpy dtype": _dtype,
    **{f"numpy.{core}.{name}": build for core in ("core", "_core") for name, build in _NUMPY.items()},
    **dict.fromkeys(
        ("pandas DataFrame", "pandas.core.frame DataFrame"),
        lambda build, record: build(record.state["_mgr"]),
    ),
    **dict.fromkeys(("numpy ndarray", "pandas Index", "pandas RangeIndex"), _mention),
    **dict.fromkeys(("pandas.core.indexes.base Index", "pandas.core.indexes.range RangeIndex"), _mention),
    "pandas.core.indexes.base _new_Index": _index,
    "pandas.core.internals.managers BlockManager": _table,
    "pandas._libs.internals _unpickle_block": _block,
}
"""Module and name of what the authors' tables ask for."""


class _Machine:
    """The stack of a pickle's program, on which lie plain values and records alone."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def take(self, count: int | None = None) -> list[Any]:
        """Take so many values from the stack, or all since the last mark."""
        place = self.marks.pop() if count is None else len(self.stack) - count
        if not 0 <= place <= len(self.stack) or place < (self.marks[-1] if self.marks else 0):
            raise ValueError("its stack is too short")
        values = self.stack[place:]
        del self.stack[place:]
        return values

    def extend(self, items: list[Any]) -> None:
        """Append to the list on the stack."""
        _expect(self.stack[-1], list).extend(items)

    def fill(self, pairs: list[Any]) -> None:
        """Set keys of the dictionary on the stack: only plain ones, for hashing a deep one never ends."""
        held = _expect(self.stack[-1], dict)
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            held[_expect(key, str | int)] = value

    def name(self, module: Any, name: Any) -> None:
        """Lay on the stack what stands for a global."""
        known = isinstance(module, str) and isinstance(name, str)
        build = _ADMITTED.get(f"{module} {name}") if known else None
        if build is None:
            asked = f"{module}.{name}"[:200] if known else "something that is no name"
            raise UserError(
                f"it asks for {asked}, which no table of numbers needs; nothing of it was run. "
                "Do not open it by other means; fetch the file again from its publisher"
            )
        self.stack.append(build)

    def call(self) -> None:
        """Make a record instead of calling anything."""
        build, arguments = self.take(2)
        if not callable(build):
            raise TypeError(f"it calls a {type(build).__name__}")
        self.stack.append(_Record(build, _expect(arguments, tuple)))

    def set_state(self) -> None:
        """Give the record on the stack its state."""
        (state,) = self.take(1)
        _expect(self.stack[-1], _Record).state = state


def _expect(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"it holds a {type(value).__name__} where another kind belongs")
    return value


_STEPS: dict[str, Callable[[_Machine, Any], Any]] = {
    **dict.fromkeys("PROTO FRAME STOP".split(), lambda *_: None),
    **dict.fromkeys(
        "BININT BININT1 BININT2 BINFLOAT BINUNICODE SHORT_BINUNICODE".split()
        + "BINBYTES SHORT_BINBYTES BYTEARRAY8".split(),
        lambda machine, argument: machine.stack.append(argument),
    ),
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "NONE": lambda machine, _: machine.stack.append(None),
    "NEWTRUE": lambda machine, _: machine.stack.append(True),
    "NEWFALSE": lambda machine, _: machine.stack.append(False),
    "EMPTY_TUPLE": lambda machine, _: machine.stack.append(()),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.take())),
    "TUPLE1": lambda machine, _: machine.stack.append(tuple(machine.take(1))),
    "TUPLE2": lambda machine, _: machine.stack.append(tuple(machine.take(2))),
    "TUPLE3": lambda machine, _: machine.stack.append(tuple(machine.take(3))),
    "APPEND": lambda machine, _: machine.extend(machine.take(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.take()),
    "SETITEM": lambda machine, _: machine.fill(machine.take(2)),
    "SETITEMS": lambda machine, _: machine.fill(machine.take()),
    "MEMOIZE": lambda machine, _: machine.memo.update({len(machine.memo): machine.stack[-1]}),
    "BINPUT": lambda machine, place: machine.memo.update({place: machine.stack[-1]}),
    "BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "LONG_BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "GLOBAL": lambda machine, names: machine.name(*names.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.name(*machine.take(2)),
    "REDUCE": lambda machine, _: machine.call(),
    "NEWOBJ": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.set_state(),
}


def read_pickle(path: Path) -> Any:
    """Read a pickle (protocol 2 to 5) of plain containers, numpy arrays and pandas tables; run nothing."""
    try:
        content = read_bytes(path)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist") from error
    try:
        return _Builder(_EXPANSION * len(content))(_walk(content))
    except UserError as error:
        raise UserError(f"{path} is not a safe pickle: {error}") from error
    except Exception as error:  # what is no program of a table fails at any step
        raise UserError(
            f"{path} is truncated, damaged or no pickle ({error}); delete it and fetch it again"
        ) from error


def _walk(content: bytes) -> Any:
    """Follow the program to its end."""
    machine = _Machine()
    for step, (opcode, argument, position) in enumerate(pickletools.genops(content)):
        if step >= MAX_PICKLE_STEPS:
            raise UserError(f"it has more than {MAX_PICKLE_STEPS} instructions, the most that are followed")
        if opcode.name not in _STEPS:
            raise UserError(
                f"it holds the instruction {opcode.name} at byte {position}, which no table of numbers "
                "needs; nothing of it was run"
            )
        _STEPS[opcode.name](machine, argument)
    (value,) = machine.stack
    return value


class _Builder:
    """Builds what records ask for, each once, and no more bytes of it than the file can have meant."""

    def __init__(self, most: int) -> None:
        self.most = self.left = most
        self.built: dict[int, Any] = {}

    def spend(self, count: int) -> None:
        """Count bytes of what is built."""
        self.left -= count
        if self.left < 0:
            raise UserError(f"it builds more than {self.most} bytes, {_EXPANSION} times its size (a bomb?)")

    def __call__(self, value: Any) -> Any:
        """Build a value; all values live as long as the program's stack."""
        if not isinstance(value, _Record | list | tuple | dict):
            return value
        if id(value) not in self.built:
            if isinstance(value, _Record):
                built = value.build(self, value)
            elif isinstance(value, dict):
                built = {key: self(item) for key, item in value.items()}
            else:
                built = type(value)(map(self, value))
            self.built[id(value)] = built
        return self.built[id(value)]


def _array(
    build: _Builder, data: Any, dtype: Any, shape: tuple[int, ...], order: Any
) -> np.ndarray[Any, Any]:
    kind = _expect(build(dtype), np.dtype)
    build.spend(max(shape, default=0))
    if kind.hasobject:
        if len(data) != math.prod(shape):
            raise ValueError(f"{len(data)} values for another shape")
        build.spend(8 * len(data))
        values = np.empty(len(data), dtype=object)
        for place, item in enumerate(data):
            values[place] = build(item)
    else:
        build.spend(len(data))
        values = np.frombuffer(data, kind).copy()
    return values.reshape(shape, order=order)
