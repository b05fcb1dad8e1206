"""What a site is, by its intensity alone: chances from the atoms of each kind, with nothing trained.

The exponent of the atomic number is read off the frame, by how bright its second column is beside the first.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from tmdscope.stem.crystal import PRISTINE, Crystal
from tmdscope.stem.localise import FLOOR, Readings

UNKNOWN = "unknown"
"""What a site is called that no kind accounts for."""

USUAL_EXPONENT = 1.7
"""Where a frame's columns, being alike, do not tell it."""

_EXPONENTS = (1.2, 2.2)
_TAIL = 0.1
"""Share of a column's peak in the wide tails of a usual probe: a lattice shows them as an even background."""

DIMMER, BRIGHTER = "dimmer", "brighter"
"""What sites are called whose crystal is not named."""

_REJECT = 4.5
"""Standard deviations from every kind beyond which a site is unknown."""
_OWN_SPREAD = 0.05
"""Share of a change by which it varies for reasons other than noise: disorder, relaxation."""


def exponent_of(crystal: Crystal, ratio: float) -> float | None:
    """Find the exponent that makes the dimmer column as bright as it is; None where columns are alike."""
    grid = np.linspace(*_EXPONENTS, 101)
    dim = np.array([crystal.intensity(crystal.columns[1], p) for p in grid])
    dim = np.minimum(dim, 1 / dim)
    if np.ptp(dim) < 0.02:
        return None
    return float(grid[np.abs(dim - ratio).argmin()])


def class_chances(read: Readings, sites: NDArray[np.int64], crystal: Crystal) -> pd.DataFrame:
    """Give a row per site, ``label`` and ``p_KIND`` of every kind of the crystal, pristine last.

    Kinds are as likely as one another. Of a crystal without kinds a site is dimmer or brighter than others.
    """
    if not crystal.kinds:
        return pd.DataFrame({"label": np.where(read.change[sites] < 0, DIMMER, BRIGHTER)})
    told = exponent_of(crystal, read.ratio) or USUAL_EXPONENT
    first = crystal.intensity(crystal.columns[1], told) <= 1
    unit = 1.0 if first else crystal.intensity(crystal.columns[1], told)
    names, changes = [*crystal.names, PRISTINE], np.append(crystal.changes(told) / unit / (1 - _TAIL), 0.0)
    on = np.array([kind.site if first else 1 - kind.site for kind in crystal.kinds] + [-1])
    column, change = read.column[sites], read.change[sites]
    spread = np.array([_spread(read, k) for k in (0, 1)])[column]
    width = np.hypot(spread[:, None], _OWN_SPREAD * np.abs(changes)[None])
    away = (change[:, None] - changes[None]) / width
    alike = np.ptp([crystal.intensity(atoms, told) for atoms in crystal.columns]) < 0.02
    fits = (on[None] == column[:, None]) | (on[None] == -1) | alike
    density = np.where(fits, norm.pdf(away) / width, 0) + 1e-12 * fits
    chance = density / density.sum(axis=1, keepdims=True)
    label = np.array(names, dtype=object)[chance.argmax(axis=1)]
    label[np.where(fits, np.abs(away), np.inf).min(axis=1) > _REJECT] = UNKNOWN
    return pd.DataFrame({"label": label, **{f"p_{name}": chance[:, k] for k, name in enumerate(names)}})


def _spread(read: Readings, column: int) -> float:
    own = read.change[read.column == column]
    return max(1.4826 * float(np.median(np.abs(own))), FLOOR) if len(own) else FLOOR
