"""Made compounds with a cheap and a dear property, and reaction paths, whose truth is known.

The cheap gap follows from how unlike a compound's elements are, and from a scatter that no formula tells, as
that of crystal structures; the dear one is larger by what the formula tells smoothly. Not physics: a stand-in
on which every way can be held to what is known.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.composition.features import element_table
from tmdscope.composition.formulae import SYMBOLS, shares
from tmdscope.studies.property_transfer.params import ReactionsParams, SimulatedParams

Values = NDArray[np.float64]

_CATIONS = "Li Na K Mg Ca Sr Ba Al Ga In Y La Ti Zr V Cr Mn Fe Co Ni Cu Zn Ag Cd Sn Pb Bi Sb".split()
_ANIONS = "N P As O S Se Te F Cl Br I".split()
_FOLDS = 5


def make_tables(params: SimulatedParams) -> dict[str, pd.DataFrame]:
    """Make ``pairs``, ``wide`` and ``benchmark``: formulae with gaps in eV."""
    rng = np.random.default_rng(params.seed)
    formulae = _draw_formulae(rng, params.compounds + params.wide)
    cheap, dear = properties(formulae, params, rng)
    made = pd.DataFrame({"formula": formulae, "cheap": cheap, "dear": dear})
    both, beside = made.iloc[: params.compounds], made.iloc[params.compounds // 2 :]
    benchmark = both.assign(fold=rng.permutation(len(both)) % _FOLDS)
    return {
        "pairs": both.reset_index(drop=True),
        "wide": beside[["formula", "cheap"]].reset_index(drop=True),
        "benchmark": benchmark[["formula", "dear", "fold"]].reset_index(drop=True),
    }


def properties(
    formulae: list[str], params: SimulatedParams, rng: np.random.Generator
) -> tuple[Values, Values]:
    """Make the cheap and the dear gap of compounds, eV, shape (N,) each; metals have 0 of both."""
    table = element_table("magpie")
    unlike, size = (
        _spread(formulae, table[f"magpie_{name}"]) for name in ("Electronegativity", "CovalentRadius")
    )
    mean = shares(formulae) @ table["magpie_MendeleevNumber"].fillna(0).to_numpy()
    scatter = params.scatter * rng.normal(size=len(formulae))
    raw = 4.5 * unlike + 0.8 * np.sin(mean / 6) - 0.005 * size - 0.4 + scatter
    cheap = np.maximum(raw, 0)
    offset = 0.2 * cheap + 0.8 + 0.8 * np.cos(mean / 9) + params.noise * rng.normal(size=len(formulae))
    return cheap, np.where(raw > -0.4, np.maximum(cheap + offset, 0.05), 0.0)


def reaction_paths(params: ReactionsParams, seed: int) -> tuple[Values, Values]:
    """Make surfaces, (N, descriptors), and the barriers of every step on them, (N, steps), in eV.

    Barriers rise linearly with the same two binding energies (scaling relations), of which the descriptors
    tell a part, and share scatter: what makes one barrier of a surface high makes the next one high.
    """
    rng = np.random.default_rng([params.seed, seed])
    surfaces = rng.normal(size=(params.paths, 6))
    binding = np.stack(
        [np.tanh(surfaces[:, 0] * surfaces[:, 1]), np.sin(surfaces[:, 2]) + 0.3 * surfaces[:, 3]], axis=1
    )
    slopes = 0.5 + rng.uniform(-0.15, 0.15, size=(2, params.steps))
    alike, own = rng.normal(size=(params.paths, 1)), rng.normal(size=(params.paths, params.steps))
    scatter = np.sqrt(params.shared) * alike + np.sqrt(1 - params.shared) * own
    return surfaces, 1.0 + binding @ slopes + 0.3 * scatter


def _draw_formulae(rng: np.random.Generator, count: int) -> list[str]:
    """Draw different compounds of one or two cations and an anion."""
    found: dict[str, None] = {}
    while len(found) < count:
        cations = sorted(rng.choice(_CATIONS, size=rng.integers(1, 3), replace=False))
        parts = [f"{symbol}{rng.integers(1, 5)}" for symbol in [*cations, rng.choice(_ANIONS)]]
        found["".join(parts)] = None
    return list(found)


def _spread(formulae: list[str], column: pd.Series) -> Values:
    values: Any = column.fillna(column.median()).reindex(list(SYMBOLS)).to_numpy()
    held = shares(formulae)
    mean = held @ values
    return np.asarray((held * abs(values - mean[:, None])).sum(axis=1))
