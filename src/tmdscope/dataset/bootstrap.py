"""Intervals by drawing whole samples: images of one sample are not independent."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmdscope.stage import UserError

Values = NDArray[np.float64]

_PERCENTILES = (2.5, 97.5)
_BLOCK = 4096
"""Resamples whose draws are held in memory at a time."""


def sums_by_sample(values: NDArray[Any], sample_ids: Sequence[str]) -> Values:
    """Add up the values of each sample's images.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (images, columns).
    sample_ids : sequence of str
        Sample of each image.

    Returns
    -------
    numpy.ndarray
        float64, shape (samples, columns), samples in order of their ids.
    """
    names, sample = np.unique(np.asarray(sample_ids, dtype=str), return_inverse=True)
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, sample, np.asarray(values, dtype=np.float64))
    return sums


def draw_samples(samples: int, resamples: int, seed: int) -> Values:
    """Draw samples with replacement, many times.

    The cluster bootstrap of Davison & Hinkley, *Bootstrap Methods and their Application* (1997), section 3.8.

    Parameters
    ----------
    samples : int
        How many there are; as many are drawn.
    resamples : int
        How many times, at least 1.
    seed : int
        Seed of the drawing.

    Returns
    -------
    numpy.ndarray
        How often each was drawn, float64, shape (resamples, samples).

    Raises
    ------
    UserError
        There are fewer than two samples: their spread cannot be known.
    """
    if samples < 2:
        raise UserError(f"{samples} sample: an interval over samples needs two at least; add samples")
    rng = np.random.default_rng(seed)
    return rng.multinomial(samples, np.full(samples, 1 / samples), size=resamples).astype(np.float64)


def drawn_sums(sums: NDArray[Any], resamples: int, seed: int) -> Values:
    """Add up what drawn samples hold, block by block of resamples, in flat memory.

    Parameters
    ----------
    sums : numpy.ndarray
        What each sample holds, shape (samples, columns).
    resamples : int
        How many times samples are drawn, at least 1.
    seed : int
        Seed of the drawing.

    Returns
    -------
    numpy.ndarray
        float64, shape (resamples, columns); as `draw_samples` times `sums`.

    Raises
    ------
    ValueError
        There are no resamples.
    """
    if resamples < 1:
        raise ValueError(f"{resamples} resamples: an interval needs at least one")
    samples, rng = len(sums), np.random.default_rng(seed)
    found = []
    for start in range(0, resamples, _BLOCK):
        draws = rng.multinomial(samples, np.full(samples, 1 / samples), size=min(_BLOCK, resamples - start))
        found.append(draws.astype(np.float64) @ sums)
    return np.concatenate(found)


def percentile_interval(drawn: Values) -> Values:
    """Give the middle 95 % of what the resamples say.

    Parameters
    ----------
    drawn : numpy.ndarray
        A statistic of each resample, shape (resamples, ...); NaN where it is not defined.

    Returns
    -------
    numpy.ndarray
        Lower and upper bound, shape (2, ...).
    """
    bounds: Values = np.nanpercentile(drawn, _PERCENTILES, axis=0)
    return bounds


def mean_with_interval(
    values: NDArray[Any], sample_ids: Sequence[str], resamples: int, seed: int
) -> dict[str, Any]:
    """Give the mean over images with its 95 % interval over samples.

    Parameters
    ----------
    values : numpy.ndarray
        A number for each image, shape (images,); images without one (NaN) do not count.
    sample_ids : sequence of str
        Sample of each image.
    resamples : int
        How many times samples are drawn.
    seed : int
        Seed of the drawing.

    Returns
    -------
    dict
        ``mean``, ``ci95`` (two bounds), ``images`` and ``samples`` that counted. With fewer than two samples
        ``ci95`` is None, without any image ``mean`` too.
    """
    known = np.isfinite(values)
    ids = np.asarray(sample_ids, dtype=str)[known]
    count, samples = int(known.sum()), len(set(ids))
    if samples < 2:
        mean = float(np.mean(values[known])) if count else None
        return {"mean": mean, "ci95": None, "images": count, "samples": samples}
    sums = sums_by_sample(np.stack([values[known], np.ones(count)], axis=1), ids.tolist())
    drawn = drawn_sums(sums, resamples, seed)
    low, high = percentile_interval(drawn[:, 0] / drawn[:, 1])
    mean = float(np.mean(values[known]))
    return {"mean": mean, "ci95": [float(low), float(high)], "images": count, "samples": samples}
