"""Lines of a frame that jitter, moved back to where the lattice around them says that they belong."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

Values = NDArray[np.float64]

_REACH_A = 0.7
"""Farthest shift of a line, in lattice constants."""
_STEP_PX = 0.1
_LEAST_PX = 0.2
"""Standard deviation of the shifts below which lines stay as they are."""
_GLITCH_PX = 1.0
"""Shift of a single line that is moved back although the others stay."""
_WEAK, _USUAL = 0.4, 75
"""Share of the usual stiffness, a percentile, below which a line is of what the three waves leave out."""
_MEDIAN_OF_SQUARE = 0.455
"""Of a standard normal number."""


def in_line(
    values: NDArray[np.float32], waves: Values, fields: Sequence[NDArray[np.complex64]], step: int
) -> NDArray[np.float32] | None:
    """Move every line back along x; None where lines do not jitter by more than they are read wrongly.

    `waves` (3 x 2, cycles a pixel) are the lattice's, `fields` what each demodulates the frame to, averaged
    over many lines, on a grid of so many px, `step`. A line of which little can be told moves but little.
    """
    seen = _against(values, waves, fields, step)
    (first, of_first), (second, of_second) = (_shift(half, waves) for half in seen)
    usual = _WEAK * float(np.percentile([of_first, of_second], _USUAL))
    clear = np.minimum(of_first, of_second) > usual
    if not clear.any():
        return None
    weight = np.where(clear, of_first * of_second, 0) / np.maximum(of_first + of_second, 1e-30)
    both = first * second
    jitter = float(np.average(both, weights=weight))
    if jitter < _LEAST_PX**2 and not (both[clear] > _GLITCH_PX**2).any():
        return None
    error = float(np.median(weight * (first - second) ** 2)) / _MEDIAN_OF_SQUARE
    shift, stiff = _shift(seen.sum(axis=0), waves, error / max(jitter, _LEAST_PX**2))
    shift *= stiff**2 / (stiff**2 + usual**2)
    y, x = np.indices(values.shape, dtype=np.float32)
    return np.asarray(map_coordinates(values, [y, x + shift[:, None]], order=3, mode="nearest"))


def _against(
    values: NDArray[np.float32], waves: Values, fields: Sequence[NDArray[np.complex64]], step: int
) -> NDArray[Any]:
    """Compare each half of each line with each wave: products, complex, shape (halves, waves, lines)."""
    rows, columns = values.shape[0], values.shape[1] // step
    light = (values[:, : columns * step] - values.mean()).reshape(rows, columns, step)
    found = []
    for (gx, gy), field in zip(waves, fields, strict=True):
        across = np.exp(-2j * np.pi * gx * np.arange(columns * step)).astype(np.complex64)
        own = (light * across.reshape(columns, step)).sum(axis=-1)
        own *= np.repeat(field, step, axis=0)[:rows, :columns].conj()
        down = np.exp(-2j * np.pi * gy * np.arange(rows))
        found.append([half.sum(axis=1) * down for half in np.split(own, [columns // 2], axis=1)])
    return np.asarray(found).transpose(1, 0, 2)


def _shift(seen: NDArray[Any], waves: Values, pull: float = 0.0) -> tuple[Values, Values]:
    """Find the shift of each line that fits best, px, and how stiff the fit is; 0 where there is none.

    `pull` is how stiffly shifts are held at 0: errors' variance, at stiffness 1, over that of shifts.
    """
    reach = _REACH_A * 2 / np.sqrt(3) / np.linalg.norm(waves, axis=1).mean()
    tried, turn = np.arange(-reach, reach + _STEP_PX, _STEP_PX), 2 * np.pi * waves[:, 0]
    fits = np.real(seen.T @ np.exp(1j * turn[:, None] * tried)) - pull / 2 * tried**2
    best = fits.argmax(axis=1)
    at = tried[best]
    here = seen * np.exp(1j * turn[:, None] * at)
    slope, stiff = -turn @ here.imag - pull * at, turn**2 @ here.real + pull
    inside = (best > 0) & (best < len(tried) - 1) & (stiff > 0)
    moved = at + np.clip(slope / np.where(inside, stiff, 1), -_STEP_PX, _STEP_PX)
    return np.where(inside, moved, 0.0), np.where(inside, stiff, 0.0)
