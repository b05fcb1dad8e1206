"""Plain statistics of images: what a classifier could score with that sees no structure of the surface."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_FINE = 0.25
"""Cycles per pixel above which a spatial frequency is high; half of the Nyquist frequency."""


def image_statistics(images: NDArray[np.uint8]) -> pd.DataFrame:
    """Compute what the instrument and the preparation leave in an image, from (N, S, S), rows are scan lines.

    ``mean`` and ``contrast`` (standard deviation) are in grey levels; ``high_frequency`` is the share of the
    variance above a quarter cycle per pixel; ``line_noise`` the standard deviation of the step between the
    means of neighbouring rows in units of that between neighbouring columns.
    """
    return pd.DataFrame([_describe(image.astype(np.float64)) for image in images])


def spectra(images: NDArray[Any], bands: int) -> NDArray[np.float64]:
    """Describe images without a network: power spectra along and across scan lines, and quantiles.

    From grey levels or heights, (N, S, S), rows are scan lines, to (N, 2 bands + 9): the logarithm of the
    mean power in the bands (at most S / 2) across lines, then along them, and nine deciles less the mean in
    units of the standard deviation.
    """
    return np.stack([_spectra(image.astype(np.float64), bands) for image in images])


def _spectra(image: NDArray[np.float64], bands: int) -> NDArray[np.float64]:
    flat = image - image.mean()
    logs = []
    for axis in (0, 1):
        power = (np.abs(np.fft.rfft(flat, axis=axis)) ** 2).mean(axis=1 - axis)[1:]
        logs += [np.log(part.mean() + 1e-12) for part in np.array_split(power, bands)]
    deciles = np.quantile(flat / max(float(flat.std()), 1e-12), np.linspace(0.1, 0.9, 9))
    return np.array([*logs, *deciles])


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
