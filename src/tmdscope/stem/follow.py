"""A movie frame by frame: found, and at the end linked and named. Only one frame is ever held."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.errors import UserError
from tmdscope.stem.crystal import PRISTINE, Crystal
from tmdscope.stem.histories import fit_histories, sharpened
from tmdscope.stem.intensity import class_chances
from tmdscope.stem.localise import SiteIntensity
from tmdscope.stem.sites import Image
from tmdscope.stem.tracks import frame_drift, link, nearest_px, search_radius_px
from tmdscope.stem.windows import cut_windows, to_grey

_ERROR_PX, _DRIFT_PX = 0.2, 1.5
"""Of places, and of the stage from frame to frame, at least: what the search for a defect allows for."""

_NOTHING = pd.DataFrame({name: np.empty(0) for name in ("x_px", "y_px", "score", "change")})


@dataclass(frozen=True)
class Followed:
    """Defects on tracks, the drift of every frame in px, and what was wrong with frames that failed."""

    tracks: pd.DataFrame
    drift: NDArray[np.float64]
    failed: dict[int, str]


@dataclass
class Follower:
    """Takes frame after frame; one that shows no lattice is noted and left out."""

    crystal: Crystal
    pixel_nm: float
    memory: int = 3
    namer: Callable[[NDArray[np.uint8]], pd.DataFrame] | None = None
    """Names windows (N, SIZE, SIZE): ``label`` and ``p_KIND``; without one sites are named by intensity."""
    finder: SiteIntensity = field(default_factory=SiteIntensity)
    found: list[pd.DataFrame] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)
    frames: int = 0

    @property
    def a_px(self) -> float:
        """The lattice constant, px."""
        return self.crystal.a_nm / self.pixel_nm

    def frame(self, number: int, image: Image) -> pd.DataFrame:
        """Find the defects of a frame, see `add`."""
        try:
            finder = replace(self.finder, a_px=self.a_px)
            read, sites = finder.sites(image)
        except UserError as error:
            return self.fail(number, str(error))
        table = finder.table(read, sites)
        if self.namer is not None and len(sites):
            table = table.join(self.namer(to_grey(cut_windows(image, read, sites))))
        return self.add(number, table)

    def add(self, number: int, table: pd.DataFrame) -> pd.DataFrame:
        """Take the defects that were found in a frame; adds ``x_nm, y_nm, frame``."""
        self.frames = max(self.frames, number + 1)
        nm = {f"{axis}_nm": table[f"{axis}_px"] * self.pixel_nm for axis in "xy"}
        self.found.append(table.assign(**nm, frame=number))
        return self.found[-1]

    def fail(self, number: int, why: str) -> pd.DataFrame:
        """Note a frame that is left out."""
        self.failed[number] = why
        return self.add(number, _NOTHING)

    def note(self, name: str, values: NDArray[np.int64]) -> None:
        """Add a column to the last frame's defects."""
        self.found[-1] = self.found[-1].assign(**{name: values})

    def end(self) -> Followed:
        """Name all that was found, link it, and smooth what it is called along the tracks.

        `UserError` where every frame failed; that nothing was found in frames is no error.
        """
        if self.frames and len(self.failed) == self.frames:
            raise UserError(f"none of {self.frames} frames can be used: {next(iter(self.failed.values()))}")
        found = pd.concat([own for own in self.found if len(own)] or [_NOTHING.assign(frame=0)])
        found = found.reset_index(drop=True)
        if self.namer is None or found.empty:
            found = found.join(class_chances(found, self.crystal))
        radius = search_radius_px(self.a_px, _DRIFT_PX, _ERROR_PX, nearest_px(found))
        tracks = link(found, radius, self.memory)
        drift = frame_drift(tracks, self.a_px, self.frames)
        if self.crystal.kinds and len(tracks):
            names = (*self.crystal.names, PRISTINE)
            surer = tracks if self.namer is None else sharpened(tracks, names)
            tracks = fit_histories(surer, names).tracks
        else:
            tracks = tracks.assign(smoothed=tracks["label"])
        return Followed(tracks, drift, self.failed)
