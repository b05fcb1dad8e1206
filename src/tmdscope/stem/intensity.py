"""What a site is, by its intensity alone: chances from the atoms of each kind, with nothing trained.

Two numbers are read off the movie: the exponent of the atomic number, by how bright the second column is
beside the first; and the share of a column's peak in the wide tails of the probe, which a perfect lattice
shows as an even background alone, by which share the changes of all defects together fit their kinds best.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from tmdscope.stem.crystal import PRISTINE, Crystal

UNKNOWN = "unknown"
"""What a site is called that no kind accounts for."""

USUAL_EXPONENT = 1.7
"""Where a frame's columns, being alike, do not tell it."""

DIMMER, BRIGHTER = "dimmer", "brighter"
"""What sites are called whose crystal is not named."""

_EXPONENTS = (1.2, 2.2)
_TAILS = np.linspace(0, 0.25, 51)
_USUAL_TAIL, _SPREAD_OF_TAILS = 0.1, 0.05
"""Of usual probes."""
_OWN_SPREAD = 0.01
"""Share of a change by which it varies beyond what usual sites do, as by relaxation."""
_REJECT = 4.5
"""Standard deviations from every kind beyond which a site is unknown."""
_OTHER = 1e-4
"""Density of what is no kind, so that it does not decide the tail."""
_ALIKE = 0.02
"""Difference of columns below which they do not tell the exponent, nor which sublattice is which."""


def exponent_of(crystal: Crystal, ratio: float) -> float | None:
    """Find the exponent that makes the dimmer column as bright as it is; None where columns are alike."""
    grid = np.linspace(*_EXPONENTS, 101)
    dim = np.array([crystal.intensity(crystal.columns[1], p) for p in grid])
    dim = np.minimum(dim, 1 / dim)
    if np.ptp(dim) < _ALIKE:
        return None
    return float(grid[np.abs(dim - ratio).argmin()])


@dataclass(frozen=True)
class _Kinds:
    """Kinds and, last, pristine: by how much each changes its column, and which column it is on, -1: any."""

    changes: NDArray[np.float64]
    on: NDArray[np.int64]

    @classmethod
    def of(cls, crystal: Crystal, ratio: float) -> "_Kinds":
        told = exponent_of(crystal, ratio) or USUAL_EXPONENT
        second = crystal.intensity(crystal.columns[1], told)
        brighter = int(second > 1)
        site = np.array([kind.site ^ brighter for kind in crystal.kinds])
        on = np.append(-np.ones_like(site) if abs(second - 1) < _ALIKE else site, -1)
        return cls(np.append(crystal.changes(told) / max(second, 1.0), 0.0), on)

    def away(self, found: pd.DataFrame, tail: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give how far sites are from each kind, in deviations, and these: (sites, kinds); else infinite."""
        changes = self.changes / (1 - tail)
        change, column, spread = (found[name].to_numpy() for name in ("change", "column", "spread"))
        width = np.hypot(spread[:, None], _OWN_SPREAD * np.abs(changes)[None])
        fits = (self.on[None] == column[:, None]) | (self.on[None] == -1)
        return np.where(fits, (change[:, None] - changes[None]) / width, np.inf), width

    def density(self, found: pd.DataFrame, tail: float) -> NDArray[np.float64]:
        away, width = self.away(found, tail)
        return np.asarray(norm.pdf(away) / width + 1e-12 * np.isfinite(away))

    def tail(self, found: pd.DataFrame) -> float:
        """Find the tail with which all changes fit best, among tails as usual as they are."""
        fits = [np.log(self.density(found, tail).mean(axis=1) + _OTHER).sum() for tail in _TAILS]
        prior = norm.logpdf(_TAILS, _USUAL_TAIL, _SPREAD_OF_TAILS)
        return float(_TAILS[np.argmax(np.array(fits) + prior)])


def class_chances(found: pd.DataFrame, crystal: Crystal) -> pd.DataFrame:
    """Give a row per site, ``label`` and ``p_KIND`` of every kind of the crystal, pristine last.

    `found` are sites of one frame or movie with ``column, change, spread, ratio``, as
    `tmdscope.stem.localise.SiteIntensity` finds them. Kinds are as likely as one another. Of a crystal
    without kinds a site is dimmer or brighter than others.
    """
    if not crystal.kinds or found.empty:
        return pd.DataFrame({"label": np.where(found["change"] < 0, DIMMER, BRIGHTER)}, index=found.index)
    kinds, names = _Kinds.of(crystal, float(found["ratio"].median())), [*crystal.names, PRISTINE]
    tail = kinds.tail(found)
    density = kinds.density(found, tail)
    chance = density / density.sum(axis=1, keepdims=True)
    label = np.array(names, dtype=object)[chance.argmax(axis=1)]
    label[np.abs(kinds.away(found, tail)[0]).min(axis=1) > _REJECT] = UNKNOWN
    columns = {f"p_{name}": chance[:, k] for k, name in enumerate(names)}
    return pd.DataFrame({"label": label, **columns}, index=found.index)
