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
from tmdscope.stem.lines import in_line

Image = NDArray[np.floating]
Points = NDArray[np.float64]

_LOWEST = 0.02
"""Cycles a pixel below which no first ring lies: planes 50 px apart."""
_HIGHEST = 0.35
_SHARP = 40.0
"""Power of a Bragg peak over the median at its radius: noise of a million pixels stays below 20."""
_SHARP_WHERE_KNOWN = 15.0
"""The same in the narrow ring where peaks must be."""
AGREE = 0.12
"""Share by which a lattice may differ from the one that is known."""
_LARGEST = 1e15
"""Light whose square is no number of 32 bits any more lies beyond."""
_STEPS = (-2, -1, 0, 1, 2)
_FILTER = 0.07
"""Width of the demodulating filter, in radii of the ring: an average over about two lattice constants."""
_GRID_PX = 4
_FILTER_OF_HOLES = 0.14
"""The same where the strength of waves is asked for: about one lattice constant."""
_WEAK = 0.3
"""Share of the usual amplitude below which a phase says nothing."""
_USUAL = 75
"""Percentile of amplitudes, in hundredths, that is the usual one: holes may take more than half."""
_HOLE = 0.5
"""Share of the usual amplitude of the waves below which there is no lattice."""
_MOVES = 3
"""How often lines are moved back at most: what they are compared with grows sharper."""


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


def find_bragg(image: Image, a_px: float | None = None) -> Bragg:
    """Find the first Bragg ring; `LatticeError` where three sharp peaks 60 degrees apart are not found.

    Where the lattice constant is known, px, the ring is looked for where it must be, and may be fainter.
    """
    values = np.asarray(image, dtype=np.float32)
    if values.ndim != 2 or min(values.shape) < 64:
        raise LatticeError(f"a frame of shape {values.shape} is too small for a lattice: 64 x 64 px at least")
    if not (np.abs(values) < _LARGEST).all():
        told = f"a frame holds values that are not finite, or beyond {_LARGEST:g}"
        raise LatticeError(f"{told}: repair them, or leave the frame out")
    power, excess = _spectrum(values)
    radius = np.hypot(np.fft.fftfreq(values.shape[0])[:, None], np.fft.rfftfreq(values.shape[1])[None])
    low, high, sharp = _LOWEST, _HIGHEST, _SHARP
    if a_px is not None:
        expected = 2 / float(np.sqrt(3)) / a_px
        low, high, sharp = (1 - AGREE) * expected, (1 + AGREE) * expected, _SHARP_WHERE_KNOWN
    peaks = (excess > sharp) & (radius > low) & (radius < high)
    candidates, strength = np.argwhere(peaks), power[peaks]
    found = [_refine(power, candidates[k], values.shape) for k in np.argsort(-strength)[:60]]
    waves = _hexagon([wave for wave in found if wave is not None])
    if a_px is None:
        waves = _innermost(waves, power, excess, values.shape)
    return Bragg(waves)


