"""How far levelling is off in the height of a layer and in roughness: measured on simulated scans."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tmdscope.scan.areal import remove_quadratic
from tmdscope.scan.growth import LAYER_NM, Growth, draw_growth
from tmdscope.scan.instrument import Instrument, draw_instrument, drift_mask
from tmdscope.scan.level import LAYERED, PAPER, SIMPLE, flatten
from tmdscope.scan.robust import align_row_jumps, most_frequent
from tmdscope.scan.simulate import simulate_scan

CHAINS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "layered": LAYERED,
        "differences": ("row_differences", "masked_surface", "masked_rows"),
        "masked": ("masked_surface", "masked_rows"),
        "simple": SIMPLE,
        "paper": PAPER,
        "facets": ("facets", "row_differences"),
        "three points": ("three_points", "row_differences"),
    }
)
"""Chains of steps that are compared, by name; `paper` is that of the MoS2 paper's code."""

IDEAL = "ideal"
"""No chain: what is left of errors when all is known but the height of the layer."""

SURFACES = 5
"""Surfaces like a scan that are simulated for an estimate."""
_MOST_PX = 224
_NUCLEI = 40
_EDGE_PX = 3
_APART = 3.5
"""Half widths from the most frequent level beyond which heights are of another."""
_SEEN = 0.02
"""Share of a square that makes another level."""
EXACT = {
    "tilt_x_nm_per_um": 0.0,
    "tilt_y_nm_per_um": 0.0,
    "bow_x_nm": 0.0,
    "bow_y_nm": 0.0,
    "line_noise_nm": 0.0,
    "scars_per_frame": 0.0,
}
"""An instrument without what levelling takes out; tip, drift and noise of pixels stay."""


class LevelError(NamedTuple):
    """Relative errors: of a layer's height, and of the root mean square height within the levels."""

    step: float
    roughness: float


class Alike(NamedTuple):
    """What is estimated of a scan, to simulate surfaces like it; `step_nm` is NaN where one level is seen."""

    coverage: float
    step_nm: float
    roughness_nm: float
    line_noise_nm: float
    tilt_nm_per_um: tuple[float, float]
    size_px: int
    frame_nm: float


def level_errors(
    growth: Growth, instrument: Instrument, size_px: int, frame_nm: float, seed: Sequence[int]
) -> dict[str, LevelError]:
    """Simulate a scan of one layer's islands and say how far each of `CHAINS` is off.

    The step is the median of the film less that of the open area, by the true masks without `_EDGE_PX` at
    their edges; NaN where one of them is gone. Roughness is compared with that of `IDEAL`: the same scan
    without tilt, bow, line noise and scars, less the polynomial of degree two that fits both levels best by
    the true masks. No levelling knows as much.
    """
    scan = simulate_scan(growth, instrument, size_px, frame_nm, np.random.default_rng(seed))
    exact = simulate_scan(
        growth, replace(instrument, **EXACT), size_px, frame_nm, np.random.default_rng(seed)
    )
    film = drift_mask(scan.surface.first.covered, frame_nm / size_px, instrument)
    top, open_area = (ndimage.binary_erosion(mask, iterations=_EDGE_PX) for mask in (film, ~film))
    inner = top | open_area
    ideal = remove_quadratic(exact.scan.height_nm - LAYER_NM * film, inner) + LAYER_NM * film
    levelled = {name: flatten(scan.scan.height_nm, steps) for name, steps in CHAINS.items()}

    def step(height_nm: NDArray[Any]) -> float:
        if not (top.any() and open_area.any()):
            return float("nan")
        return float(np.median(height_nm[top]) - np.median(height_nm[open_area]))

    def within(height_nm: NDArray[Any]) -> float:
        return float(
            np.sqrt(sum(height_nm[level].var() * level.sum() for level in (top, open_area) if level.any()))
        )

    return {
        name: LevelError(step(height) / LAYER_NM - 1, within(height) / within(ideal) - 1)
        for name, height in {**levelled, IDEAL: ideal}.items()
    }


def estimate_alike(height_nm: NDArray[Any], pixel_nm: tuple[float, float]) -> Alike:
    """Estimate from a square of heights as measured what surfaces like it are: levelled by `LAYERED`."""
    levelled = flatten(height_nm, LAYERED).astype(np.float64)
    peak = most_frequent(levelled)
    level, apart = peak.holds(levelled), _APART * peak.half_nm
    above, below = levelled > peak.height_nm + apart, levelled < peak.height_nm - apart
    other, sign = (below, -1) if below.sum() > above.sum() else (above, 1)
    share = float(other.mean())
    removed = np.asarray(height_nm, np.float64) - levelled
    jumps = np.diff((height_nm - align_row_jumps(height_nm)).mean(axis=1))
    line_noise = 1.4826 * float(np.median(np.abs(jumps - np.median(jumps)))) / np.sqrt(2)
    tilt = [
        float(np.polyfit(np.arange(removed.shape[axis]), removed.mean(axis=1 - axis), 1)[0])
        for axis in (1, 0)
    ]
    return Alike(
        coverage=float(np.clip(share if sign > 0 else 1 - share, 0.05, 0.95)),
        step_nm=sign * (most_frequent(levelled[other]).height_nm - peak.height_nm)
        if share > _SEEN
        else np.nan,
        roughness_nm=float(levelled[level].std()),
        line_noise_nm=line_noise,
        tilt_nm_per_um=(tilt[0] / pixel_nm[0] * 1000, tilt[1] / pixel_nm[1] * 1000),
        size_px=min(_MOST_PX, *height_nm.shape),
        frame_nm=height_nm.shape[1] * pixel_nm[0],
    )


def errors_alike(alike: Alike, surfaces: int = SURFACES) -> dict[str, LevelError]:
    """Simulate surfaces like a scan: the root mean square of each error over them, by chain.

    Islands of one layer of MoS2, some forty to a frame, with the scan's coverage, and with its roughness,
    line noise and tilt as they are beside its step (0.65 nm where none is seen); bow and scars are the
    simulator's.
    """
    layers = (
        1.0 if np.isnan(alike.step_nm) else LAYER_NM / alike.step_nm
    )  # relative errors keep under scaling
    found = []
    for number in range(surfaces):
        rng = np.random.default_rng([number])
        growth, instrument = draw_growth("MoS2", rng), draw_instrument(rng)
        growth = replace(
            growth,
            coverage=alike.coverage,
            second_layer_coverage=0.0,
            nucleation_density_per_um2=_NUCLEI / (alike.frame_nm / 1000) ** 2,
            roughness_rms_nm=alike.roughness_nm * layers,
            roughness_correlation_nm=max(growth.roughness_correlation_nm, alike.frame_nm / alike.size_px),
            miscut_deg=0.0,
            adsorbate_density_per_um2=0.0,
        )
        x, y = (tilt * layers for tilt in alike.tilt_nm_per_um)
        instrument = replace(
            instrument,
            line_noise_nm=alike.line_noise_nm * layers,
            tilt_x_nm_per_um=x,
            tilt_y_nm_per_um=y,
            pixel_noise_nm=0.0,
        )
        found.append(level_errors(growth, instrument, alike.size_px, alike.frame_nm, [number, 1]))
    return {
        name: LevelError(*np.sqrt(np.nanmean([np.square(one[name]) for one in found], axis=0)).tolist())
        for name in CHAINS
    }
