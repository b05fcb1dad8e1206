"""How unusual a new score is among the scores of images that a fold's network was not trained on.

Cross-conformal prediction (CV+: Romano, Sesia & Candes 2020, arXiv:2006.02544; Barber et al.
2021, arXiv:1905.02928): every image is scored by the network of the fold that held it out, and a new image
by all networks; its score by a fold's network is compared with that fold's scores alone. Images of one
sample are alike, so that the new image is one of a *new sample*: each image of a sample of n weighs
1 / ((m + 1) n) among m samples, and 1 / (m + 1) stays for what lies beyond all of them (Lee, Barber & Willett
2023, arXiv:2306.06342). The scores may be anything that is larger the worse an image fits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ROUNDING = 1e-9  # p-values are sums of fractions; equal ones differ in their last digits

Values = NDArray[np.float64]


@dataclass(frozen=True)
class CrossConformal:
    """Scores of the held-out images of each fold, rising; `tails`: weights from each on, the last 0."""

    scores: tuple[Values, ...]
    tails: tuple[Values, ...]
    samples: int

    @property
    def images(self) -> int:
        """Images of all folds."""
        return sum(map(len, self.scores))

    def p_values(self, scores: ArrayLike) -> Values:
        """Weigh the held-out images that fit no better than new ones, whose scores are of shape (folds, ...).

        p-values in [1 / (m + 1), 1], shape (...): small for a score larger than most.
        """
        given = np.asarray(scores, dtype=np.float64)
        if given.ndim < 1 or len(given) != len(self.scores) or np.isnan(given).any():
            raise ValueError(f"scores {given.shape} must be numbers, by each of {len(self.scores)} folds")
        beyond = (
            tail[np.searchsorted(known, new, side="left")]
            for known, tail, new in zip(self.scores, self.tails, given, strict=True)
        )
        return np.asarray(np.add(1 / (self.samples + 1), sum(beyond)))


def fit_cross_conformal(
    scores: Sequence[ArrayLike], sample_ids: Sequence[Sequence[str] | NDArray[Any]]
) -> CrossConformal:
    """Sort and weigh, for each fold, the scores of its held-out images by its own network."""
    known = [np.asarray(values, dtype=np.float64) for values in scores]
    names = [np.asarray(values, dtype=str) for values in sample_ids]
    if [values.shape for values in known] != [values.shape for values in names] or not known:
        raise ValueError(f"scores of {len(known)} folds and samples of {len(names)} do not match")
    if any(values.ndim != 1 or not values.size or np.isnan(values).any() for values in known):
        raise ValueError("every fold needs scores of at least one image, all of them numbers")
    samples = sum(len(np.unique(values)) for values in names)
    if samples > len(np.unique(np.concatenate(names))):
        raise ValueError("a sample is in the held-out images of two folds; folds must not share samples")
    ranked, tails = [], []
    for values, held in zip(known, names, strict=True):
        rank = np.argsort(values, kind="stable")
        _, sample, images = np.unique(held, return_inverse=True, return_counts=True)
        weights = (1 / ((samples + 1) * images[sample]))[rank]
        ranked.append(values[rank])
        tails.append(np.append(np.cumsum(weights[::-1])[::-1], 0.0))
    return CrossConformal(tuple(ranked), tuple(tails), samples)


def within(p_values: Values, cut: float) -> NDArray[np.bool_]:
    """Say which p-values are at most a cut, whatever rounding has done to equal ones."""
    return np.asarray(p_values <= cut + _ROUNDING)


def tolerance_cut(samples: int, share: float, confidence: float) -> float:
    """Find the p-value at or below which at most a share of new images lie, with confidence.

    A cut at the share itself would be exceeded by chance about every other time. This is a distribution-free
    upper tolerance limit (Wilks 1941, doi:10.1214/aoms/1177731788): (k + 1) / (m + 1), with the largest k for
    which P(Binomial(m, share) <= k) <= 1 - confidence; 0 where m is too small (below 59 for 5 % at 95 %). It
    is exact for one image per sample and one network; many images of a sample, and means over folds, vary
    less, which makes it more careful.
    """
    if samples < 1 or not 0 < share < 1 or not 0 < confidence < 1:
        raise ValueError(f"{samples} samples, share {share} and confidence {confidence} are out of range")
    from scipy.stats import binom  # a second, which only who fits should wait

    careful = np.flatnonzero(binom.cdf(np.arange(samples), samples, share) <= 1 - confidence)
    return float(careful[-1] + 1) / (samples + 1) if careful.size else 0.0
