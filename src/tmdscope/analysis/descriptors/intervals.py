"""Intervals of the physical descriptors: where the truth lies, found on simulated scans of the same geometry.

Heights are levelled, and layers and particles told apart, before anything is measured; tip, drift and noise
came before. What all of it does to a descriptor is seen on scans that `tmdscope.scan.simulate` draws of all
materials, of as many pixels and as wide: an interval is what was measured less the errors that nine in ten of
them keep to (split conformal prediction: Lei et al. 2018, doi:10.1080/01621459.2017.1307116). On surfaces
unlike the simulator's it promises nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.analysis.descriptors.catalogue import BOUNDS, PHYSICAL
from tmdscope.analysis.descriptors.physical import describe_physical
from tmdscope.materials import MATERIALS
from tmdscope.processes import Mapper, run_parts
from tmdscope.scan.growth import Growth, draw_growth
from tmdscope.scan.instrument import Instrument, draw_instrument
from tmdscope.scan.simulate import simulate_scan, surface_truth

LEVEL = 0.9
"""Share of scans whose true value lies in the interval."""
FRAMES_NM = (200.0, 10_000.0)
"""Narrowest and widest frame that is simulated; the surfaces drawn have nothing to tell beyond."""

_SEED = 90
_PART = 10
"""Scans that one process simulates at a time."""

Values = NDArray[np.float64]


class Geometry(NamedTuple):
    """What errors depend on: rows, or columns, of a square scan, and its width in nm, to two digits."""

    size_px: int
    frame_nm: float

    @classmethod
    def of(cls, shape: tuple[int, ...], pixel_nm: tuple[float, float]) -> Self:
        """Find that of a scan, shape (rows, columns), whose pixels are `pixel_nm` wide and high."""
        rows, columns = shape
        frame = np.sqrt(rows * columns * pixel_nm[0] * pixel_nm[1])
        return cls(round(np.sqrt(rows * columns)), float(f"{frame:.2g}"))


class Scans(NamedTuple):
    """Simulated scans of a geometry, numbers `first` to before `end`."""

    geometry: Geometry
    first: int
    end: int


def find_bounds(
    measured: pd.DataFrame,
    geometries: Sequence[Geometry | None],
    scans: int,
    map_scans: Mapper = run_parts,
) -> pd.DataFrame:
    """Give `BOUNDS` for physical descriptors of N scans, a row each, from `scans` simulated ones a geometry.

    NaN where the geometry is None or its frame beyond `FRAMES_NM`, the descriptor is NaN, or on too few of
    the simulated scans a number. Bounds keep to what a quantity can be: 0 or more, 1 at most for shares.
    """
    known = sorted({one for one in geometries if one and FRAMES_NM[0] <= one.frame_nm <= FRAMES_NM[1]})
    starts = range(0, scans, _PART)
    parts = [Scans(one, first, min(first + _PART, scans)) for one in known for first in starts]
    errors = [*map_scans(simulate_errors, parts)]
    number = {one: place for place, one in enumerate(known)}
    none = np.empty((0, len(PHYSICAL)))
    kept = [
        keep_to(np.concatenate([none, *errors[place * len(starts) : (place + 1) * len(starts)]]))
        for place in range(len(known))
    ]
    kept.append(keep_to(none))
    of = np.stack(kept)[[number.get(one, -1) if one else -1 for one in geometries]]
    values = measured[[item.name for item in PHYSICAL]].to_numpy(np.float64)
    most = np.array([1.0 if item.unit == "1" else np.inf for item in PHYSICAL])
    bounds = np.stack([values - of[:, 1], values - of[:, 0]], axis=2).clip(0, most[:, None])
    return pd.DataFrame(bounds.reshape(len(values), -1), columns=list(BOUNDS), index=measured.index)


def simulate_errors(scans: Scans) -> Values:
    """Simulate scans of all materials in turn: what is measured less true, shape (scans, `PHYSICAL`)."""
    rows = []
    for number in range(scans.first, scans.end):
        rng = np.random.default_rng([_SEED, number])
        growth, instrument = draw_growth(MATERIALS[number % len(MATERIALS)], rng), draw_instrument(rng)
        measured, truth = measure_simulated(growth, instrument, scans.geometry, rng)
        rows.append([measured[item.name] - truth[item.truth] for item in PHYSICAL])
    return np.array(rows)


def measure_simulated(
    growth: Growth, instrument: Instrument, geometry: Geometry, rng: np.random.Generator
) -> tuple[dict[str, float], Mapping[str, float]]:
    """Simulate a scan; what is measured of it, and what is true, by the catalogue's names for both."""
    scan = simulate_scan(growth, instrument, *geometry, rng)
    measured = describe_physical(scan.scan.height_nm, scan.scan.pixel_size_nm)
    return measured, {**scan.truth, **surface_truth(scan)}


def keep_to(errors: NDArray[Any]) -> Values:
    """Find between which of errors, shape (N, D), a share `LEVEL` of new ones lies: (2, D), NaN if too few.

    As many are left out on either side, so that the promise holds for any distribution.
    """
    found = np.full((2, errors.shape[1]), np.nan)
    for place, column in enumerate(errors.T):
        order = np.sort(column[np.isfinite(column)])
        outside = int((1 - LEVEL) / 2 * (len(order) + 1) + 1e-9)
        if outside:
            found[:, place] = order[outside - 1], order[-outside]
    return found
