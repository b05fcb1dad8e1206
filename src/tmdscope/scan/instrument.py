"""What an atomic force microscope makes of a surface: tip, drift, tilt and bow, line noise, scars."""

import math

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass
from scipy import ndimage

from tmdscope.scan.growth import NotNegative
from tmdscope.scan.surface import Field, Mask

_CREEP = 3.0
"""Decay of the scanner's creep over one frame: the drift is faster in the first rows."""


@dataclass(frozen=True)
class Instrument:
    """The microscope and its setting for one sample; every image of the sample shares it.

    A tip of radius 0 is ideally sharp; bow is the height of the scanner's parabola from the middle of the
    frame to its sides; drift is how far the sample has moved when the last row is scanned. Noise is a root
    mean square, the number of scars a mean, their height a median.
    """

    tip_radius_nm: NotNegative
    tilt_x_nm_per_um: float
    tilt_y_nm_per_um: float
    bow_x_nm: float
    bow_y_nm: float
    drift_x_nm: float
    drift_y_nm: float
    line_noise_nm: NotNegative
    pixel_noise_nm: NotNegative
    scars_per_frame: NotNegative
    scar_height_nm: NotNegative


def draw_instrument(rng: np.random.Generator) -> Instrument:
    """Draw the instrument of one sample, whatever its material: plausible choices, not measurements."""
    tilt_x, tilt_y = rng.normal(0.0, 4.0, 2)
    bow_x, bow_y = rng.normal(0.0, 0.6, 2)
    drift_x, drift_y = rng.normal(0.0, 12.0, 2)
    return Instrument(
        tip_radius_nm=float(rng.uniform(6.0, 20.0)),
        tilt_x_nm_per_um=float(tilt_x),
        tilt_y_nm_per_um=float(tilt_y),
        bow_x_nm=float(bow_x),
        bow_y_nm=float(bow_y),
        drift_x_nm=float(drift_x),
        drift_y_nm=float(drift_y),
        line_noise_nm=float(0.04 * rng.lognormal(0.0, 0.4)),
        pixel_noise_nm=float(0.035 * rng.lognormal(0.0, 0.3)),
        scars_per_frame=float(rng.gamma(1.0, 0.7)),
        scar_height_nm=float(0.5 * rng.lognormal(0.0, 0.3)),
    )


def measure(surface_nm: Field, pixel_nm: float, instrument: Instrument, rng: np.random.Generator) -> Field:
    """Scan a surface: true to measured height in nm, float32, shape (rows, columns)."""
    touched = dilate_by_tip(surface_nm, instrument.tip_radius_nm, pixel_nm)
    positions = drifted_positions(touched.shape, pixel_nm, instrument)
    height: Field = ndimage.map_coordinates(touched, positions, order=1, mode="mirror")
    height = height + _background(height.shape, pixel_nm, instrument)
    height += instrument.line_noise_nm * rng.standard_normal((height.shape[0], 1), np.float32)
    height += instrument.pixel_noise_nm * rng.standard_normal(height.shape, np.float32)
    _add_scars(height, instrument, rng)
    return height.astype(np.float32)


def dilate_by_tip(surface_nm: Field, tip_radius_nm: float, pixel_nm: float) -> Field:
    """Touch a surface with a parabolic tip: grey dilation by ``-r^2 / (2 R)``.

    A term in x and one in y, so two passes along the axes are exact (Villarrubia 1997, J. Res. Natl. Inst.
    Stand. Technol. 102, 425, gives the dilation).
    """
    traced = surface_nm
    if tip_radius_nm == 0:
        return traced
    deepest = float(surface_nm.max() - surface_nm.min())
    widest = min(int(math.sqrt(2 * tip_radius_nm * deepest) / pixel_nm), max(surface_nm.shape) - 1)
    for axis in (0, 1):
        lines = np.moveaxis(traced, axis, 0)
        raised = lines.copy()
        for shift in range(1, widest + 1):
            drop = np.float32((shift * pixel_nm) ** 2 / (2 * tip_radius_nm))
            np.maximum(raised[shift:], lines[:-shift] - drop, out=raised[shift:])
            np.maximum(raised[:-shift], lines[shift:] - drop, out=raised[:-shift])
        traced = np.moveaxis(raised, 0, axis)
    return traced


def drifted_positions(shape: tuple[int, ...], pixel_nm: float, instrument: Instrument) -> NDArray[np.float32]:
    """Give the row and column of the surface, (2, rows, columns), that pixels show: creep is exponential."""
    progress = np.linspace(0, 1, shape[0], dtype=np.float32)
    moved = (1 - np.exp(-_CREEP * progress)) / (1 - math.exp(-_CREEP)) / pixel_nm
    positions = np.indices(shape, dtype=np.float32)
    positions[0] += (moved * instrument.drift_y_nm)[:, None]
    positions[1] += (moved * instrument.drift_x_nm)[:, None]
    return positions


def drift_mask(mask: Mask, pixel_nm: float, instrument: Instrument) -> Mask:
    """Move a mask of the surface to where the scan shows it."""
    positions = np.rint(drifted_positions(mask.shape, pixel_nm, instrument)).astype(int)
    rows, columns = (np.clip(place, 0, size - 1) for place, size in zip(positions, mask.shape, strict=True))
    return np.asarray(mask[rows, columns])


def _background(shape: tuple[int, ...], pixel_nm: float, instrument: Instrument) -> Field:
    """Tilt and bow in nm."""
    y, x = (np.linspace(-1, 1, size, dtype=np.float32) for size in shape)
    half_um = [(size - 1) * pixel_nm / 2000 for size in shape]
    along_y = instrument.tilt_y_nm_per_um * half_um[0] * y + instrument.bow_y_nm * y**2
    along_x = instrument.tilt_x_nm_per_um * half_um[1] * x + instrument.bow_x_nm * x**2
    return np.add.outer(along_y, along_x).astype(np.float32)


def _add_scars(height: Field, instrument: Instrument, rng: np.random.Generator) -> None:
    """Let the tip stick or jump for a part of a few rows."""
    rows, columns = height.shape
    for _ in range(rng.poisson(instrument.scars_per_frame)):
        row, start = rng.integers(rows), rng.integers(columns)
        length = max(1, round(columns * rng.uniform(0.08, 0.5)))
        jump = instrument.scar_height_nm * rng.lognormal(0.0, 0.4) * rng.choice((-1.0, 1.0))
        height[row, start : start + length] += np.float32(jump)
