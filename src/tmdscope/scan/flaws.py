"""Flaws of a film: islands of many layers, wrinkles, cracks, pinholes; none by default.

Sizes are plausible choices of this simulator, **not** measurements.
"""

import math
from dataclasses import dataclass as plain_dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from scipy import ndimage

Mask = NDArray[np.bool_]
Heights = NDArray[np.float32]

_NotNegative = Annotated[float, Field(ge=0)]
_Positive = Annotated[float, Field(gt=0)]
_Share = Annotated[float, Field(ge=0, le=1)]

_BEND_NM = 400.0
"""Length over which a line turns by one radian, root mean square: a random walk of its direction."""


@dataclass(frozen=True, config=ConfigDict(allow_inf_nan=False))
class Flaws:
    """What a sample's film has; densities are means of Poisson processes, sizes medians.

    An island's terraces are this wide, seen from its middle; of `island_layers` on top of the first layer the
    highest is one terrace in radius. A spiral's layers are the turns of one step. Wrinkles are ridges on the
    film of Gaussian profile, `wrinkle_width_nm` its standard deviation; cracks and pinholes go down to the
    substrate.
    """

    island_density_per_um2: _NotNegative = 0.0
    island_layers: Annotated[int, Field(ge=2, le=20)] = 4
    island_terrace_nm: _Positive = 40.0
    spiral_share: _Share = 0.5
    wrinkle_density_per_um2: _NotNegative = 0.0
    wrinkle_length_nm: _Positive = 300.0
    wrinkle_height_nm: _Positive = 4.0
    wrinkle_width_nm: _Positive = 10.0
    crack_density_per_um2: _NotNegative = 0.0
    crack_length_nm: _Positive = 300.0
    crack_width_nm: _Positive = 30.0
    pinhole_density_per_um2: _NotNegative = 0.0
    pinhole_radius_nm: _Positive = 15.0


def draw_flaws(rng: np.random.Generator) -> Flaws:
    """Draw densities and sizes of every flaw, evenly from none to many."""
    share = rng.uniform(0, 1, 9)
    return Flaws(
        island_density_per_um2=2.5 * share[0],
        island_terrace_nm=30 + 40 * share[6],
        wrinkle_density_per_um2=6 * share[1],
        wrinkle_height_nm=2.5 + 4 * share[7],
        crack_density_per_um2=6 * share[2],
        crack_width_nm=20 + 25 * share[8],
        pinhole_density_per_um2=40 * share[3],
        pinhole_radius_nm=10 + 10 * share[5],
    )


@plain_dataclass(frozen=True)
class Flawed:
    """A film with its flaws: maps of shape (rows, columns); lengths and numbers on the film in the frame.

    `layers` counts them, `wrinkles_nm` is what wrinkles add, `removed` is where cracks or pinholes took the
    film, `pinholes` where pinholes did.
    """

    layers: NDArray[np.int64]
    wrinkles_nm: Heights
    removed: Mask
    pinholes: Mask
    wrinkle_length_nm: float
    crack_length_nm: float
    pinhole_count: int


def add_flaws(layers: NDArray[np.int64], flaws: Flaws, pixel_nm: float, rng: np.random.Generator) -> Flawed:
    """Give a film of some layers its flaws; of flaws of density 0 nothing is drawn."""
    film = layers > 0
    higher = _islands(layers, flaws, pixel_nm, rng)
    wrinkles, wrinkle_nm = _lines(film, flaws.wrinkle_density_per_um2, flaws.wrinkle_length_nm, pixel_nm, rng)
    ridge = np.zeros(film.shape, np.float32)
    if wrinkles.any():
        away_nm = ndimage.distance_transform_edt(~wrinkles, sampling=pixel_nm)
        ridge = flaws.wrinkle_height_nm * np.exp(-0.5 * (away_nm / flaws.wrinkle_width_nm) ** 2)
        ridge = np.where(film, ridge, 0.0).astype(np.float32)
    cracks, crack_nm = _lines(film, flaws.crack_density_per_um2, flaws.crack_length_nm, pixel_nm, rng)
    cracked = np.zeros(film.shape, bool)
    if cracks.any():
        away_nm = ndimage.distance_transform_edt(~cracks, sampling=pixel_nm)
        cracked = film & (away_nm <= flaws.crack_width_nm / 2)
    holes, count = _pinholes(film & ~cracked, flaws, pixel_nm, rng)
    removed = cracked | holes
    return Flawed(
        layers=np.where(removed, 0, higher),
        wrinkles_nm=np.where(removed, np.float32(0), ridge),
        removed=removed,
        pinholes=holes,
        wrinkle_length_nm=wrinkle_nm,
        crack_length_nm=crack_nm,
        pinhole_count=count,
    )


