"""Simulated movies: defects that hop, change, come and go at known rates, under a stage that drifts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tmdscope.errors import UserError
from tmdscope.stem.crystal import Crystal
from tmdscope.stem.simulate import Condition, Image, Scene

_EDGE_NM = 1.2
"""Border where no defect begins; all may walk there and out of sight."""

_NEXT = ((1, 0), (0, 1), (-1, 1), (-1, 0), (0, -1), (1, -1))
"""Cells of the six nearest sites of the same sublattice."""


@dataclass(frozen=True)
class Dynamics:
    """What happens between two frames, as chances.

    Attributes
    ----------
    count : dict
        Defects of each kind in the first frame.
    hop : dict
        Chance, by kind, to hop to one of the six nearest sites; other kinds stay.
    change : dict
        Chance, by kind and kind, that one becomes the other, of the same sublattice.
    death, births : float
        Chance that a defect heals, and mean number of new ones, of the kinds of `count`, a frame.
    drift_px, wander_px : float
        Of the stage: steady, along x and half as much along y, and random, the deviation along an axis.
    hole_px : float
        By how much the radius of one hole grows a frame; 0: none.
    seconds : float
        From frame to frame.
    spacing_nm, apart_nm : float
        Least distance of defects in the first frame, and after hops: one that would come nearer stays.
    """

    count: Mapping[str, int]
    hop: Mapping[str, float] = field(default_factory=dict)
    change: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    death: float = 0.0
    births: float = 0.0
    drift_px: float = 0.0
    wander_px: float = 0.0
    hole_px: float = 0.0
    seconds: float = 2.25
    spacing_nm: float = 0.72
    apart_nm: float = 0.5

    def diffusion_nm2_s(self, crystal: Crystal, kind: str) -> float:
        """Give the true diffusion coefficient of a kind: chance x a^2 / (4 dt)."""
        return self.hop.get(kind, 0.0) * crystal.a_nm**2 / (4 * self.seconds)


@dataclass(frozen=True)
class MovieFrame:
    """A frame of a movie, float32; its defects (``frame, x_px, y_px, label, site, defect``); its drift."""

    number: int
    image: Image
    truth: pd.DataFrame
    drift_px: tuple[float, float]


class Movie:
    """A movie of one layer, frame after frame; only one frame is held. The same seed gives the same bytes."""

    def __init__(
        self, crystal: Crystal, condition: Condition, dynamics: Dynamics, size_px: int, frames: int, seed: int
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.condition, self.dynamics, self.frames = condition, dynamics, frames
        self.scene = Scene.draw(crystal, condition, size_px, self.rng)
        self.at = {
            (int(kind), *map(int, cell)): site
            for site, (kind, cell) in enumerate(zip(self.scene.sublattice, self.scene.cell, strict=True))
        }
        names = [name for name, count in dynamics.count.items() for _ in range(count)]
        edge = _EDGE_NM / condition.pixel_nm
        self.inner = self.scene.inside(edge)
        sites = self.scene.choose(names, dynamics.spacing_nm, edge, self.rng)
        self.alive = {
            number: (site, name) for number, (site, name) in enumerate(zip(sites, names, strict=True))
        }
        self.born = len(names)

    def __iter__(self) -> Iterator[MovieFrame]:
        """Take the frames."""
        drift = np.zeros(2)
        middle, steady = self.scene.size_px / 2, self.dynamics.drift_px * np.array([1, 0.5])
        for number in range(self.frames):
            defects = dict(self.alive.values())
            grown = self.dynamics.hole_px * number
            holes = [(middle, middle, grown)] if grown else []
            shift = float(drift[0]), float(drift[1])
            image = self.scene.render(defects, self.rng, shift, holes)
            yield MovieFrame(number, image, self._truth(number, shift, holes), shift)
            self._step()
            drift = drift + steady + self.rng.normal(0, self.dynamics.wander_px, 2)

    def _truth(
        self, number: int, drift: tuple[float, float], holes: list[tuple[float, float, float]]
    ) -> pd.DataFrame:
        by_site = {site: defect for defect, (site, _) in self.alive.items()}
        table = self.scene.table(dict(self.alive.values()), drift)
        places = table[["x_px", "y_px"]].to_numpy() - drift
        for x, y, radius in holes:
            table, places = (part[np.hypot(*(places - [x, y]).T) >= radius] for part in (table, places))
        return table.assign(frame=number, defect=table["site"].map(by_site)).reset_index(drop=True)

    def _step(self) -> None:
        """Let everything happen that happens between two frames."""
        rng, dynamics = self.rng, self.dynamics
        for defect, (site, name) in list(self.alive.items()):
            if rng.random() < dynamics.death:
                del self.alive[defect]
                continue
            others = dynamics.change.get(name, {})
            if others:
                stays = 1 - sum(others.values())
                name = str(rng.choice([name, *others], p=[stays, *others.values()]))
            if rng.random() < dynamics.hop.get(name, 0):
                site = self._hopped(defect, site)
            self.alive[defect] = (site, name)
        for _ in range(rng.poisson(dynamics.births)):
            self._bear()

    def _hopped(self, defect: int, site: int) -> int:
        """Draw one of the six nearest sites; where another defect is near, one stays."""
        step = _NEXT[self.rng.integers(6)]
        cell = self.scene.cell[site]
        new = self.at.get((int(self.scene.sublattice[site]), int(cell[0]) + step[0], int(cell[1]) + step[1]))
        return new if new is not None and self._is_free(new, defect) else site

    def _is_free(self, site: int, defect: int | None = None) -> bool:
        place = self.scene.places[site]
        others = [other for number, (other, _) in self.alive.items() if number != defect]
        apart = self.dynamics.apart_nm / self.condition.pixel_nm
        return not (np.linalg.norm(self.scene.places[others] - place, axis=1) < apart).any()

    def _bear(self) -> None:
        """Add a defect where there is room for it; a layer without any gets none."""
        name = str(self.rng.choice(list(self.dynamics.count)))
        sites = np.flatnonzero(self.inner & (self.scene.sublattice == self.scene.crystal.kind(name).site))
        for site in self.rng.permutation(sites)[:20]:
            if self._is_free(int(site)):
                self.alive[self.born] = (int(site), name)
                self.born += 1
                return


def check_dynamics(crystal: Crystal, dynamics: Dynamics) -> None:
    """Refuse kinds that a crystal has not, and changes from one sublattice to the other."""
    for name in [*dynamics.count, *dynamics.hop]:
        crystal.kind(name)
    for name, others in dynamics.change.items():
        for other in others:
            if crystal.kind(other).site != crystal.kind(name).site:
                raise UserError(f"{name} cannot become {other}: they sit on different sublattices")
