"""Regressors by name, for tables of some hundred compounds, with settings that suit them."""

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from sklearn.utils.validation import check_is_fitted, validate_data

from tmdscope.composition.intervals import conformal_bound

Values = NDArray[np.float64]

_TREES = 100
_SHARE = 1 / 3


class MedianTrees(ExtraTreesRegressor):  # type: ignore[misc]
    """Extremely randomised trees that predict the median of what their trees say, not the mean.

    Fully grown trees say the value of one training row each; where many values are exactly 0, as gaps of
    metals are, the median is 0 as soon as half of the trees say so, and it is what makes the mean absolute
    error least (Meinshausen 2006, *Quantile regression forests*, JMLR 7). Other parameters are those of
    `sklearn.ensemble.ExtraTreesRegressor`.

    With ``bootstrap=True`` there are prediction intervals: a training row's error is that of the trees which
    have not seen it, in units of how far these are from one another (Johansson et al. 2014, *Regression
    conformal prediction with random forests*, Machine Learning 97).
    """

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:  # noqa: N803
        """Grow the trees; with ``bootstrap=True`` find the errors on rows that each tree has not seen."""
        super().fit(X, y, sample_weight)
        if self.bootstrap:
            said = self._each(X)
            for tree, drawn in zip(said, self.estimators_samples_, strict=True):
                tree[drawn] = np.nan
            asked = np.isfinite(said).sum(axis=0) > 1
            centre, spread = _centre_and_spread(said[:, asked])
            error = abs(np.asarray(y, dtype=np.float64)[asked] - centre)
            self.least_spread_ = float(error.mean()) or 1.0
            self.errors_ = np.sort(error / (spread + self.least_spread_))
        return self

    def predict(self, X: ArrayLike) -> Values:  # noqa: N803
        """Predict the median over trees, shape (N,)."""
        return np.asarray(np.median(self._each(X), axis=0))

    def predict_interval(self, X: ArrayLike, level: float = 0.9) -> Values:  # noqa: N803
        """Give the bounds, shape (N, 2), between which a new row's value lies with probability `level`.

        Unbounded where there are too few training rows to say. `ValueError` unless 0 < level < 1, or without
        ``bootstrap=True``.
        """
        if not self.bootstrap:
            raise ValueError("intervals rest on rows that a tree has not seen: fit with bootstrap=True")
        centre, spread = _centre_and_spread(self._each(X))
        half = conformal_bound(self.errors_, level) * (spread + self.least_spread_)
        return np.stack([centre - half, centre + half], axis=1)

    def _each(self, X: ArrayLike) -> Values:  # noqa: N803
        """Ask every tree, shape (trees, N)."""
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=np.float32)
        return np.stack([tree.predict(rows, check_input=False) for tree in self.estimators_])


def _centre_and_spread(said: Values) -> tuple[Values, Values]:
    centre = np.nanmedian(said, axis=0)
    return centre, np.nanmean(abs(said - centre), axis=0)


def _gaussian_process() -> GaussianProcessRegressor:
    kernel = ConstantKernel() * RBF(10.0) + WhiteKernel(0.1)
    return GaussianProcessRegressor(kernel, normalize_y=True)


REGRESSORS: Mapping[str, Callable[[int], Any]] = {
    "forest": lambda seed: RandomForestRegressor(_TREES, max_features=_SHARE, random_state=seed),
    "extra_trees": lambda seed: ExtraTreesRegressor(_TREES, max_features=_SHARE, random_state=seed),
    "median_trees": lambda seed: MedianTrees(_TREES, max_features=_SHARE, random_state=seed),
    "boosting": lambda seed: HistGradientBoostingRegressor(
        learning_rate=0.05, max_iter=200, max_leaf_nodes=15, max_features=_SHARE, random_state=seed
    ),
    "kernel_ridge": lambda _: make_pipeline(StandardScaler(), KernelRidge(alpha=0.1, kernel="laplacian")),
    "svr": lambda _: make_pipeline(StandardScaler(), SVR(C=5.0, epsilon=0.05)),
    "gaussian_process": lambda _: make_pipeline(StandardScaler(), _gaussian_process()),
    "ridge": lambda _: make_pipeline(StandardScaler(), Ridge(10.0)),
}
"""What makes an unfitted regressor from a seed."""
