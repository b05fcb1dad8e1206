"""Physical descriptors of an 8-bit image, exactly as the TMD paper's released code computes them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from skimage.feature import graycomatrix, graycoprops
from skimage.filters import gaussian, threshold_otsu
from skimage.measure import label
from skimage.morphology import disk, opening

from tmdscope.params.materials_study import DescribeParams
from tmdscope.progress import progress

_ROUNDING = 1e-12
"""Residual of an image of one grey value, from rounding; the smallest real one is about 1 / 255."""

Image = NDArray[np.uint8]
Descriptor = Callable[[Image, DescribeParams], float]


def grain_density(image: Image, settings: DescribeParams) -> float:
    """Count the bright domains that remain after opening, per pixel.

    Parameters
    ----------
    image : numpy.ndarray
        uint8, H x W.
    settings : DescribeParams
        Gaussian smoothing before Otsu's threshold, radius of the opening disc.

    Returns
    -------
    float
        Domains per px² (the paper calls it grain density; its code counts opened domains).
    """
    smooth = gaussian(image.astype(np.float64), sigma=settings.gaussian_sigma_px)
    if smooth.min() == smooth.max():
        return 0.0
    mask = opening(smooth > threshold_otsu(smooth), disk(settings.opening_radius_px))
    return float(label(mask).max()) / image.size


def rms_roughness(image: Image, settings: DescribeParams) -> float:
    """Give the root mean square of what smoothing removes.

    Parameters
    ----------
    image : numpy.ndarray
        uint8, H x W.
    settings : DescribeParams
        Gaussian smoothing.

    Returns
    -------
    float
        Share of the grey range, 0..1; not a height.
    """
    return float(np.sqrt(np.mean(_residual(image, settings) ** 2)))


def local_variation(image: Image, settings: DescribeParams) -> float:
    """Give the mean of what smoothing removes, as a share of its largest value.

    Parameters
    ----------
    image : numpy.ndarray
        uint8, H x W.
    settings : DescribeParams
        Gaussian smoothing.

    Returns
    -------
    float
        0..1; 0 for an image of one grey value.
    """
    residual = np.abs(_residual(image, settings))
    largest = residual.max()
    return float(residual.mean() / largest) if largest > _ROUNDING else 0.0


def dissimilarity(image: Image, settings: DescribeParams) -> float:  # noqa: ARG001
    """Give the mean grey difference between horizontal neighbours.

    Parameters
    ----------
    image : numpy.ndarray
        uint8, H x W.
    settings : DescribeParams
        Not used: distance 1 and angle 0 are the paper's.

    Returns
    -------
    float
        Grey levels, 0..255, from the symmetric, normalised co-occurrence matrix.
    """
    matrix: NDArray[Any] = graycomatrix(image, distances=[1], angles=[0], symmetric=True, normed=True)
    return float(graycoprops(matrix, "dissimilarity").mean())


DESCRIPTORS: dict[str, Descriptor] = {
    "grain_density": grain_density,
    "rms_roughness": rms_roughness,
    "local_variation": local_variation,
    "dissimilarity": dissimilarity,
}
"""Name to function; the names are those of the paper's Table 5."""


def describe(images: NDArray[np.uint8], settings: DescribeParams) -> pd.DataFrame:
    """Compute every descriptor of every image.

    Parameters
    ----------
    images : numpy.ndarray
        uint8, N x H x W; a memory map is read an image at a time.
    settings : DescribeParams
        Smoothing and opening.

    Returns
    -------
    pandas.DataFrame
        N rows, one column per descriptor.
    """
    rows = [
        {name: function(np.array(image), settings) for name, function in DESCRIPTORS.items()}
        for image in progress(images, len(images), "describe images")
    ]
    return pd.DataFrame(rows)


def _residual(image: Image, settings: DescribeParams) -> NDArray[np.float64]:
    scaled = image.astype(np.float64) / 255.0
    difference: NDArray[np.float64] = scaled - gaussian(scaled, sigma=settings.gaussian_sigma_px)
    return difference
