"""Properties of compounds from their formulae, and what one property knows of another."""

from tmdscope.composition.cheap import CheapProperty
from tmdscope.composition.features import CompositionFeatures
from tmdscope.composition.formulae import chemical_system, read_formula, reduced, same_compounds
from tmdscope.composition.intervals import ConformalRegressor, SpreadConformalRegressor
from tmdscope.composition.regressors import MedianTrees
from tmdscope.composition.transfer import (
    CheapValue,
    Difference,
    LatentVariable,
    LinearInCheap,
    MultiTask,
    SingleTask,
)

__all__ = [
    "CheapProperty",
    "CheapValue",
    "CompositionFeatures",
    "ConformalRegressor",
    "Difference",
    "LatentVariable",
    "LinearInCheap",
    "MedianTrees",
    "MultiTask",
    "SingleTask",
    "SpreadConformalRegressor",
    "chemical_system",
    "read_formula",
    "reduced",
    "same_compounds",
]
