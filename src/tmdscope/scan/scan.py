"""The Scan, one height map with its physical scale, and the centred square of it that becomes an image."""

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
class Scan:
    """One AFM measurement: heights in nm, float32, (rows, columns), finite; pixels by width and height.

    `channel` is its name in the instrument's file, or ``simulated``; `source` a file's name or the
    simulator's version; `sha256` that of the source file, or of simulated heights. `warnings`: why it is
    doubtful (`tmdscope.scan.plausible`).
    """

    height_nm: NDArray[np.float32]
    pixel_size_nm: tuple[float, float]
    channel: str
    source: str
    sha256: str
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be a scan, with a ValueError."""
        shape = self.height_nm.shape
        if len(shape) != 2 or min(shape) < 2:
            raise ValueError(f"{self.source}: expected two dimensions, got shape {shape}")
        if not np.isfinite(self.height_nm).all():
            raise ValueError(f"{self.source}: the height map holds values that are not finite")
        if not all(np.isfinite(size) and size > 0 for size in self.pixel_size_nm):
            raise ValueError(f"{self.source}: pixel size {self.pixel_size_nm} nm is not positive")


@dataclass(frozen=True)
class Square:
    """A centred square of a scan: where its rows and columns begin and end, in pixels and parts of them."""

    side_nm: float
    rows: tuple[float, float]
    columns: tuple[float, float]

    def cover(self, height_nm: NDArray[Any]) -> NDArray[Any]:
        """View the whole pixels of a scan that cover it."""
        edges = (self.rows, self.columns)
        return height_nm[tuple(slice(math.floor(first), math.ceil(last)) for first, last in edges)]

    @property
    def within(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Its edges along rows and along columns in pixels of what `cover` cuts out."""
        edges = (self.rows, self.columns)
        rows, columns = ((first - math.floor(first), last - math.floor(first)) for first, last in edges)
        return rows, columns


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
