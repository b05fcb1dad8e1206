"""Calibration: whether a probability of 0.8 is right eight times in ten, and a temperature that mends it."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

TEMPERATURES = (0.05, 20.0)
"""Range that a temperature is looked for in."""

BINS = 15
"""Bins of the calibration error, as Guo et al. 2017 (arXiv:1706.04599) report it."""

_LEAST = float(np.finfo(np.float32).tiny)  # a float32 softmax gives 0 below
_TOLERANCE = 1e-6

Probabilities = NDArray[np.float64]


def fit_temperature(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Find the temperature whose softened probabilities are the likeliest (Guo et al. 2017, section 4.2).

    Probabilities, (images, classes), are of images that the network was not trained on. The loss is convex in
    1 / T. scikit-learn's ``CalibratedClassifierCV(method="temperature")`` fits one temperature to each fold
    and keeps it to itself; here one serves the held-out images of all folds, and softens single members.
    """
    from scipy.optimize import minimize_scalar  # a second, which only who fits should wait

    given, true = check_labelled(probabilities, labels)

    def loss(log_temperature: float) -> float:
        return float(_surprise(soften(given, float(np.exp(log_temperature))), true).mean())

    bounds = tuple(np.log(TEMPERATURES))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": _TOLERANCE})
    return float(np.exp(found.x))


def soften(probabilities: ArrayLike, temperature: float) -> Probabilities:
    """Give softmax(log p / T) over the last axis: above 1 probabilities draw nearer to each other."""
    return np.asarray(softmax(_logarithms(probabilities, temperature), axis=-1))


def pool(probabilities: ArrayLike, temperature: float) -> Probabilities:
    """Join the members of an ensemble: softmax of the mean over members (the first axis) of log p / T.

    The arithmetic mean of softened members is less sure than they are although it is right more often; this
    geometric one stays as sure as they are, for whom alone the temperature was fitted.
    """
    return np.asarray(softmax(_logarithms(probabilities, temperature).mean(axis=0), axis=-1))


def negative_log_likelihood(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Compute the mean negative logarithm of the true class's probability (0: float32's least), in nats."""
    given, true = check_labelled(probabilities, labels)
    return float(_surprise(given, true).mean())


def expected_calibration_error(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> float:
    """Compute the mean distance of confidence from the share that is right (Guo et al. 2017, equation 3).

    Bin b of B holds confidences, of the most probable class, in (b / B, (b + 1) / B]. 0 is calibrated; with
    few images to a bin chance alone makes it larger.
    """
    given, true = check_labelled(probabilities, labels)
    if bins < 1:
        raise ValueError(f"{bins} bins: at least one is needed")
    sure, right = given.max(axis=1), given.argmax(axis=1) == true
    place = np.clip(np.ceil(sure * bins).astype(np.int64) - 1, 0, bins - 1)
    summed, hits = (np.bincount(place, weights=values, minlength=bins) for values in (sure, right))
    return float(np.abs(hits - summed).sum() / len(true))


def check_labelled(probabilities: ArrayLike, labels: ArrayLike) -> tuple[Probabilities, NDArray[Any]]:
    """Check that there is a row of probabilities, (images, classes), for every label; else `ValueError`."""
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
    return np.asarray(np.log(given) / temperature)


def _surprise(probabilities: Probabilities, labels: NDArray[Any]) -> Probabilities:
    true = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    return np.asarray(-np.log(np.maximum(true, _LEAST)))