def _spectrum(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the power of each wave, and its ratio to the median of waves as long."""
    window = np.outer(*(np.hanning(side).astype(np.float32) for side in values.shape))
    power = np.abs(fft.rfft2((values - values.mean()) * window)) ** 2
    fy, fx = np.fft.fftfreq(values.shape[0]), np.fft.rfftfreq(values.shape[1])
    ring = (np.hypot(fy[:, None], fx[None]) * max(values.shape) / 2).astype(np.int64)
    order = np.argsort(ring, axis=None, kind="stable")
    starts = np.searchsorted(ring.ravel()[order], np.arange(1, ring.max() + 1))
    rings = np.split(power.ravel()[order], starts)
    usual = np.array([np.median(own) if len(own) else np.inf for own in rings], dtype=np.float32)
    return power, power / np.maximum(usual[ring], np.finfo(np.float32).tiny)


def _innermost(
    waves: Points, power: NDArray[np.float32], excess: NDArray[np.float32], shape: tuple[int, ...]
) -> Points:
    """Give the ring within, where there is one: a second ring may be the stronger, as of graphene's."""
    inner = (waves - np.roll(waves, 1, axis=0)) / 3
    rows, columns = shape
    found = []
    for wave in inner:
        x, y = wave if wave[0] >= 0 else -wave
        row, column = round(y * rows), round(x * columns)
        near = [((row + i) % rows, min(abs(column + j), power.shape[1] - 1)) for i in _STEPS for j in _STEPS]
        peak = max(near, key=lambda at: power[at])
        if excess[peak] < _SHARP:
            return waves
        refined = _refine(power, np.array(peak), shape)
        if refined is None:
            return waves
        found.append(refined * np.sign(refined @ wave))
    middle = np.stack(found)
    return np.asarray(middle - middle.mean(axis=0))


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
    `cell` are whole numbers, shape (sites, 2), of the triangular lattice that all sites together are.
    `image` is the frame with lines that jitter moved back.
    """

    places: Points
    column: NDArray[np.int64]
    cell: NDArray[np.int64]
    held: NDArray[np.bool_]
    bragg: Bragg
    image: Image


def find_sites(image: Image, a_px: float | None = None) -> Sites:
    """Find every site of a frame's lattice, the hollow ones included, with `column` not yet ordered by light.

    Column k lies k thirds along the long diagonal of the cell.
    """
    values = np.asarray(image, dtype=np.float32)
    bragg = find_bragg(values, a_px)
    values, fields, strengths = _steady(values, bragg)
    phases = [_phase(field) for field in fields]
    common = float(np.angle(np.prod(fields, axis=0).sum())) / 3  # of all three no strain is left
    vectors = np.linalg.inv(bragg.waves[:2]).T  # rows: lattice vectors in px
    rows, columns = values.shape
    corners = np.array([[0, 0], [columns, 0], [0, rows], [columns, rows]]) @ bragg.waves[:2].T
    low, high = np.floor(corners.min(axis=0)).astype(int) - 2, np.ceil(corners.max(axis=0)).astype(int) + 2
    steps = (np.arange(a, b) for a, b in zip(low, high, strict=True))
    cells = np.stack(np.meshgrid(*steps), axis=-1).reshape(-1, 2)
    found, kinds, whole = [], [], []
    for column in range(3):
        wanted = cells + column / 3
        places = wanted @ vectors
        keep = ((places > -20) & (places < np.array([columns, rows]) + 20)).all(axis=1)
        wanted, places, own = wanted[keep], places[keep], cells[keep]
        for _ in range(4):
            moved = np.stack([_at(phase, places) for phase in phases[:2]], axis=1) - common
            places = (wanted - moved / (2 * np.pi)) @ vectors
        inside = ((places >= 0) & (places <= np.array([columns, rows]) - 1)).all(axis=1)
        found.append(places[inside])
        kinds.append(np.full(int(inside.sum()), column))
        i, j = own[inside].T
        whole.append(np.stack([2 * i + j + column, j - i], axis=1))
    places = np.concatenate(found)
    usual = [np.percentile(s, _USUAL) for s in strengths]
    light = np.mean([_at(s / u, places) for s, u in zip(strengths, usual, strict=True)], axis=0)
    return Sites(places, np.concatenate(kinds), np.concatenate(whole), light > _HOLE, bragg, values)


def _steady(
    values: NDArray[np.float32], bragg: Bragg
) -> tuple[NDArray[np.float32], list[NDArray[np.complex64]], list[Points]]:
    """Give the frame, lines that jitter moved back, and what its waves demodulate it to."""
    seen = _demodulate(values, bragg)
    for _ in range(_MOVES):
        moved = in_line(values, bragg.waves, seen[0], _GRID_PX)
        if moved is None:
            break
        values, seen = moved, _demodulate(moved, bragg)
    return values, *seen


def _demodulate(
    values: NDArray[np.float32], bragg: Bragg
) -> tuple[list[NDArray[np.complex64]], list[Points]]:
    """Give each wave's field, complex, and its strength, on a grid of `_GRID_PX`; beyond edges is nothing.

    The fields are averages over a Gaussian of what lies within the frame; strengths are of a narrower one.
    """
    pad = int(np.ceil(3 / (2 * np.pi * _FILTER * bragg.radius)))
    shape = [int(np.ceil(fft.next_fast_len(side + pad) / _GRID_PX) * _GRID_PX) for side in values.shape]
    spectrum = fft.fft2(values - values.mean(), shape)
    sides = [-(-side // _GRID_PX) for side in values.shape]
    fields, strengths = [], []
    narrow = _FILTER_OF_HOLES * bragg.radius
    weight = _coverage(values.shape, sides, narrow)
    for wave in bragg.waves:
        fields.append(_field(spectrum, wave, _FILTER * bragg.radius)[: sides[0], : sides[1]])
        strengths.append(np.abs(_field(spectrum, wave, narrow)[: sides[0], : sides[1]]) / weight)
    return fields, strengths


def _field(spectrum: NDArray[np.complex64], wave: Points, width: float) -> NDArray[np.complex64]:
    """Demodulate one wave, with a filter of some width in cycles a pixel."""
    shape = spectrum.shape
    small = [side // _GRID_PX for side in shape]
    fy, fx = np.fft.fftfreq(small[0], _GRID_PX), np.fft.fftfreq(small[1], _GRID_PX)
    bins = np.round(wave * shape[::-1]).astype(int)
    rows = (np.round(fy * shape[0]).astype(int) + bins[1]) % shape[0]
    columns = (np.round(fx * shape[1]).astype(int) + bins[0]) % shape[1]
    rest = wave - bins / shape[::-1]
    damp = np.outer(*(np.exp(-((f - r) ** 2) / (2 * width**2)) for f, r in ((fy, rest[1]), (fx, rest[0]))))
    block = fft.ifft2(spectrum[np.ix_(rows, columns)] * damp.astype(np.float32)) / _GRID_PX**2
    y, x = (np.arange(side) * _GRID_PX for side in small)
    carrier = np.outer(*(np.exp(-2j * np.pi * r * at) for r, at in ((rest[1], y), (rest[0], x))))
    return np.asarray(block * carrier, dtype=np.complex64)


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

    weak = np.abs(field) < _WEAK * np.percentile(np.abs(field), _USUAL)
    phase = np.angle(field)
    middle = float(np.angle(field.sum()))
    centred = np.angle(np.exp(1j * (phase - middle)))
    if np.ptp(np.percentile(centred[~weak], [1, 99])) > 0.9 * 2 * np.pi:
        centred = unwrap_phase(np.ma.array(centred, mask=weak)).filled(0)
    return np.asarray(centred + middle, dtype=np.float64)


def _at(grid: Points, places: Points) -> Points:
    """Read a field on the grid at places in px, x then y."""
    return np.asarray(map_coordinates(grid, places[:, ::-1].T / _GRID_PX, order=1, mode="nearest"))
