"""Plain statistics of images: what a classifier could score with that sees no structure of the surface."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_FINE = 0.25
"""Cycles per pixel above which a spatial frequency is high; half of the Nyquist frequency."""


def image_statistics(images: NDArray[np.uint8]) -> pd.DataFrame:
    """Compute what the instrument and the preparation leave in an image.

    Parameters
    ----------
    images : numpy.ndarray
        uint8, shape (N, S, S); rows are scan lines.

    Returns
    -------
    pandas.DataFrame
        A row per image: ``mean`` and ``contrast`` (standard deviation) in grey levels; ``high_frequency``,
        the share of the variance above a quarter cycle per pixel; ``line_noise``, the standard deviation of
        the step between the means of neighbouring rows in units of that between neighbouring columns.
    """
    return pd.DataFrame([_describe(image.astype(np.float64)) for image in images])


def _describe(image: NDArray[np.float64]) -> dict[str, float]:
    power = np.abs(np.fft.rfft2(image - image.mean())) ** 2
    down, across = np.fft.fftfreq(image.shape[0]), np.fft.rfftfreq(image.shape[1])
    fine = np.hypot(down[:, None], across) > _FINE
    rows, columns = (np.diff(image.mean(axis=axis)).std() for axis in (1, 0))
    return {
        "mean": float(image.mean()),
        "contrast": float(image.std()),
        "high_frequency": float(power[fine].sum() / max(power.sum(), 1e-12)),
        "line_noise": float(rows / max(columns, 1e-12)),
    }