def _number(density_per_um2: float, side_nm: float, rng: np.random.Generator) -> int:
    """Draw a number of flaws for a square; none without drawing where there are none."""
    return int(rng.poisson(density_per_um2 * (side_nm / 1000) ** 2)) if density_per_um2 > 0 else 0


def _islands(
    layers: NDArray[np.int64], flaws: Flaws, pixel_nm: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Pile islands of many layers onto the first, polygons or spirals; of two that meet the higher counts."""
    above = np.zeros(layers.shape, np.int64)
    y, x = (np.indices(layers.shape) + 0.5) * pixel_nm
    side = layers.shape[0] * pixel_nm
    for _ in range(_number(flaws.island_density_per_um2, side, rng)):
        centre_y, centre_x = rng.uniform(0, side, 2)
        turn = rng.uniform(0, 2 * np.pi)
        terrace = flaws.island_terrace_nm * rng.lognormal(0, 0.2)
        height = max(2, int(rng.poisson(flaws.island_layers)))
        normals = turn + np.radians([0.0, 120.0, 240.0])
        along = np.multiply.outer(np.cos(normals), x - centre_x) + np.multiply.outer(
            np.sin(normals), y - centre_y
        )
        # The distance in which a triangle with cut corners grows, in terraces.
        away = np.maximum(along.max(axis=0), -along.min(axis=0) / 1.6) / terrace
        if rng.random() < flaws.spiral_share:
            away = away + np.arctan2(y - centre_y, x - centre_x) / (2 * np.pi)
        above = np.maximum(above, np.clip(np.ceil(height - away), 0, height).astype(np.int64))
    return np.where(layers > 0, np.maximum(layers, 1 + above), layers)


def _lines(
    film: Mask, density_per_um2: float, length_nm: float, pixel_nm: float, rng: np.random.Generator
) -> tuple[Mask, float]:
    """Draw bent lines: the pixels that they pass, and the length of what lies on the film."""
    passed = np.zeros(film.shape, bool)
    side = film.shape[0] * pixel_nm
    step, total = pixel_nm / 2, 0
    for _ in range(_number(density_per_um2, side, rng)):
        length = length_nm * rng.lognormal(0, 0.3)
        start = rng.uniform(0, side, 2)
        count = max(2, math.ceil(length / step))
        turns = rng.normal(0, math.sqrt(step / _BEND_NM), count)
        direction = rng.uniform(0, 2 * np.pi) + np.cumsum(turns)
        path = start + step * np.cumsum(np.stack([np.sin(direction), np.cos(direction)], axis=1), axis=0)
        row, column = np.floor(path / pixel_nm).astype(int).T
        inside = (row >= 0) & (row < film.shape[0]) & (column >= 0) & (column < film.shape[1])
        row, column = row[inside], column[inside]
        on_film = film[row, column]
        total += int(on_film.sum())
        passed[row[on_film], column[on_film]] = True
    return passed, total * step


def _pinholes(film: Mask, flaws: Flaws, pixel_nm: float, rng: np.random.Generator) -> tuple[Mask, int]:
    """Punch round holes into the film; of those whose middle is film there are so many."""
    holes = np.zeros(film.shape, bool)
    side = film.shape[0] * pixel_nm
    y, x = (np.indices(film.shape) + 0.5) * pixel_nm
    inside = 0
    for _ in range(_number(flaws.pinhole_density_per_um2, side, rng)):
        centre = rng.uniform(0, side, 2)
        radius = flaws.pinhole_radius_nm * rng.lognormal(0, 0.2)
        row, column = np.minimum((centre / pixel_nm).astype(int), film.shape[0] - 1)
        if film[row, column]:
            inside += 1
            holes |= (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2
    return holes & film, inside
