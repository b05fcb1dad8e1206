"""Simulated frames of a dark-field STEM: a layer of Gaussian columns with known defects. No measured data.

Images of columns by a probe, a core and a wider tail, are summed as incoherent imaging has it; then comes
what a microscope adds: lines that jitter, contamination, counts, noise. Intensities are in units of the peak
of one column of sublattice 0. The same arguments give the same bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from tmdscope.errors import UserError
from tmdscope.stem.crystal import Crystal

Image = NDArray[np.float32]
Points = NDArray[np.float64]

TAIL_WIDTH = 2.2
"""Of the probe's tail, in widths of its core."""

_REACH = 4.0
"""Widths of the tail beyond which a column adds nothing."""
_BLOCK = 256
_MARGIN_NM = 1.5
_BLUR_NM = 1.2
"""Length over which contamination varies."""


@dataclass(frozen=True)
class Condition:
    """How a frame was taken, and how orderly its layer is.

    Attributes
    ----------
    probe_nm : float
        Standard deviation of the probe's core; `tail` is the share of the peak in the tail.
    exponent : float
        Of the atomic number in a column's intensity.
    noise : float
        Standard deviation, in column peaks; `dose` is counts in a column's peak, 0 for no counting noise.
    disorder_nm, disorder : float
        Standard deviations of columns' positions, and of their intensities as a share.
    relaxation_nm : float
        How far the other sublattice's neighbours of a defect move outwards.
    jitter_px : float
        Standard deviation of the shift of each line.
    shear : float
        Greatest entry of the strain and shear that drift within a frame makes.
    contamination : float
        Height of a smooth background.
    """

    pixel_nm: float = 0.03
    probe_nm: float = 0.055
    tail: float = 0.1
    exponent: float = 1.7
    noise: float = 0.1
    dose: float = 0.0
    disorder_nm: float = 0.003
    disorder: float = 0.02
    relaxation_nm: float = 0.006
    jitter_px: float = 0.15
    shear: float = 0.01
    contamination: float = 0.0
    rotation_deg: float = 0.0


def draw_condition(rng: np.random.Generator, **known: float) -> Condition:
    """Draw how a frame is taken, from the ranges of such microscopes, where it is not `known`."""
    uniform = rng.uniform
    drawn = {
        "pixel_nm": uniform(0.02, 0.04),
        "probe_nm": uniform(0.045, 0.065),
        "tail": uniform(0.05, 0.15),
        "exponent": uniform(1.5, 1.9),
        "disorder_nm": uniform(0.001, 0.005),
        "relaxation_nm": uniform(0, 0.012),
        "jitter_px": uniform(0, 0.3),
        "shear": uniform(0, 0.02),
        "contamination": uniform(0, 0.3),
        "rotation_deg": uniform(0, 360),
    }
    return Condition(**{**drawn, **known})


