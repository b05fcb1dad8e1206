"""The fourteen descriptors of the TMD paper's Table 5, as its released code computes them, on 8-bit images.

Source of every formula: Moses & Reinhart, `codes/utils_analysis.py` of doi:10.5281/zenodo.13961220. Plain
calls of scikit-image (`benchmarks/plain_descriptors.py`) give the same values: counts exactly, others to
rounding. Where rounding could decide a count, the plain call is made.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import canny
from skimage.filters import gaussian, threshold_otsu

from tmdscope.analysis.descriptors.blobs import count_blobs
from tmdscope.params.images import DescribeParams

Image = NDArray[np.uint8]
Values = NDArray[np.float64]
Mask = NDArray[np.bool_]

CHANNELS = 3
"""The authors' images have three equal channels; what they count per value, they count per channel."""

_EDGE_SIGMA = 0.3
"""Smoothing in px before edges are found (Canny 1986, IEEE Trans. Pattern Anal. Mach. Intell. 8, 679)."""
_LEVELS = 256
_BINS = 256
_ROUNDING = 1e-12
"""Residual of an image of one grey value, from rounding; the smallest real one is about 1 / 255."""
_TIE = 1e-9
"""Grey levels this close to a threshold or to the edge of a bin are left to the plain call."""
_CONNECTED_8 = np.ones((3, 3), bool)


def describe_paper(image: Image, settings: DescribeParams) -> dict[str, float]:
    """Compute the descriptors of Table 5, in that order, of an image of at least 3 x 3 pixels.

    NaN where a formula divides by zero: anisotropy of one grey value, grain size without bright parts.
    """
    scaled = image / 255.0
    smooth = gaussian(scaled, sigma=settings.gaussian_sigma_px)
    bright = _bright(image, smooth, settings)
    variation = scaled - _mirrored(scaled, smooth, settings.gaussian_sigma_px)
    texture = _texture(image)
    opened = open_by_disc(bright, settings.opening_radius_px)
    return {
        "grain_size": _mean_diameter(bright),
        "step_edges": float(ndimage.label(_closed(canny(scaled, sigma=_EDGE_SIGMA)))[1]),
        "anisotropy": _anisotropy(image),
        "homogeneity": texture["homogeneity"],
        "energy": texture["energy"],
        "correlation": texture["correlation"],
        "asm": texture["asm"],
        "grain_density": ndimage.label(opened, _CONNECTED_8)[1] / image.size,
        "dog_blobs": float(count_blobs(scaled)),
        "rms_roughness": float(np.sqrt(np.mean(variation**2))),
        "defect_density": _count_peaks(smooth) / (image.size * CHANNELS),
        "local_variation": _local_variation(variation),
        "contrast": texture["contrast"],
        "dissimilarity": texture["dissimilarity"],
    }


def _mirrored(scaled: Values, smooth: Values, sigma_px: float) -> Values:
    """Give ``ndimage.gaussian_filter(scaled, sigma_px)``, whose borders alone differ from scikit-image's."""
    reach = int(4.0 * sigma_px + 0.5)
    if min(scaled.shape) <= 4 * reach:
        return np.asarray(ndimage.gaussian_filter(scaled, sigma_px))
    mirrored = smooth.copy()
    near, far = slice(None, 2 * reach), slice(-2 * reach, None)
    for border, outer in ((near, slice(None, reach)), (far, slice(-reach, None))):
        mirrored[outer] = ndimage.gaussian_filter(scaled[border], sigma_px)[outer]
        mirrored[:, outer] = ndimage.gaussian_filter(scaled[:, border], sigma_px)[:, outer]
    return mirrored


def open_by_disc(mask: Mask, radius: int) -> Mask:
    """Remove what no disc (radius >= 0 px) fits into: ``skimage.morphology.opening(mask, disk(radius))``.

    What lies outside the image counts as bright when parts are shrunk and as dark when they are grown again.
    """
    return _grown(~_grown(~mask, radius), radius)


def _grown(mask: Mask, radius: int) -> Mask:
    """Dilate by a disc, row of the disc by row: each is a run, and runs grow out of one another."""
    rows, columns = mask.shape
    grown = np.zeros((rows + 2 * radius, columns), bool)
    padded = np.pad(mask, ((0, 0), (radius, radius)))
    run, reach = mask.copy(), 0
    for distance in range(radius, -1, -1):
        while reach < math.isqrt(radius**2 - distance**2):
            reach += 1
            run |= padded[:, radius - reach : radius - reach + columns]
            run |= padded[:, radius + reach : radius + reach + columns]
        for shift in {-distance, distance}:
            grown[radius + shift : radius + shift + rows] |= run
    return grown[radius : radius + rows]


