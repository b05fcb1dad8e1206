"""Calibration: whether a probability of 0.8 is right eight times in ten, and a temperature that mends it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax

TEMPERATURES = (0.05, 20.0)
"""Range that a temperature is looked for in."""

BINS = 15
"""Bins of the calibration error, as Guo et al. 2017 (arXiv:1706.04599) report it."""

_LEAST = float(np.finfo(np.float32).tiny)  # a float32 softmax gives 0 below
_TOLERANCE = 1e-6

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class ReliabilityCurve:
    """Mean confidence and share of right classes by bins of equal width (Guo et al. 2017); shapes (bins,).

    Bin b of B holds confidences (of the most probable class) in (b / B, (b + 1) / B]; means are NaN in an
    empty bin.
    """

    images: NDArray[np.int64]
    confidence: Probabilities
    right: Probabilities


def fit_temperature(probabilities: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Find the temperature whose softened probabilities are the likeliest (Guo et al. 2017, section 4.2).

    The negative log-likelihood is convex in 1 / T, so that its one minimum within `TEMPERATURES` is found.
    Above 1 the probabilities, (images, classes), were too sure, below 1 not sure enough. The network was not
    trained on the images; `weights` say how much each counts. `ValueError` as `check_labelled`.

    scikit-learn's ``CalibratedClassifierCV(method="temperature")`` fits a temperature to every fold and keeps
    it to itself; here one serves all folds' held-out images, and softens single members.
    """
    given, true = check_labelled(probabilities, labels)
    counts = np.ones(len(true)) if weights is None else np.asarray(weights, dtype=np.float64)
    if counts.shape != true.shape or not np.isfinite(counts).all() or counts.min() < 0 or not counts.any():
        raise ValueError(f"weights {counts.shape} must be one for each of {len(true)} images, none below 0")

    def loss(log_temperature: float) -> float:
        softened = soften(given, float(np.exp(log_temperature)))
        return float(np.average(_surprise(softened, true), weights=counts))

    bounds = tuple(np.log(TEMPERATURES))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": _TOLERANCE})
    return float(np.exp(found.x))


def soften(probabilities: ArrayLike, temperature: float) -> Probabilities:
    """Divide the log-probabilities by a temperature and normalise again: softmax(log p / T).

    Classes are the last axis. T > 0 (else `ValueError`); 1 leaves the probabilities as they are, above 1 they
    draw nearer to each other; their order of size stays.
    """
    softened: Probabilities = softmax(_logarithms(probabilities, temperature), axis=-1)
    return softened


def pool(probabilities: ArrayLike, temperature: float) -> Probabilities:
    """Join the members of an ensemble: softmax of the mean over members (the first axis) of log p / T.

    A temperature fits single members, for which alone there are held-out images. The arithmetic mean of
    softened members is less sure than they are although it is right more often; the geometric mean, which
    this is, stays as sure as they are.
    """
    joined: Probabilities = softmax(_logarithms(probabilities, temperature).mean(axis=0), axis=-1)
    return joined


def negative_log_likelihood(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Compute the mean negative logarithm of the true class's probability, in nats.

    A probability of 0 counts as the least that float32 holds. `ValueError` as `check_labelled`.
    """
    given, true = check_labelled(probabilities, labels)
    return float(_surprise(given, true).mean())


def reliability_curve(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> ReliabilityCurve:
    """Compare confidence with what is right, bin by bin of confidence; `ValueError` as `check_labelled`."""
    given, true = check_labelled(probabilities, labels)
    if bins < 1:
        raise ValueError(f"{bins} bins: at least one is needed")
    sure, right = given.max(axis=1), given.argmax(axis=1) == true
    place = np.clip(np.ceil(sure * bins).astype(np.int64) - 1, 0, bins - 1)
    images = np.bincount(place, minlength=bins)
    sums = [np.bincount(place, weights=values, minlength=bins) for values in (sure, right)]
    means = [np.divide(total, images, out=np.full(bins, np.nan), where=images > 0) for total in sums]
    return ReliabilityCurve(images, *means)


def expected_calibration_error(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> float:
    """Compute the mean distance of confidence from the share that is right (Guo et al. 2017, equation 3).

    Over bins, in 0..1; 0 is calibrated. With few images to a bin chance alone makes it larger than 0.
    """
    curve = reliability_curve(probabilities, labels, bins)
    gaps = np.abs(curve.right - curve.confidence)
    return float(np.nansum(gaps * curve.images) / curve.images.sum())


def check_labelled(probabilities: ArrayLike, labels: ArrayLike) -> tuple[Probabilities, NDArray[Any]]:
    """Check that there is a row of probabilities, (images, classes), for every label; gives both as arrays.

    `ValueError` where they do not match, are empty, or hold what is no probability or no class.
    """
    given, true = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    if given.ndim != 2 or true.shape != given.shape[:1] or not given.size:
        raise ValueError(f"probabilities {given.shape} and labels {true.shape} do not match")
    check_probabilities(given)
    if not np.issubdtype(true.dtype, np.integer) or true.min() < 0 or true.max() >= given.shape[1]:
        raise ValueError(f"labels must be whole numbers in 0..{given.shape[1] - 1}")
    return given, true


def check_probabilities(probabilities: NDArray[Any]) -> None:
    """Check that values are in 0..1 and sum to one over classes, the last axis; else `ValueError`."""
    sums = probabilities.sum(axis=-1)
    if not (probabilities >= 0).all() or not np.allclose(sums, 1, atol=1e-3):
        raise ValueError("probabilities must not be negative and must sum to one over the classes")


def _logarithms(probabilities: ArrayLike, temperature: float) -> Probabilities:
    if not (np.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature {temperature} must be a number above 0")
    given = np.maximum(np.asarray(probabilities, dtype=np.float64), _LEAST)
    logarithms: Probabilities = np.log(given) / temperature
    return logarithms


def _surprise(probabilities: Probabilities, labels: NDArray[Any]) -> Probabilities:
    true = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    surprise: Probabilities = -np.log(np.maximum(true, _LEAST))
    return surprise
