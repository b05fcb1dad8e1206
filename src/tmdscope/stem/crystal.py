"""Honeycomb crystals of one layer, their columns and the point defects that may sit in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from string import ascii_letters

import numpy as np
from numpy.typing import NDArray

from tmdscope.errors import UserError
from tmdscope.materials import nearest

PRISTINE = "pristine"
"""What a site without a defect is called."""

_ELEMENTS = "B5 C6 N7 Al13 Si14 P15 S16 Ti22 V23 Cr24 Fe26 Se34 Nb41 Mo42 Te52 Ta73 W74 Re75"
ATOMIC_NUMBERS = {
    element.rstrip("0123456789"): int(element.lstrip(ascii_letters)) for element in _ELEMENTS.split()
}
"""Of the elements that columns are made of."""


@dataclass(frozen=True)
class Kind:
    """A point defect: the atoms that a column of sublattice `site` (0 or 1) holds instead."""

    name: str
    site: int
    atoms: tuple[str, ...]


@dataclass(frozen=True)
class Crystal:
    """A honeycomb of two columns per cell, `columns`, that share a lattice constant, and its defects.

    Sublattice 1 lies at a third of the cell's long diagonal from sublattice 0, whose column is the unit of
    intensity.
    """

    name: str
    a_nm: float
    columns: tuple[tuple[str, ...], tuple[str, ...]]
    kinds: tuple[Kind, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the kinds of defect."""
        return tuple(kind.name for kind in self.kinds)

    @property
    def spacing_nm(self) -> float:
        """Spacing of the lattice planes of the first Bragg ring."""
        return self.a_nm * float(np.sqrt(3)) / 2

    @cached_property
    def cell_nm(self) -> NDArray[np.float64]:
        """The two lattice vectors as rows, x then y."""
        return self.a_nm * np.array([[1.0, 0.0], [0.5, np.sqrt(3) / 2]])

    def kind(self, name: str) -> Kind:
        """Find a kind of defect by its name."""
        for kind in self.kinds:
            if kind.name == name:
                return kind
        raise UserError(f"{self.name} has no defect {name!r}; {nearest(name, self.names)}")

    def intensity(self, atoms: Sequence[str], exponent: float) -> float:
        """Give the intensity of a column in units of one of sublattice 0, by atoms as Z to the exponent.

        The exponent is 1.4 to 2 for high-angle annular dark field (Krivanek et al. 2010,
        doi:10.1038/nature08879: 1.64).
        """
        unit = sum(ATOMIC_NUMBERS[atom] ** exponent for atom in self.columns[0])
        return float(sum(ATOMIC_NUMBERS[atom] ** exponent for atom in atoms) / unit)

    def changes(self, exponent: float) -> NDArray[np.float64]:
        """Give by how much each kind changes its column's intensity, in order of `kinds`."""
        usual = [self.intensity(column, exponent) for column in self.columns]
        return np.array([self.intensity(kind.atoms, exponent) - usual[kind.site] for kind in self.kinds])


def dichalcogenide(metal: str, chalcogen: str, a_nm: float, dopant: str) -> Crystal:
    """Make a single layer of 2H MX2 with the six defects of Maksov et al. 2019.

    They are those of doi:10.1038/s41524-019-0152-9. Names as chemists write them, what is there before its
    site: their Sw (S on a W site) is SW, Vw VW, Vs2 VS2, Ws (one W on a half of an S2 site) WS, W2s2 W2S2; Mo
    is the dopant on a W site.
    """
    m, x = metal, chalcogen
    kinds = (
        Kind(f"{x}{m}", 0, (x,)),
        Kind(dopant, 0, (dopant,)),
        Kind(f"{m}2{x}2", 1, (m, m)),
        Kind(f"V{m}", 0, ()),
        Kind(f"V{x}2", 1, ()),
        Kind(f"{m}{x}", 1, (m, x)),
    )
    return Crystal(f"{m}{x}2", a_nm, ((m,), (x, x)), kinds)


WS2 = dichalcogenide("W", "S", 0.318, "Mo")
"""Mo-doped WS2 of the seed's movie."""

GRAPHENE = Crystal(
    "graphene", 0.246, (("C",), ("C",)), (Kind("SiC", 0, ("Si",)), Kind("NC", 0, ("N",)), Kind("VC", 0, ()))
)
"""Graphene with foreign atoms; its two sublattices are alike."""

CRYSTALS = {
    crystal.name: crystal
    for crystal in (
        WS2,
        dichalcogenide("Mo", "S", 0.316, "W"),
        dichalcogenide("W", "Se", 0.328, "Mo"),
        dichalcogenide("Mo", "Se", 0.329, "W"),
        GRAPHENE,
    )
}
"""Crystals by name; 2H lattice constants: Schutte, De Boer & Jellinek, J. Solid State Chem. 70, 207, 1987."""
