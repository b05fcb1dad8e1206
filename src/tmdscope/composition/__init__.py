"""Properties of compounds from their formulae, and what one property knows of another."""

from tmdscope.composition.features import CompositionFeatures
from tmdscope.composition.formulae import chemical_system, read_formula, reduced, same_compounds
from tmdscope.composition.intervals import ConformalRegressor
from tmdscope.composition.transfer import (
    CheapValue,
    Difference,
    LatentVariable,
    LinearInCheap,
    MultiTask,
    SingleTask,
)

__all__ = [
    "CheapValue",
    "CompositionFeatures",
    "ConformalRegressor",
    "Difference",
    "LatentVariable",
    "LinearInCheap",
    "MultiTask",
    "SingleTask",
    "chemical_system",
    "read_formula",
    "reduced",
    "same_compounds",
]
