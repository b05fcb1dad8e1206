"""A movie frame by frame: found, named, and at the end linked. Only one frame is ever held."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.errors import UserError
from tmdscope.stem.crystal import PRISTINE, Crystal
from tmdscope.stem.intensity import class_chances
from tmdscope.stem.lattice import LatticeError
from tmdscope.stem.localise import Image, SiteIntensity
from tmdscope.stem.rates import smoothed_classes
from tmdscope.stem.tracks import frame_drift, link, nearest_px, search_radius_px

_ERROR_PX, _DRIFT_PX = 0.2, 1.5
"""Of places, and of the stage from frame to frame, at least: what the search for a defect allows for."""


@dataclass(frozen=True)
class Followed:
    """Defects on tracks, the drift of every frame in px, and what was wrong with frames that failed."""

    tracks: pd.DataFrame
    drift: NDArray[np.float64]
    failed: dict[int, str]


@dataclass
class Follower:
    """Takes frame after frame; a frame that shows no lattice is noted and left out."""

    crystal: Crystal
    pixel_nm: float
    memory: int = 3
    method: SiteIntensity = field(default_factory=SiteIntensity)
    found: list[pd.DataFrame] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)
    frames: int = 0

    def frame(self, number: int, image: Image) -> pd.DataFrame:
        """Find and name the defects of a frame: ``frame, x_px, y_px, x_nm, y_nm, score, label, p_...``."""
        self.frames = max(self.frames, number + 1)
        try:
            table = self._named(image)
        except LatticeError as error:
            self.failed[number] = str(error)
            table = pd.DataFrame({"x_px": [], "y_px": [], "score": []})
        nm = {f"{axis}_nm": table[f"{axis}_px"] * self.pixel_nm for axis in "xy"}
        own = table.assign(**nm, frame=number)
        self.found.append(own)
        return own

    def note(self, name: str, values: NDArray[np.int64]) -> None:
        """Add a column to the last frame's defects."""
        self.found[-1] = self.found[-1].assign(**{name: values})

    def _named(self, image: Image) -> pd.DataFrame:
        table, read, sites = self.method.located(image)
        return pd.concat([table, class_chances(read, sites, self.crystal)], axis=1)

    def end(self) -> Followed:
        """Link all that was found, and smooth what it is called; `UserError` where nothing was."""
        kept = [own for own in self.found if len(own)]
        if not kept:
            why = next(iter(self.failed.values()), "no site stands out")
            raise UserError(f"no defect was found in {self.frames} frames: {why}")
        found = pd.concat(kept, ignore_index=True)
        a_px = self.crystal.a_nm / self.pixel_nm
        radius = search_radius_px(a_px, _DRIFT_PX, _ERROR_PX, nearest_px(found))
        linked = link(found, radius, self.memory)
        drift = frame_drift(linked, a_px, self.frames)
        named = bool(self.crystal.kinds)
        tracks = (
            smoothed_classes(linked, (*self.crystal.names, PRISTINE))
            if named
            else linked.assign(smoothed=linked["label"])
        )
        return Followed(tracks, drift, self.failed)
