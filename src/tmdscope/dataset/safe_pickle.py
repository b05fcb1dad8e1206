"""Read the authors' pickles without running what is in them.

A pickle is a program: it names callables and calls them. Here the program is walked through by the code
below, not by `pickle`: every name that numpy and pandas tables need stands for an inert `_Record` that writes
down what was asked for; any other name, and any other instruction, is refused. Only when the program has
ended are the records turned into arrays and tables. So no numpy, pandas or other function is ever called by a
pickle, and old module paths need no mapping. Memory and time are bounded by the number of instructions and
the size of the file: what a pickle mentions twice is built once, and what is built of it is counted.
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
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)
_DTYPES = frozenset("b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 O8".split())


class _Record:
    """What a pickle asked to build: the arguments and the state it gave, and nothing built from them."""

    arguments: tuple[Any, ...] = ()
    state: Any = None

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def build(self, _: "_Builder") -> Any:
        raise ValueError(f"a {type(self).__name__} where a value was expected")


class _Type(_Record):
    """A class that pickles only mention."""


class _Slice(_Record):
    def build(self, _: "_Builder") -> slice:
        return slice(*self.arguments)


class _Dtype(_Record):
    def build(self, _: "_Builder") -> np.dtype[Any]:
        code = self.arguments[0]
        if not isinstance(code, str) or code not in _DTYPES:
            raise ValueError(f"dtype {code!r}"[:80])
        dtype: np.dtype[Any] = np.dtype(code)
        return dtype.newbyteorder("=" if self.state is None else self.state[1])


class _Array(_Record):
    """The function `numpy.core.multiarray._reconstruct`."""

    def build(self, build: "_Builder") -> np.ndarray[Any, Any]:
        _, shape, dtype, fortran, data = self.state
        return _array(build, data, dtype, shape, "F" if fortran else "C")


class _Buffer(_Record):
    """The function `numpy.core.numeric._frombuffer`."""

    def build(self, build: "_Builder") -> np.ndarray[Any, Any]:
        return _array(build, *self.arguments)


class _Index(_Record):
    """The function `pandas.core.indexes.base._new_Index`."""

    def build(self, build: "_Builder") -> Any:
        _, content = self.arguments
        if "data" in content:
            return build(content["data"])
        rows = range(content["start"], content["stop"], content["step"])
        build.spend(8 * len(rows))
        return rows


class _Block(_Record):
    """The function `pandas._libs.internals._unpickle_block`."""

    def build(self, build: "_Builder") -> tuple[np.ndarray[Any, Any], Any]:
        values, placement, _ = self.arguments
        return build(values), build(placement)


class _Manager(_Record):
    def build(self, build: "_Builder") -> pd.DataFrame:
        blocks, (columns, index) = self.arguments
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


class _Frame(_Record):
    def build(self, build: "_Builder") -> Any:
        return build(self.state["_mgr"])


_ADMITTED: dict[tuple[str, str], type[_Record]] = {
    ("builtins", "slice"): _Slice,
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Type,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.numeric", "_frombuffer"): _Buffer,
    ("numpy._core.numeric", "_frombuffer"): _Buffer,
    ("pandas", "DataFrame"): _Frame,
    ("pandas", "Index"): _Type,
    ("pandas", "RangeIndex"): _Type,
    ("pandas.core.frame", "DataFrame"): _Frame,
    ("pandas.core.indexes.base", "Index"): _Type,
    ("pandas.core.indexes.base", "_new_Index"): _Index,
    ("pandas.core.indexes.range", "RangeIndex"): _Type,
    ("pandas.core.internals.managers", "BlockManager"): _Manager,
    ("pandas._libs.internals", "_unpickle_block"): _Block,
}


class _Machine:
    """The stack of a pickle's program, on which lie plain values and records alone."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def push(self, value: Any) -> None:
        """Lay a value on the stack."""
        self.stack.append(value)

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
        """Lay the record on the stack that stands for a global."""
        known = isinstance(module, str) and isinstance(name, str)
        record = _ADMITTED.get((module, name)) if known else None
        if record is None:
            asked = f"{module}.{name}"[:200] if known else "something that is no name"
            raise UserError(
                f"it asks for {asked}, which no table of numbers needs; nothing of it was run. "
                "Do not open it by other means; fetch the file again from its publisher"
            )
        self.push(record)

    def call(self) -> None:
        """Make a record instead of calling anything."""
        record, arguments = self.take(2)
        if not (isinstance(record, type) and issubclass(record, _Record)):
            raise TypeError(f"it calls a {type(record).__name__}")
        self.push(record(*_expect(arguments, tuple)))

    def set_state(self) -> None:
        """Give the record on the stack its state."""
        (state,) = self.take(1)
        _expect(self.stack[-1], _Record).state = state


def _expect(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"it holds a {type(value).__name__} where another kind belongs")
    return value


def _pushes(value: Callable[[], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.push(value())


_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys("PROTO FRAME STOP".split(), lambda *_: None),
    **dict.fromkeys(
        "BININT BININT1 BININT2 BINFLOAT BINUNICODE SHORT_BINUNICODE".split()
        + "BINBYTES SHORT_BINBYTES BYTEARRAY8".split(),
        lambda machine, argument: machine.push(argument),
    ),
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "NONE": _pushes(lambda: None),
    "NEWTRUE": _pushes(lambda: True),
    "NEWFALSE": _pushes(lambda: False),
    "EMPTY_TUPLE": _pushes(tuple),
    "EMPTY_LIST": _pushes(list),
    "EMPTY_DICT": _pushes(dict),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.take())),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.take(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.take(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.take(3))),
    "APPEND": lambda machine, _: machine.extend(machine.take(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.take()),
    "SETITEM": lambda machine, _: machine.fill(machine.take(2)),
    "SETITEMS": lambda machine, _: machine.fill(machine.take()),
    "MEMOIZE": lambda machine, _: machine.memo.update({len(machine.memo): machine.stack[-1]}),
    "BINPUT": lambda machine, place: machine.memo.update({place: machine.stack[-1]}),
    "BINGET": lambda machine, place: machine.push(machine.memo[place]),
    "LONG_BINGET": lambda machine, place: machine.push(machine.memo[place]),
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
    except _DAMAGE as error:
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
                built = value.build(self)
            elif isinstance(value, dict):
                built = {key: self(item) for key, item in value.items()}
            else:
                built = type(value)(map(self, value))
            self.built[id(value)] = built
        return self.built[id(value)]


def _array(
    build: _Builder, data: Any, dtype: _Dtype, shape: tuple[int, ...], order: Any
) -> np.ndarray[Any, Any]:
    kind = dtype.build(build)
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
