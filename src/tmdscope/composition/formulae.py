"""Chemical formulae as compositions: which elements, how much of each, and which formulae mean the same."""

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import gcd, isfinite, lcm

import numpy as np
import periodictable
from numpy.typing import NDArray
from pyparsing import ParseException
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from tmdscope.errors import UserError

SYMBOLS = tuple(element.symbol for element in periodictable.elements if element.number > 0)
"""Symbols of the elements, by atomic number from 1."""

ALIKE = 1e-3
"""Largest difference in the share of any element between formulae that mean the same compound."""

_SPELLINGS = str.maketrans(
    {"[": "(", "]": ")", "{": "(", "}": ")", "·": "+", "•": "+", "⋅": "+", "*": "+"}
    | dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
)
_CHARACTERS = re.compile(r"[A-Za-z0-9.()+]+")
_PART = re.compile(r"([A-Z][a-z]?)(\d+(?:\.\d+)?)?")
_PLAIN = re.compile(rf"(?:{_PART.pattern})+")
_POINTED_WATER = re.compile(r"\.\d*H2O")
_LONGEST = 200
_DENOMINATOR = 10_000
_NUMBERS = {symbol: number for number, symbol in enumerate(SYMBOLS)}


@lru_cache(maxsize=1 << 18)
def read_formula(formula: str) -> tuple[tuple[str, float], ...]:
    """Read a formula's elements and their amounts, by symbol: brackets, decimals and hydrates as well.

    Water of crystallisation stands behind ``·``, ``*`` or ``+``. `UserError` where it is no formula.
    """
    wrong = f"{formula!r:.{_LONGEST}} is no chemical formula"
    text = formula.strip().translate(_SPELLINGS)
    if not _CHARACTERS.fullmatch(text) or len(text) > _LONGEST:
        told = "write letters, digits, points and brackets alone, as in Al2(SO4)3·18H2O"
        raise UserError(f"{wrong}: {told}, {_LONGEST} characters at most")
    if _POINTED_WATER.search(text):
        raise UserError(
            f"{wrong}: a point is a decimal point; write water of crystallisation as in CuSO4·5H2O"
        )
    try:
        atoms = _atoms(text)
    except ParseException as error:
        raise UserError(f"{wrong}: it cannot be read from {text[error.loc :]!r} on") from error
    except (ValueError, OverflowError) as error:
        raise UserError(f"{wrong}: {error}; symbols are those of the periodic table, as in GaAs") from error
    for symbol, amount in atoms.items():
        if symbol not in _NUMBERS:
            raise UserError(f"{wrong} of elements: {symbol} is an isotope; write the element")
        if not 0 < amount < float("inf") or not isfinite(amount):
            raise UserError(f"{wrong}: there are {amount:g} of {symbol}; leave out what is not there")
    return tuple(sorted(atoms.items()))


def _atoms(text: str) -> dict[str, float]:
    """Count atoms; without brackets and water not by the grammar, which takes 50 times as long."""
    parts = _PART.findall(text) if _PLAIN.fullmatch(text) else []
    if not parts or any(symbol not in _NUMBERS for symbol, _ in parts):
        return {str(atom): float(amount) for atom, amount in periodictable.formula(text).atoms.items()}
    found: dict[str, float] = {}
    for symbol, amount in parts:
        found[symbol] = found.get(symbol, 0.0) + float(amount or 1)
    return found


def reduced(formula: str) -> str:
    """Write a composition in one way: smallest whole amounts, by symbol: ``As2Ga2`` becomes ``AsGa``."""
    parts = read_formula(formula)
    amounts = [Fraction(amount).limit_denominator(_DENOMINATOR) for _, amount in parts]
    least = lcm(*(amount.denominator for amount in amounts))
    whole = [int(amount * least) for amount in amounts]
    unit = gcd(*whole) or 1
    return "".join(
        f"{symbol}{count // unit if count != unit else ''}"
        for (symbol, _), count in zip(parts, whole, strict=True)
    )


def chemical_system(formula: str) -> str:
    """Name the elements of a formula, by symbol: ``As-Ga``."""
    return "-".join(symbol for symbol, _ in read_formula(formula))


def shares(formulae: Sequence[str]) -> NDArray[np.float64]:
    """Give the share of every element of `SYMBOLS` in some formulae: shape (N, elements), rows sum to 1."""
    found = np.zeros((len(formulae), len(SYMBOLS)))
    for row, formula in enumerate(formulae):
        for symbol, amount in read_formula(str(formula)):
            found[row, _NUMBERS[symbol]] = amount
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def same_compounds(formulae: Sequence[str], tolerance: float = ALIKE) -> list[str]:
    """Name the group of each formula, so that compounds that are the same, or nearly, have one name.

    That name is the reduced formula that comes first by alphabet among those of the same elements whose
    shares differ, each from the next, by at most `tolerance`.
    """
    names, group = np.unique([reduced(formula) for formula in formulae], return_inverse=True)
    pairs = cKDTree(shares(names.tolist())).query_pairs(tolerance, p=np.inf, output_type="ndarray")
    systems = np.array([chemical_system(name) for name in names.tolist()])
    left, right = pairs[systems[pairs[:, 0]] == systems[pairs[:, 1]]].T
    links = coo_array((np.ones(len(left)), (left, right)), shape=(len(names), len(names)))
    component = connected_components(links, directed=False)[1]
    _, first, linked = np.unique(component, return_index=True, return_inverse=True)
    return [str(name) for name in names[first[linked]][group]]
