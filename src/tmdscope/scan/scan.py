"""The Scan: one height map with its physical scale."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scan:
    """One AFM measurement: heights in nm, float32, (rows, columns), finite; pixels by width and height.

    `channel` is its name in the instrument's file, or ``simulated``; `source` a file's name or the
    simulator's version; `sha256` that of the source file, or of simulated heights. `warnings`: records of the
    file that disagree, lines that were not scanned.
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
