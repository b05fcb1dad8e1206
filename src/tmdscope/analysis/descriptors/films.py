"""Flaws of a film in heights: islands of many layers, wrinkles, cracks and pinholes."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import skeletonize

from tmdscope.analysis.descriptors.layers import Layers
from tmdscope.scan.areal import Heights, Mask
from tmdscope.scan.growth import LAYER_NM

NARROW_NM = 64.0
"""Ridges, particles, cracks and pinholes are narrower than this."""
RIDGE_NM = 1.0
"""A ridge or a particle stands by more than this out of what is wider: a layer and a half."""
LONGEST_SHARE = 0.3
"""A part is a line when its area is no more than this share of the square of its length ..."""
SHORTEST_NM = 70.0
"""... which is this at least."""
MOST_LAYERS = 20

_CONNECTED_8 = np.ones((3, 3), bool)
_STRAIGHTER = 0.948
"""A digital line of 8-connected steps is that much longer than what it draws (Kulpa 1977, Comput. Graph. Image
Process. 6, 434)."""


class _Parts(NamedTuple):
    """Connected parts of a mask: label of each pixel (0: none), area in nm2 and length in nm by label."""

    label: NDArray[np.int32]
    area: Heights
    length: Heights

    @property
    def is_line(self) -> Mask:
        return (self.length >= SHORTEST_NM) & (self.area <= LONGEST_SHARE * self.length**2)


def describe_films(layers: Layers, pixel_nm: tuple[float, float]) -> dict[str, float]:
    """Compute `FILM` of a height map whose layers are found."""
    area_um2 = layers.number.size * pixel_nm[0] * pixel_nm[1] / 1e6
    smooth = ndimage.median_filter(layers.height_nm, 3)
    wide = _opened(smooth, pixel_nm)
    narrow = smooth - wide > RIDGE_NM
    ridges = _parts(narrow, pixel_nm)
    number = np.clip(np.rint(np.where(narrow, wide, smooth) / LAYER_NM), 0, MOST_LAYERS)
    bare = (number == 0) & ~narrow
    gaps = _parts(bare & ~_opened(bare, pixel_nm), pixel_nm)
    holes = _parts(bare, pixel_nm)
    small = ~holes.is_line & (holes.area > 0) & (holes.area <= np.pi / 4 * NARROW_NM**2)
    return {
        "multilayer_coverage": float((number > 2).mean()),
        "mean_layers": float(number.mean()),
        "wrinkle_length_per_um": float(ridges.length[ridges.is_line].sum()) / 1000 / area_um2,
        "crack_length_per_um": float(gaps.length[gaps.is_line].sum()) / 1000 / area_um2,
        "pinhole_density_per_um2": int(small.sum()) / area_um2,
        "pinhole_share": float(holes.area[small].sum()) / 1e6 / area_um2,
    }


def _opened(values: NDArray[Any], pixel_nm: tuple[float, float]) -> Heights:
    """Take away what is narrower than `NARROW_NM`."""
    size = [max(3, round(NARROW_NM / pixel) | 1) for pixel in reversed(pixel_nm)]
    return np.asarray(ndimage.grey_opening(values, size))


def _parts(mask: Mask, pixel_nm: tuple[float, float]) -> _Parts:
    """Part a mask; a part is as long as its skeleton."""
    label, count = ndimage.label(mask, _CONNECTED_8)
    line = np.where(skeletonize(mask), label, 0)
    width, height = pixel_nm
    steps = (
        (line[:, 1:], line[:, :-1], width),
        (line[1:], line[:-1], height),
        (line[1:, 1:], line[:-1, :-1], np.hypot(width, height)),
        (line[1:, :-1], line[:-1, 1:], np.hypot(width, height)),
    )
    bins = count + 1
    length = sum(size * np.bincount(one[(one > 0) & (two > 0)], minlength=bins) for one, two, size in steps)
    area = width * height * np.bincount(label[label > 0], minlength=bins)
    return _Parts(label, area, _STRAIGHTER * np.asarray(length, dtype=np.float64))