def _bright(image: Image, smooth: Values, settings: DescribeParams) -> Mask:
    """Foreground by Otsu's threshold on the smoothed grey levels 0..255."""
    if image.min() == image.max():
        return np.zeros(image.shape, bool)
    levels = smooth * 255.0
    low, high = levels.min(), levels.max()
    if high - low > _TIE:
        place = (levels - low) * (_BINS / (high - low))
        nearest = np.rint(place)
        inner = (nearest > 0) & (nearest < _BINS)
        if not (inner & (np.abs(place - nearest) < _TIE)).any():
            counts = np.bincount(np.minimum(place.astype(np.intp), _BINS - 1).ravel(), minlength=_BINS)
            edges = np.linspace(low, high, _BINS + 1)
            threshold = threshold_otsu(hist=(counts, (edges[:-1] + edges[1:]) / 2))
            if np.abs(levels - threshold).min() > _TIE:
                return np.asarray(levels > threshold)
    exact = gaussian(image.astype(np.float64), sigma=settings.gaussian_sigma_px)
    return np.asarray(exact > threshold_otsu(exact))


def _mean_diameter(mask: Mask) -> float:
    """Mean diameter in px of circles as large as the 8-connected parts."""
    labels, count = ndimage.label(mask, _CONNECTED_8)
    if not count:
        return float("nan")
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return float(np.sqrt(4.0 / np.pi * areas).mean())


def _closed(mask: Mask) -> Mask:
    """Dilate and erode by 3 x 3 pixels; what lies outside the image counts for neither."""
    for outside, combine in ((False, np.logical_or), (True, np.logical_and)):
        padded = np.pad(mask, 1, constant_values=outside)
        tall = combine(combine(padded[:-2], padded[1:-1]), padded[2:])
        mask = combine(combine(tall[:, :-2], tall[:, 1:-1]), tall[:, 2:])
    return mask


def _anisotropy(image: Image) -> float:
    """Spread of the gradient's direction over its mean size; directions are not treated as circular."""
    along_rows, along_columns = (_twice_the_slope(image, axis) for axis in (0, 1))
    size = np.sqrt(along_rows * along_rows + along_columns * along_columns, dtype=np.float64).mean()
    size /= 2 * (_LEVELS - 1)
    width = 4 * _LEVELS - 3
    place = (along_rows + width // 2) * width + (along_columns + width // 2)
    return float(np.take(_directions(), place).std() / size) if size > 0 else float("nan")


def _twice_the_slope(image: Image, axis: int) -> NDArray[np.int32]:
    """Twice what `numpy.gradient` gives, in whole grey levels."""
    levels = np.moveaxis(image.astype(np.int32), axis, 0)
    slope = np.empty_like(levels)
    np.subtract(levels[2:], levels[:-2], out=slope[1:-1])
    slope[0], slope[-1] = 2 * (levels[1] - levels[0]), 2 * (levels[-1] - levels[-2])
    return np.moveaxis(slope, 0, axis)


@lru_cache(maxsize=1)
def _directions() -> Values:
    """Angle of every slope that 8-bit images can have, flat."""
    slope = np.arange(-2 * (_LEVELS - 1), 2 * _LEVELS - 1)
    return np.arctan2(slope[None, :], slope[:, None]).ravel()


def _texture(image: Image) -> dict[str, float]:
    """Haralick's properties of C + C^T, C the counts of neighbours in rows: products with fixed weights."""
    left, right = image[:, :-1].ravel(), image[:, 1:].ravel()
    pairs = 2 * len(left)
    counts = np.bincount(left.astype(np.uint16) * _LEVELS + right, minlength=_LEVELS**2)
    matrix = counts.reshape(_LEVELS, _LEVELS).astype(np.float64)
    matrix += matrix.T.copy()
    asm = float(np.vdot(matrix, matrix)) / pairs**2
    homogeneity, contrast, dissimilarity = (float(value) for value in matrix.ravel() @ _weights() / pairs)
    level = np.arange(_LEVELS, dtype=np.float64)
    each = matrix.sum(axis=1)  # sums of whole numbers are exact; division comes last
    mean = float(each @ level) / pairs
    variance = float(each @ level**2) / pairs - mean**2
    varies = image.min() < image.max()
    return {
        "homogeneity": homogeneity,
        "energy": float(np.sqrt(asm)),
        "correlation": (float(level @ matrix @ level) / pairs - mean**2) / variance if varies else 1.0,
        "asm": asm,
        "contrast": contrast,
        "dissimilarity": dissimilarity,
    }


@lru_cache(maxsize=1)
def _weights() -> Values:
    """Weights of homogeneity, contrast and dissimilarity for every pair of grey levels, shape (pairs, 3)."""
    step = np.abs(np.subtract.outer(np.arange(_LEVELS), np.arange(_LEVELS))).ravel().astype(np.float64)
    return np.stack([1.0 / (1.0 + step**2), step**2, step], axis=1)


def _local_variation(residual: Values) -> float:
    """Mean of what smoothing removes, as a share of its largest value; 0 for an image of one grey value."""
    size = np.abs(residual)
    largest = size.max()
    return float(size.mean() / largest) if largest > _ROUNDING else 0.0


def _count_peaks(smooth: Values) -> float:
    """Count local maxima as `peak_local_max` does: every pixel of a plateau, none at the border."""
    inside = smooth[1:-1, 1:-1]
    tall = np.maximum(np.maximum(smooth[:-2], smooth[1:-1]), smooth[2:])
    highest = np.maximum(np.maximum(tall[:, :-2], tall[:, 1:-1]), tall[:, 2:])
    return float(np.count_nonzero((inside == highest) & (inside > smooth.min())))
