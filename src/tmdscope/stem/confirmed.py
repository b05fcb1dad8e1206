"""Sites that stand out a little, and where a network of windows sees a defect, too."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tmdscope.stem.localise import SiteIntensity
from tmdscope.stem.sites import Image, Readings, Values
from tmdscope.stem.windows import cut_windows, to_grey

Chance = Callable[[NDArray[np.uint8]], Values]
"""Gives the chance of a defect in the middle of windows, 8 bits, (N, SIZE, SIZE)."""


@dataclass(frozen=True)
class Confirmed(SiteIntensity):
    """Of the sites that pass a low threshold, `alarms` of a frame by chance, those a network is sure of.

    It is where the chance is above `sure`, as in Maksov et al. 2019 (doi:10.1038/s41524-019-0152-9).
    """

    alarms: float = 20.0
    sure: float = 0.95
    chance: Chance | None = None

    def sites(self, image: Image) -> tuple[Readings, NDArray[np.int64]]:
        """Read a frame, and say which of its sites are defects."""
        read, found = super().sites(image)
        if self.chance is None or not len(found):
            return read, found
        return read, found[self.chance(to_grey(cut_windows(image, read, found))) > self.sure]
