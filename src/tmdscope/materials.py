"""The five transition metal dichalcogenides of the study: formula, elements, class order, atom vector.

Class order and atom vectors are those of Moses & Reinhart, *Transfer Learning for Multi-material
Classification of Transition Metal Dichalcogenides with Atomic Force Microscopy*
(doi:10.5281/zenodo.13961220).
"""

import difflib
import re
from collections.abc import Sequence

ATOMS = ("Mo", "W", "S", "Se")
"""The columns of the atom vector, in the paper's order."""

INVALID = -1
"""Decoded label of an output whose atoms are those of no class."""

_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_HYPHENS = str.maketrans(dict.fromkeys("‐‑‒–—−_ ", "-"))

MATERIALS = ("MoS2", "WS2", "WSe2", "MoSe2", "Mo-WSe2")
"""Formulae of the five materials in the paper's class order."""

PUBLISHED_IMAGES = {"MoS2": 476, "WS2": 182, "WSe2": 137, "MoSe2": 129, "Mo-WSe2": 102}
"""Images of each material in the paper's Table 1 (1026 in all)."""

_ELEMENTS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr "
    "Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu "
    "Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U"
).split()
_FORMULA = re.compile(r"(?:([A-Z][a-z]?)(\d*\.?\d*)-?)")


def parse_material(name: str) -> str:
    """Find the material meant by ``MoS2``, ``MoS₂``, ``mo-wse2`` ...; a ValueError gives the nearest."""
    found = {_key(material): material for material in MATERIALS}.get(_key(name))
    if found is None:
        raise ValueError(f"unknown material {name!r}; {nearest(name, MATERIALS)}")
    return found


def nearest(name: str, known: Sequence[str]) -> str:
    """Say which known names come nearest: ``did you mean 'a' or 'b'?``, or all of them when none is near."""
    known = [*map(str, known)]  # a key of YAML may be a number or a date
    lowered = {item.casefold(): item for item in known}
    close = difflib.get_close_matches(name.casefold(), list(lowered), n=2, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(repr(lowered[item]) for item in close) + "?"
    return "known: " + ", ".join(known)


def elements_of(formula: str) -> tuple[str, ...]:
    """Read a formula's elements, such as ``Mo-WSe₂``'s, each once, in order; ValueError where it is none."""
    text = formula.translate(_SUBSCRIPTS).translate(_HYPHENS)
    parts = list(_FORMULA.finditer(text))
    symbols = [part.group(1) for part in parts]
    if not parts or "".join(part.group(0) for part in parts) != text or not set(symbols) <= set(_ELEMENTS):
        raise ValueError(f"{formula!r} is not a chemical formula such as 'MoS2' or 'Mo-WSe2'")
    return tuple(dict.fromkeys(symbols))


def atom_vector(formula: str, atoms: Sequence[str]) -> tuple[int, ...]:
    """Say with ones and zeros which of some elements a formula contains; ValueError where it is none."""
    present = elements_of(formula)
    return tuple(int(atom in present) for atom in atoms)


def atoms_of(classes: Sequence[str]) -> tuple[str, ...]:
    """List the atoms that distinguish classes: those of `ATOMS`, in its order, then others as they appear."""
    found = {name: elements_of(name) for name in classes}
    present = dict.fromkeys(symbol for symbols in found.values() for symbol in symbols)
    seen: dict[frozenset[str], str] = {}
    for name, symbols in found.items():
        twin = seen.setdefault(frozenset(symbols), name)
        if twin != name:
            raise ValueError(
                f"classes {twin!r} and {name!r} hold the same atoms {symbols}: "
                "multilabel targets cannot tell them apart; use multiclass"
            )
    return (*(atom for atom in ATOMS if atom in present), *(atom for atom in present if atom not in ATOMS))


def _key(name: str) -> str:
    return name.strip().translate(_SUBSCRIPTS).translate(_HYPHENS).replace("-", "").casefold()
