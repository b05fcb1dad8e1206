"""How far an embedding lies from all that a network was trained on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular

Values = NDArray[np.float64]

_BLOCK = 4096
"""Embeddings that are looked at at a time."""


@dataclass(frozen=True)
class ClassGaussians:
    """A normal distribution around every class mean, (classes, width), all with one covariance.

    `whitening`, (width, width), is W with W W^T the inverse of the covariance.
    """

    means: Values
    whitening: Values

    def distances(self, embeddings: ArrayLike) -> Values:
        """Compute the Mahalanobis distance of embeddings, (images, width), to the nearest class mean."""
        given = np.asarray(embeddings)
        if given.ndim != 2 or given.shape[1] != self.means.shape[1]:
            raise ValueError(f"embeddings {given.shape} must be images x {self.means.shape[1]}")
        nearest, means = np.full(len(given), np.inf), self.means @ self.whitening
        for start in range(0, len(given), _BLOCK):
            block = slice(start, start + _BLOCK)
            whitened = given[block].astype(np.float64) @ self.whitening
            for mean in means:
                nearest[block] = np.minimum(nearest[block], np.linalg.norm(whitened - mean, axis=1))
        if not np.isfinite(nearest).all():
            raise ValueError("embeddings must be finite")
        return nearest


def fit_gaussians(
    embeddings: ArrayLike, labels: ArrayLike, rows: NDArray[np.int64] | None = None
) -> ClassGaussians:
    """Describe a network's training embeddings by class means and one covariance (Lee et al. 2018).

    The score is that of arXiv:1807.03888, equation 2, with its sign turned and its root taken. The covariance
    is shrunk as Ledoit & Wolf (2004, doi:10.1016/S0047-259X(03)00096-4) do, so that it has an inverse with
    few images too. Embeddings, (images, width), of which some `rows` are the training's, are before the ReLU,
    which would hide how far below 0 they lie.
    """
    from sklearn.covariance import shrunk_covariance  # a second, which only who fits should wait

    given, true = np.asarray(embeddings), np.asarray(labels)
    if given.ndim != 2 or true.shape != given.shape[:1] or not given.size:
        raise ValueError(f"embeddings {given.shape} and labels {true.shape} do not match")
    of = np.arange(len(given)) if rows is None else rows
    classes, place = np.unique(true[of], return_inverse=True)
    means = np.stack(
        [given[of[place == number]].mean(axis=0, dtype=np.float64) for number in range(len(classes))]
    )
    if not np.isfinite(means).all():
        raise ValueError("embeddings must be finite")
    within, fourth = np.zeros((means.shape[1],) * 2), 0.0
    for start in range(0, len(of), _BLOCK):
        block = given[of[start : start + _BLOCK]] - means[place[start : start + _BLOCK]]
        within += block.T @ block
        fourth += float(((block**2).sum(axis=1) ** 2).sum())
    within /= len(of)
    covariance = shrunk_covariance(within, _shrinkage(within, fourth / len(of), len(of)))
    try:
        lower = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError as error:
        raise ValueError(f"{len(of)} embeddings do not vary within their classes") from error
    whitening: Values = solve_triangular(lower, np.eye(len(lower)), lower=True).T
    return ClassGaussians(means, np.ascontiguousarray(whitening))


def _shrinkage(covariance: Values, fourth: float, images: int) -> float:
    """Give how far Ledoit & Wolf draw a covariance to a multiple of the identity, 0 to 1.

    As `sklearn.covariance.LedoitWolf`, which holds all images three times, from the mean of the fourth power
    of their lengths.
    """
    width, squared = len(covariance), float((covariance**2).sum())
    far = squared - float(np.trace(covariance)) ** 2 / width
    return min((fourth - squared) / images, far) / far if far > 0 else 0.0
