"""Regressors by name, for tables of some hundred compounds, with settings that suit them."""

from collections.abc import Callable, Mapping
from typing import Any

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

Values = NDArray[np.float64]

_TREES = 60
_SHARE = 1 / 3


class MedianTrees(ExtraTreesRegressor):  # type: ignore[misc]
    """Extremely randomised trees that predict the median of what their trees say, not the mean.

    Fully grown trees say the value of one training row each; where many values are exactly 0, as gaps of
    metals are, the median is 0 as soon as half of the trees say so, and it is what makes the mean absolute
    error least (Meinshausen 2006, *Quantile regression forests*, JMLR 7). Parameters are those of
    `sklearn.ensemble.ExtraTreesRegressor`.
    """

    def predict(self, X: ArrayLike) -> Values:  # noqa: N803
        """Predict the median over trees, shape (N,)."""
        return np.asarray(np.median(self._each(X), axis=0))

    def spread(self, X: ArrayLike) -> Values:  # noqa: N803
        """Give how far trees are from their median on average, shape (N,)."""
        said = self._each(X)
        return np.asarray(abs(said - np.median(said, axis=0)).mean(axis=0))

    def _each(self, X: ArrayLike) -> Values:  # noqa: N803
        """Ask every tree, shape (trees, N)."""
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=np.float32, ensure_all_finite="allow-nan")
        return np.stack([tree.predict(rows, check_input=False) for tree in self.estimators_])


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
