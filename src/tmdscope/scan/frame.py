"""The part of a scan that becomes an image: a centred square by physical size, whatever its pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmdscope.errors import UserError

_TOLERANCE = 1e-6
"""Share of a side by which a scan may be too small: sizes in files are rounded."""


@dataclass(frozen=True)
class Square:
    """A centred square of a scan: where its rows and columns begin and end, in pixels and parts of them."""

    side_nm: float
    rows: tuple[float, float]
    columns: tuple[float, float]

    def cover(self, height_nm: NDArray[Any]) -> NDArray[Any]:
        """View the whole pixels of a scan that cover it."""
        (top, bottom), (left, right) = (
            (math.floor(first), math.ceil(last)) for first, last in (self.rows, self.columns)
        )
        return height_nm[top:bottom, left:right]

    @property
    def within(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Its edges along rows and along columns in pixels of what `cover` cuts out."""
        (top, bottom), (left, right) = (
            (first - math.floor(first), last - math.floor(first)) for first, last in (self.rows, self.columns)
        )
        return (top, bottom), (left, right)


def centred_square(
    shape: Sequence[int], pixel_size_nm: tuple[float, float], side_nm: float | None = None
) -> Square:
    """Find the centred square of a scan by physical size; without a side the largest that the scan holds."""
    rows, columns = shape
    width, height = columns * pixel_size_nm[0], rows * pixel_size_nm[1]
    largest = min(width, height)
    if side_nm is not None and side_nm > largest * (1 + _TOLERANCE):
        raise UserError(
            f"the scan is {width:.6g} x {height:.6g} nm, smaller than prepare.levelling.crop_nm "
            f"({side_nm:.6g}): leave it out, or lower crop_nm in params.yaml"
        )
    side = largest if side_nm is None else min(side_nm, largest)
    return Square(side, _middle(rows, side / pixel_size_nm[1]), _middle(columns, side / pixel_size_nm[0]))


def _middle(pixels: int, wanted: float) -> tuple[float, float]:
    """Edges of the middle of a row of pixels; edges a rounding away from a pixel's are on it."""
    edges = np.array([(pixels - wanted) / 2, (pixels + wanted) / 2])
    whole = np.rint(edges)
    first, last = np.where(np.abs(edges - whole) < _TOLERANCE * pixels, whole, edges).tolist()
    return first, last
