"""The lattice of a frame: Bragg ring, size of pixels, and where its sites are although the layer is strained.

The waves of the first Bragg ring are demodulated as in geometric phase analysis (Hytch, Snoeck & Kilaas,
Ultramicroscopy 74, 131, 1998); where their phases say so lie the sites, also those whose column is missing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import map_coordinates

from tmdscope.errors import UserError

Image = NDArray[np.floating]
Points = NDArray[np.float64]

_LOWEST = 0.02
"""Cycles a pixel below which no first ring lies: planes 50 px apart."""
_HIGHEST = 0.35
_SHARP = 40.0
"""Power of a Bragg peak over the median at its radius: noise of a million pixels stays below 20."""
_FILTER = 0.07
"""Width of the demodulating filter, in radii of the ring: an average over about two lattice constants."""
_GRID_PX = 4
_HOLE = 0.35
"""Share of the usual amplitude of the waves below which there is no lattice."""


class LatticeError(UserError):
    """A frame shows no lattice; the message says what to do."""


@dataclass(frozen=True)
class Bragg:
    """Three waves of the first ring, 120 degrees apart, cycles a pixel, rows x then y: they add up to 0."""

    waves: Points

    @property
    def radius(self) -> float:
        """Mean radius of the ring, cycles a pixel."""
        return float(np.linalg.norm(self.waves, axis=1).mean())

    def pixel_nm(self, a_nm: float) -> float:
        """Give the size of a pixel of a crystal of lattice constant `a_nm`."""
        return self.radius * a_nm * float(np.sqrt(3) / 2)

    def a_px(self) -> float:
        """Give the lattice constant in px."""
        return 2 / float(np.sqrt(3)) / self.radius


def find_bragg(image: Image) -> Bragg:
    """Find the first Bragg ring; `LatticeError` where three sharp peaks 60 degrees apart are not found."""
    values = np.asarray(image, dtype=np.float32)
    if values.ndim != 2 or min(values.shape) < 64:
        raise LatticeError(f"a frame of shape {values.shape} is too small for a lattice: 64 x 64 px at least")
    if not np.isfinite(values).all():
        raise LatticeError("a frame holds values that are not finite: repair them, or leave the frame out")
    window = np.outer(*(np.hanning(side).astype(np.float32) for side in values.shape))
    power = np.abs(fft.rfft2((values - values.mean()) * window)) ** 2
    fy, fx = np.fft.fftfreq(values.shape[0]), np.fft.rfftfreq(values.shape[1])
    radius = np.hypot(fy[:, None], fx[None])
    ring = (radius * max(values.shape) / 2).astype(np.int64)
    flat, order = ring.ravel(), np.argsort(ring, axis=None, kind="stable")
    starts = np.searchsorted(flat[order], np.arange(flat.max() + 2))
    sorted_power = power.ravel()[order]
    rings = np.split(sorted_power, starts[1:-1])
    usual = np.array([np.median(own) if len(own) else np.inf for own in rings])
    sharp = (power > _SHARP * usual[ring]) & (radius > _LOWEST) & (radius < _HIGHEST)
    candidates = np.argwhere(sharp)
    strength = power[sharp]
    found = [_refine(power, candidates[k], values.shape) for k in np.argsort(-strength)[:60]]
    return Bragg(_hexagon([wave for wave in found if wave is not None]))


def _refine(power: NDArray[np.float32], peak: NDArray[np.int64], shape: tuple[int, ...]) -> Points | None:
    """Place a peak between bins, by a parabola through logarithms; None where it is no maximum."""
    row, column = (int(at) for at in peak)
    rows, columns = [(row - 1) % shape[0], row, (row + 1) % shape[0]], [abs(column - 1), column, column + 1]
    if columns[-1] >= power.shape[1]:
        return None
    near = np.log(power[np.ix_(rows, columns)] + 1e-30)
    if near.argmax() != 4:
        return None
    shifts = [0.5 * (line[0] - line[2]) / (line[0] - 2 * line[1] + line[2]) for line in (near[:, 1], near[1])]
    signed = row - shape[0] if row > shape[0] // 2 else row
    return np.array([(column + shifts[1]) / shape[1], (signed + shifts[0]) / shape[0]])


def _hexagon(peaks: list[Points]) -> Points:
    """Take the strongest peak that has others 120 degrees from it, and fit three waves to them."""
    full = [sign * peak for peak in peaks for sign in (1, -1)]
    for first in peaks[:12]:
        length = np.linalg.norm(first)
        partners = []
        for turn in (120, 240):
            angle = np.deg2rad(turn)
            wanted = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ first
            away = [float(np.linalg.norm(peak - wanted)) for peak in full]
            best = int(np.argmin(away))
            if away[best] < 0.15 * length:
                partners.append(full[best])
        if len(partners) == 2:
            waves = np.stack([first, *partners])
            return np.asarray(waves - waves.mean(axis=0))
        if len(partners) == 1:
            return np.stack([first, partners[0], -first - partners[0]])
    raise LatticeError(
        "no Bragg ring of a hexagonal lattice stands out of a frame: too noisy, out of focus, or no lattice; "
        "average frames, leave it out, or give the size of a pixel"
    )


@dataclass(frozen=True)
class Sites:
    """The sites of a frame.

    `places` are x and y in px, shape (sites, 2), `column` which of three columns of the cell each is of: 0,
    the brightest, 1, or 2, the darkest, shape (sites,); `held` is False in holes and where lattice is lost.
    """

    places: Points
    column: NDArray[np.int64]
    held: NDArray[np.bool_]
    bragg: Bragg


def find_sites(image: Image, bragg: Bragg | None = None) -> Sites:
    """Find every site of a frame's lattice, the hollow ones included, with `column` not yet ordered by light.

    Column k lies k thirds along the long diagonal of the cell.
    """
    values = np.asarray(image, dtype=np.float32)
    bragg = bragg or find_bragg(values)
    fields, strengths = _demodulate(values, bragg)
    phases = [_phase(field) for field in fields]
    common = np.angle(np.exp(1j * sum(phase.mean() for phase in phases))) / 3
    vectors = np.linalg.inv(bragg.waves[:2]).T  # rows: lattice vectors in px
    rows, columns = values.shape
    corners = np.array([[0, 0], [columns, 0], [0, rows], [columns, rows]]) @ bragg.waves[:2].T
    low, high = np.floor(corners.min(axis=0)).astype(int) - 2, np.ceil(corners.max(axis=0)).astype(int) + 2
    steps = (np.arange(a, b) for a, b in zip(low, high, strict=True))
    cells = np.stack(np.meshgrid(*steps), axis=-1).reshape(-1, 2)
    found, kinds = [], []
    for column in range(3):
        wanted = cells + column / 3
        places = wanted @ vectors
        keep = ((places > -20) & (places < np.array([columns, rows]) + 20)).all(axis=1)
        wanted, places = wanted[keep], places[keep]
        for _ in range(4):
            moved = np.stack([_at(phase, places) for phase in phases[:2]], axis=1) - common
            places = (wanted - moved / (2 * np.pi)) @ vectors
        inside = ((places >= 0) & (places <= np.array([columns, rows]) - 1)).all(axis=1)
        found.append(places[inside])
        kinds.append(np.full(int(inside.sum()), column))
    places = np.concatenate(found)
    light = np.mean([_at(s / np.median(s), places) for s in strengths], axis=0)
    return Sites(places, np.concatenate(kinds), light > _HOLE, bragg)


def _demodulate(
    values: NDArray[np.float32], bragg: Bragg
) -> tuple[list[NDArray[np.complex64]], list[Points]]:
    """Give each wave's field, complex, on a grid of `_GRID_PX`; beyond the edges there is nothing.

    The fields are averages over a Gaussian of what lies within the frame.
    """
    width = _FILTER * bragg.radius
    pad = int(np.ceil(3 / (2 * np.pi * width)))
    shape = [int(np.ceil(fft.next_fast_len(side + pad) / _GRID_PX) * _GRID_PX) for side in values.shape]
    spectrum = fft.fft2(values - values.mean(), shape)
    small = [side // _GRID_PX for side in shape]
    fy, fx = np.fft.fftfreq(small[0], _GRID_PX), np.fft.fftfreq(small[1], _GRID_PX)
    weight = _coverage(values.shape, small, width)
    fields, strengths = [], []
    for wave in bragg.waves:
        bins = np.round(wave * shape[::-1]).astype(int)
        rows = (np.round(fy * shape[0]).astype(int) + bins[1]) % shape[0]
        columns = (np.round(fx * shape[1]).astype(int) + bins[0]) % shape[1]
        rest = wave - bins / shape[::-1]
        damp = np.exp(-((fy[:, None] - rest[1]) ** 2 + (fx[None] - rest[0]) ** 2) / (2 * width**2))
        block = fft.ifft2(spectrum[np.ix_(rows, columns)] * damp) / _GRID_PX**2
        y, x = (np.arange(side) * _GRID_PX for side in small)
        carrier = np.exp(-2j * np.pi * (rest[0] * x[None] + rest[1] * y[:, None]))
        field = (block * carrier)[: -(-values.shape[0] // _GRID_PX), : -(-values.shape[1] // _GRID_PX)]
        fields.append(field.astype(np.complex64))
        strengths.append(np.abs(field) / weight[: field.shape[0], : field.shape[1]])
    return fields, strengths


def _coverage(shape: tuple[int, ...], small: list[int], width: float) -> Points:
    """Say how much of the filter lies within the frame, on the grid."""
    from scipy.special import erf

    lines = []
    for side, count in zip(shape, small, strict=True):
        at = np.arange(count) * _GRID_PX * 2 * np.pi * width / np.sqrt(2)
        end = (side - 0.5) * 2 * np.pi * width / np.sqrt(2)
        lines.append(0.5 * (erf(at) + erf(end - at)).clip(0.2))
    return np.outer(*lines)


def _phase(field: NDArray[np.complex64]) -> Points:
    """Give a wave's phase, unwrapped from the middle of what is strong."""
    from skimage.restoration import unwrap_phase

    weak = np.abs(field) < 0.1 * np.median(np.abs(field))
    phase = np.angle(field)
    middle = float(np.angle(field.sum()))
    centred = np.angle(np.exp(1j * (phase - middle)))
    if np.ptp(np.percentile(centred[~weak], [1, 99])) > 0.9 * 2 * np.pi:
        centred = unwrap_phase(np.ma.array(centred, mask=weak)).filled(0)
    return np.asarray(centred + middle, dtype=np.float64)


def _at(grid: Points, places: Points) -> Points:
    """Read a field on the grid at places in px, x then y."""
    return np.asarray(map_coordinates(grid, places[:, ::-1].T / _GRID_PX, order=1, mode="nearest"))