@dataclass(frozen=True)
class Scene:
    """A layer under a microscope: its columns by site, before any defect.

    `sublattice` and `cell` say which site each is, shape (sites,) and (sites, 2); `places` are their ideal
    positions, `offsets` what disorder adds, both in px, x then y, shape (sites, 2); `strength` the intensity,
    shape (sites,).
    """

    crystal: Crystal
    condition: Condition
    size_px: int
    sublattice: NDArray[np.int64]
    cell: NDArray[np.int64]
    places: Points
    offsets: Points
    strength: NDArray[np.float64]

    @classmethod
    def draw(cls, crystal: Crystal, condition: Condition, size_px: int, rng: np.random.Generator) -> "Scene":
        """Lay out the layer with a random origin."""
        angle = np.deg2rad(condition.rotation_deg)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        strain = np.eye(2) + rng.uniform(-condition.shear, condition.shear, (2, 2))
        vectors = crystal.cell_nm @ turn @ strain / condition.pixel_nm
        margin = _MARGIN_NM / condition.pixel_nm
        reach = int(2 * (size_px + 2 * margin) / np.linalg.norm(vectors, axis=1).min())
        steps = np.arange(-reach, reach + 1)
        cell = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
        origin = size_px / 2 + rng.uniform(-0.5, 0.5, 2) @ vectors
        places = np.concatenate([(cell + shift) @ vectors + origin for shift in (0, 1 / 3)])
        kept = ((places > -margin) & (places < size_px - 1 + margin)).all(axis=1)
        sublattice = np.repeat([0, 1], len(cell))[kept]
        intensity = np.array([crystal.intensity(atoms, condition.exponent) for atoms in crystal.columns])
        spread = rng.normal(1, condition.disorder, kept.sum())
        offsets = rng.normal(0, condition.disorder_nm / condition.pixel_nm, (int(kept.sum()), 2))
        cells = np.tile(cell, (2, 1))[kept]
        of = (crystal, condition, size_px, sublattice, cells, places[kept], offsets)
        return cls(*of, intensity[sublattice] * spread)

    def inside(self, edge_px: float) -> NDArray[np.bool_]:
        """Say which sites lie at least so far within the frame, shape (sites,)."""
        within = (self.places >= edge_px) & (self.places <= self.size_px - 1 - edge_px)
        return np.asarray(within.all(axis=1))

    def choose(
        self, kinds: Sequence[str], spacing_nm: float, edge_px: float, rng: np.random.Generator
    ) -> list[int]:
        """Choose a site for each kind of defect, at least `spacing_nm` from each other."""
        apart, free = spacing_nm / self.condition.pixel_nm, self.inside(edge_px)
        chosen: list[int] = []
        for name in kinds:
            sites = np.flatnonzero(free & (self.sublattice == self.crystal.kind(name).site))
            if not len(sites):
                told = f"{len(kinds)} defects {spacing_nm:g} nm apart do not fit into {self.size_px} px"
                raise UserError(f"{told}; lower their number or their distance, or take larger frames")
            chosen.append(int(rng.choice(sites)))
            free &= np.linalg.norm(self.places - self.places[chosen[-1]], axis=1) >= apart
        return chosen

    def render(
        self,
        defects: Mapping[int, str],
        rng: np.random.Generator,
        shift_px: tuple[float, float] | Sequence[float] = (0, 0),
        holes: Sequence[tuple[float, float, float]] = (),
    ) -> Image:
        """Take a frame, of the layer moved by `shift_px` (x, y), with defects by site.

        Holes, each x, y and radius in px of the unmoved layer, have no columns.
        """
        condition, crystal = self.condition, self.crystal
        strength, places = self.strength.copy(), self.places + self.offsets
        for site, name in defects.items():
            atoms = crystal.kind(name).atoms
            strength[site] = crystal.intensity(atoms, condition.exponent)
            places[site] = self.places[site]
        places += self._relaxed(list(defects)) + np.asarray(shift_px)
        for x, y, radius in holes:
            strength[np.hypot(*(self.places - [x, y]).T) < radius] = 0
        image = _image_of(places, strength, self.size_px, condition)
        return microscope(image, condition, rng)

    def _relaxed(self, sites: Sequence[int]) -> Points:
        """Give how far every column moves for the defects beside it."""
        moved = np.zeros_like(self.places)
        if not sites or not self.condition.relaxation_nm:
            return moved
        pixel, tree = self.condition.pixel_nm, cKDTree(self.places)
        for site in sites:
            near = np.array(tree.query_ball_point(self.places[site], 0.75 * self.crystal.a_nm / pixel))
            others = near[self.sublattice[near] != self.sublattice[site]]
            away = self.places[others] - self.places[site]
            length = np.linalg.norm(away, axis=1, keepdims=True)
            moved[others] += away / length * self.condition.relaxation_nm / pixel
        return moved

    def table(self, defects: Mapping[int, str], shift_px: Sequence[float] = (0, 0)) -> pd.DataFrame:
        """List the defects in the frame: ``x_px, y_px, label, site``."""
        sites = np.array(list(defects), dtype=np.int64)
        places = self.places[sites] + np.asarray(shift_px)
        columns = {"x_px": places[:, 0], "y_px": places[:, 1], "label": list(defects.values()), "site": sites}
        table = pd.DataFrame(columns)
        within = ((places >= -0.5) & (places <= self.size_px - 0.5)).all(axis=1)
        return table[within].reset_index(drop=True)


