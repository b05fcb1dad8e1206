"""Read the authors' pickles without running what is in them.

A pickle is a program: it names callables and calls them. Here every name that numpy and pandas tables
need stands for an inert `_Record` that writes down what was asked for; any other name is refused. Only
when the program has ended are the records turned into arrays and tables, by the code below. So no
numpy, pandas or other function is ever called by a pickle, and old module paths need no mapping.
"""

import io
import math
import pickle
import pickletools
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from tmdscope.stage import UserError

_OPCODES = frozenset(
    """
    PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 BINFLOAT
    BINUNICODE SHORT_BINUNICODE BINBYTES SHORT_BINBYTES BYTEARRAY8
    EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS EMPTY_DICT SETITEM SETITEMS
    MEMOIZE BINPUT BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE NEWOBJ BUILD
    """.split()
)
_DAMAGE = (
    pickle.UnpicklingError,
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

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def build(self) -> Any:
        raise ValueError(f"a {type(self).__name__} where a value was expected")


class _Type(_Record):
    """A class that pickles only mention."""


class _Slice(_Record):
    def build(self) -> slice:
        return slice(*self.arguments)


class _Dtype(_Record):
    def build(self) -> np.dtype[Any]:
        code = self.arguments[0]
        if code not in _DTYPES:
            raise ValueError(f"dtype {code!r}")
        dtype: np.dtype[Any] = np.dtype(code)
        return dtype.newbyteorder("=" if self.state is None else self.state[1])


class _Array(_Record):
    """The function `numpy.core.multiarray._reconstruct`."""

    def build(self) -> np.ndarray[Any, Any]:
        _, shape, dtype, fortran, data = self.state
        return _array(data, dtype, shape, "F" if fortran else "C")


class _Buffer(_Record):
    """The function `numpy.core.numeric._frombuffer`."""

    def build(self) -> np.ndarray[Any, Any]:
        return _array(*self.arguments)


class _Index(_Record):
    """The function `pandas.core.indexes.base._new_Index`."""

    def build(self) -> Any:
        _, content = self.arguments
        if "data" in content:
            return _build(content["data"])
        return range(content["start"], content["stop"], content["step"])


class _Block(_Record):
    """The function `pandas._libs.internals._unpickle_block`."""

    def build(self) -> tuple[np.ndarray[Any, Any], Any]:
        values, placement, _ = self.arguments
        return _build(values), _build(placement)


class _Manager(_Record):
    def build(self) -> pd.DataFrame:
        blocks, (columns, index) = self.arguments
        names, rows = _build(columns), _build(index)
        held: dict[int, Any] = {}
        for values, placement in map(_build, blocks):
            places = np.arange(len(names))[placement]
            held |= dict(zip(places.tolist(), values, strict=True))
        return pd.DataFrame({name: held[place] for place, name in enumerate(names)}, index=rows)


class _Frame(_Record):
    def build(self) -> Any:
        return _build(self.state["_mgr"])


class _Unpickler(pickle.Unpickler):
    """An unpickler for which the world holds nothing but records."""

    admitted: ClassVar[dict[tuple[str, str], type[_Record]]] = {
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

    def find_class(self, module: str, name: str) -> type[_Record]:
        """Give the record that stands for a global.

        Parameters
        ----------
        module : str
            The module that the pickle names.
        name : str
            The callable in it.

        Returns
        -------
        type
            The record's class.

        Raises
        ------
        UserError
            The global is none that a numpy or pandas table needs.
        """
        record = self.admitted.get((module, name))
        if record is None:
            raise UserError(
                f"it asks for {module}.{name}, which no table of numbers needs; nothing of it was run. "
                "Do not open it by other means; fetch the file again from its publisher"
            )
        return record


def read_pickle(path: Path) -> Any:
    """Read a pickle of plain containers, numpy arrays and pandas tables, and run nothing.

    Parameters
    ----------
    path : Path
        The pickle, protocol 2 to 5.

    Returns
    -------
    Any
        Containers, numbers, text, `numpy.ndarray` and `pandas.DataFrame`.

    Raises
    ------
    UserError
        The file is missing, truncated or no pickle, or asks for anything else; the message names the
        file and what it asked for.
    """
    try:
        content = path.read_bytes()
        _check_opcodes(content)
        return _build(_Unpickler(io.BytesIO(content)).load())
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist") from error
    except UserError as error:
        raise UserError(f"{path} is not a safe pickle: {error}") from error
    except _DAMAGE as error:
        raise UserError(
            f"{path} is truncated, damaged or no pickle ({error}); delete it and fetch it again"
        ) from error


def _check_opcodes(content: bytes) -> None:
    """Walk through the program without running it: this finds what is truncated or out of bounds."""
    for opcode, _, position in pickletools.genops(content):
        if opcode.name not in _OPCODES:
            raise UserError(
                f"it holds the instruction {opcode.name} at byte {position}, which no table of numbers "
                "needs; nothing of it was run"
            )


def _build(value: Any) -> Any:
    if isinstance(value, _Record):
        return value.build()
    if isinstance(value, list | tuple):
        return type(value)(map(_build, value))
    if isinstance(value, dict):
        return {key: _build(item) for key, item in value.items()}
    return value


def _array(data: Any, dtype: _Dtype, shape: tuple[int, ...], order: Any) -> np.ndarray[Any, Any]:
    kind = dtype.build()
    if kind.hasobject:
        if len(data) != math.prod(shape):
            raise ValueError(f"{len(data)} values for shape {shape}")
        values = np.empty(len(data), dtype=object)
        for place, item in enumerate(data):
            values[place] = _build(item)
    else:
        values = np.frombuffer(data, kind).copy()
    return values.reshape(shape, order=order)
