"""Flaws of a film in heights: islands of many layers, wrinkles, cracks and pinholes."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import skeletonize

from tmdscope.analysis.descriptors.layers import Layers, find_layers
from tmdscope.scan.areal import Heights, Mask
from tmdscope.scan.growth import LAYER_NM

_HIGHER_SHARE = 0.005
"""Layers are told apart anew when more than this share of the frame stands higher than two."""
MOST_LAYERS = 20
"""Layers above this are not told apart."""
NARROW_NM = 64.0
"""Ridges, particles, cracks and pinholes are narrower than this."""
RIDGE_NM = 1.2
"""A ridge or a particle stands by more than this out of what is wider: almost two layers."""
FURROW_NM = 0.45
"""A crack is deeper than this below what is wider: two thirds of a layer."""
SLIMMEST = 1.5
"""Lines are at least this many times as long as wide."""
RIDGES, CRACKS = (60.0, 0.35), (90.0, 0.2)
"""Least length in nm, and largest standard deviation of the width as a share of its mean, of either line."""
ROUNDEST = 4.0
"""A pinhole has at most this many squares of its inner radius in area; a circle has pi, a triangle 5.2."""

_CONNECTED_8 = np.ones((3, 3), bool)
_STRAIGHTER = 0.948
"""A digital line of 8-connected steps is longer than what it draws by this factor (Kulpa 1977, Comput. Graph.
Image Process. 6, 434)."""


class _Segments(NamedTuple):
    """Segments of a skeleton: length, mean of the width and its spread in nm, by label."""

    length: Heights
    width: Heights
    spread: Heights

    def lines(self, shortest_nm: float, evenest: float) -> Mask:
        """Those that are lines of even width."""
        long = (self.length >= shortest_nm) & (self.length >= SLIMMEST * self.width)
        return long & (self.spread <= evenest * self.width) & (self.width <= NARROW_NM)


def describe_films(
    height_nm: NDArray[Any], pixel_nm: tuple[float, float], layers: Layers | None = None
) -> dict[str, float]:
    """Compute `FILM` of finite heights as measured; `layers`, up to two, where they are known already."""
    two = layers or find_layers(height_nm, pixel_nm)
    higher = (two.smooth_nm > 2.5 * LAYER_NM).mean() > _HIGHER_SHARE
    return describe_flaws(find_layers(height_nm, pixel_nm, MOST_LAYERS) if higher else two, pixel_nm)


def describe_flaws(layers: Layers, pixel_nm: tuple[float, float]) -> dict[str, float]:
    """Compute `FILM` of heights above the substrate."""
    area_um2 = layers.number.size * pixel_nm[0] * pixel_nm[1] / 1e6
    smooth = layers.smooth_nm
    wide = _opened(smooth, pixel_nm)
    narrow = smooth - wide > RIDGE_NM
    number = np.clip(np.rint(np.where(narrow, wide, smooth) / LAYER_NM), 0, MOST_LAYERS)
    furrow = -_opened(-smooth, pixel_nm) - smooth > FURROW_NM
    bare = (number == 0) & ~narrow
    holes, areas = _holes(bare, pixel_nm)
    return {
        "multilayer_coverage": float((number > 2).mean()),
        "mean_layers": float(number.mean()),
        "wrinkle_length_per_um": measure_lines(narrow, pixel_nm, *RIDGES) / 1000 / area_um2,
        "crack_length_per_um": measure_lines(furrow & ~narrow, pixel_nm, *CRACKS) / 1000 / area_um2,
        "pinhole_density_per_um2": holes / area_um2,
        "pinhole_share": areas / 1e6 / area_um2,
    }


def measure_lines(mask: Mask, pixel_nm: tuple[float, float], shortest_nm: float, evenest: float) -> float:
    """Give the length in nm of all lines of even width in a mask."""
    found = _segments(mask, pixel_nm)
    return float(found.length[found.lines(shortest_nm, evenest)].sum())


def _opened(values: Heights, pixel_nm: tuple[float, float]) -> Heights:
    """Take away what stands out and is narrower than `NARROW_NM`."""
    size = [max(3, round(NARROW_NM / pixel) | 1) for pixel in reversed(pixel_nm)]
    return np.asarray(ndimage.grey_opening(values, size))


def _segments(mask: Mask, pixel_nm: tuple[float, float]) -> _Segments:
    """Cut the skeleton of a mask where it branches."""
    line = skeletonize(mask)
    around = ndimage.convolve(line.astype(np.int64), _CONNECTED_8, mode="constant") - 1
    label, count = ndimage.label(line & (around <= 2), _CONNECTED_8)
    width, height = pixel_nm
    steps = (
        (label[:, 1:], label[:, :-1], width),
        (label[1:], label[:-1], height),
        (label[1:, 1:], label[:-1, :-1], np.hypot(width, height)),
        (label[1:, :-1], label[:-1, 1:], np.hypot(width, height)),
    )
    bins = count + 1
    length = np.zeros(bins)
    for one, two, size in steps:
        length += size * np.bincount(one[(one > 0) & (two > 0)], minlength=bins)
    across = 2 * ndimage.distance_transform_edt(np.pad(mask, 1), sampling=(height, width))[1:-1, 1:-1]
    place, widths = label[label > 0], across[label > 0]
    pixels = np.maximum(np.bincount(place, minlength=bins), 1)
    mean = np.bincount(place, widths, minlength=bins) / pixels
    square = np.bincount(place, widths**2, minlength=bins) / pixels
    return _Segments(_STRAIGHTER * length, mean, np.sqrt(np.maximum(square - mean**2, 0)))


def _holes(bare: Mask, pixel_nm: tuple[float, float]) -> tuple[int, float]:
    """Count round holes that are narrower than `NARROW_NM`, and add their areas up, in nm2."""
    label, count = ndimage.label(bare, _CONNECTED_8)
    area = np.bincount(label.ravel(), minlength=count + 1)[1:] * pixel_nm[0] * pixel_nm[1]
    away = ndimage.distance_transform_edt(bare, sampling=pixel_nm[::-1])
    inner = np.asarray(ndimage.maximum(away, label, np.arange(1, count + 1)))
    small = (area <= np.pi / 4 * NARROW_NM**2) & (area <= ROUNDEST * inner**2)
    return int(small.sum()), float(area[small].sum())