def _image_of(places: Points, strength: NDArray[Any], size_px: int, condition: Condition) -> Image:
    """Sum columns' images: each is separable, so that a block of them is a product of two thin matrices."""
    image = np.zeros((size_px, size_px), np.float32)
    pixels = np.arange(size_px, dtype=np.float32)
    order = np.argsort(places[:, 1])
    order = order[strength[order] > 0]
    for width, share in ((1.0, 1 - condition.tail), (TAIL_WIDTH, condition.tail)):
        sigma = width * condition.probe_nm / condition.pixel_nm
        for start in range(0, len(order), _BLOCK):
            own = order[start : start + _BLOCK]
            x, y = places[own].astype(np.float32).T
            low = max(0, int(y.min() - _REACH * sigma))
            rows = pixels[low : int(max(0, y.max() + _REACH * sigma)) + 1]
            across = np.exp(-((pixels - x[:, None]) ** 2) / np.float32(2 * sigma**2))
            down = np.exp(-((rows - y[:, None]) ** 2) / np.float32(2 * sigma**2))
            image[low : low + len(rows)] += (
                down * (share * strength[own, None]).astype(np.float32)
            ).T @ across
    return image


def microscope(image: Image, condition: Condition, rng: np.random.Generator) -> Image:
    """Add what a microscope adds: lines that jitter, contamination, counts and noise, in this order."""
    if condition.jitter_px:
        shifts = rng.normal(0, condition.jitter_px, len(image))
        phase = np.exp(-2j * np.pi * np.fft.rfftfreq(image.shape[1]) * shifts[:, None])
        image = np.fft.irfft(np.fft.rfft(image, axis=1) * phase, image.shape[1], axis=1).astype(np.float32)
    if condition.contamination:
        field = _smooth_field(image.shape, _BLUR_NM / condition.pixel_nm, rng)
        image = image + condition.contamination * field
    if condition.dose:
        image = (rng.poisson(np.maximum(image, 0) * condition.dose) / condition.dose).astype(np.float32)
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(condition.noise)
    return np.asarray(image + noise, dtype=np.float32)


def _smooth_field(shape: tuple[int, ...], scale_px: float, rng: np.random.Generator) -> Image:
    """Draw a smooth field from 0 to 1, on a coarse grid that is enlarged."""
    step = max(1, int(scale_px / 4))
    coarse = rng.standard_normal([side // step + 3 for side in shape]).astype(np.float32)
    field = gaussian_filter(coarse, scale_px / step, mode="wrap")
    rows, columns = (np.arange(side) / step for side in shape)
    field = _stretched(_stretched(field, rows).T, columns).T
    return np.asarray((field - field.min()) / max(float(np.ptp(field)), 1e-9), dtype=np.float32)


def _stretched(field: Image, at: NDArray[np.float64]) -> Image:
    """Interpolate the rows of a field at some positions."""
    low = at.astype(np.int64)
    part = (at - low).astype(np.float32)[:, None]
    return np.asarray(field[low] * (1 - part) + field[low + 1] * part)


@dataclass(frozen=True)
class Frame:
    """A simulated frame, float32 (size, size), and its defects, see `Scene.table`."""

    image: Image
    truth: pd.DataFrame
    condition: Condition


def simulate_frames(
    crystal: Crystal,
    condition: Condition,
    size_px: int,
    per_kind: int,
    frames: int,
    seed: int,
    spacing_nm: float = 0.72,
) -> Iterator[Frame]:
    """Take frames of layers that differ, each with `per_kind` defects of every kind."""
    edge = 0.5 / condition.pixel_nm
    for number in range(frames):
        rng = np.random.default_rng([seed, number])
        own = replace(condition, rotation_deg=condition.rotation_deg + float(rng.uniform(0, 360)))
        scene = Scene.draw(crystal, own, size_px, rng)
        names = [name for name in crystal.names for _ in range(per_kind)]
        defects = dict(zip(scene.choose(names, spacing_nm, edge, rng), names, strict=True))
        yield Frame(scene.render(defects, rng), scene.table(defects), own)
