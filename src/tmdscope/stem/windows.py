"""Windows around sites, all of one scale: pixels by the lattice constant, light by the brightest column.

What sets the scale is the whole frame, not the window: scaling each window from its darkest to its brightest
pixel would write what the defect is into pixels far from it. Noise is there before anything is scaled.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial import cKDTree

from tmdscope.stem.crystal import PRISTINE
from tmdscope.stem.matching import RADIUS_A
from tmdscope.stem.sites import Image, Readings

SIZE = 32
"""Side of a window, px."""

PER_A = 10.6
"""Pixels of a window to a lattice constant, as 0.03 nm a pixel have it of WS2."""

BORDER_PX = 6
"""Width of the border in which no defect in the middle is seen."""

BORDER = np.ones((SIZE, SIZE), dtype=bool)
BORDER[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX] = False
"""Pixels of the border."""

_SMOOTH_A = 0.05
"""Width of the filter before resampling, in lattice constants: less than a third of a usual probe."""

_DARKEST, _BRIGHTEST = -1.0, 3.0
"""Of windows as 8-bit images, in columns of the brightest sublattice: 0.016 of one to a grey level."""


def cut_windows(image: Image, read: Readings, sites: NDArray[np.int64]) -> NDArray[np.float32]:
    """Cut a window around some sites (rows of the readings): float32, shape (sites, SIZE, SIZE).

    Hollow sites are at 0, a column of the brightest sublattice peaks at 1; haze around the site is taken off.
    """
    step = read.bragg.a_px() / PER_A
    smooth = gaussian_filter(np.asarray(image, dtype=np.float32), _SMOOTH_A * read.bragg.a_px())
    grid = (np.arange(SIZE) - (SIZE - 1) / 2) * step
    x = read.places[sites, 0][:, None, None] + grid[None, None, :]
    y = read.places[sites, 1][:, None, None] + grid[None, :, None]
    at = np.stack(np.broadcast_arrays(y, x))
    light = map_coordinates(smooth, at, order=1, mode="nearest")
    dark = read.dark + read.haze[sites][:, None, None]
    return np.asarray((light - dark) / read.unit, dtype=np.float32)


def to_grey(windows: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Write windows as 8-bit images, all on one scale."""
    share = (windows - _DARKEST) / (_BRIGHTEST - _DARKEST)
    return np.asarray(np.clip(np.rint(255 * share), 0, 255), dtype=np.uint8)


def from_grey(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Read what `to_grey` wrote."""
    return np.asarray(images / 255 * (_BRIGHTEST - _DARKEST) + _DARKEST, dtype=np.float32)


@dataclass(frozen=True)
class Labelled:
    """Sites of a simulated frame and what they are: rows of the readings, and names."""

    sites: NDArray[np.int64]
    labels: NDArray[np.object_]


def label_sites(
    read: Readings, truth: pd.DataFrame, pristine: int, shape: tuple[int, ...], rng: np.random.Generator
) -> Labelled:
    """Find the sites of true defects, and so many that are none; sites at an edge are left out.

    Half of the latter are drawn, half are those that look most like a defect.
    """
    a_px, tree = read.bragg.a_px(), cKDTree(read.places)
    away, site = tree.query(truth[["x_px", "y_px"]].to_numpy())
    margin = SIZE / 2 / PER_A * a_px
    fits = (read.places >= margin) & (read.places <= np.array(shape[::-1]) - 1 - margin)
    inside = np.asarray(fits.all(axis=1))
    kept = (away < RADIUS_A * a_px) & inside[np.minimum(site, len(inside) - 1)]
    free = inside.copy()
    for near in tree.query_ball_point(truth[["x_px", "y_px"]].to_numpy(), RADIUS_A * a_px):
        free[near] = False
    likest = np.flatnonzero(free)[np.argsort(-np.abs(read.score[free]))][: pristine // 2]
    free[likest] = False
    drawn = rng.choice(np.flatnonzero(free), min(pristine - len(likest), int(free.sum())), replace=False)
    others = np.concatenate([likest, drawn])
    names = [*truth["label"][kept], *[PRISTINE] * len(others)]
    return Labelled(np.concatenate([site[kept], others]).astype(np.int64), np.array(names, dtype=object))
