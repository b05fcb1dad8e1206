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
from sklearn.utils.validation import check_is_fitted

_TREES = 100
_SHARE = 1 / 3


class MedianTrees(ExtraTreesRegressor):  # type: ignore[misc]
    """Extremely randomised trees that predict the median of what their trees say, not the mean.

    Fully grown trees say the value of one training row each; where many values are exactly 0, as gaps of
    metals are, the median is 0 as soon as half of the trees say so, and it is what makes the mean absolute
    error least (Meinshausen 2006, *Quantile regression forests*, JMLR 7).
    """

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """Predict the median over trees, shape (N,)."""
        check_is_fitted(self)
        rows = np.asarray(X, dtype=np.float32)
        return np.asarray(np.median([tree.predict(rows) for tree in self.estimators_], axis=0))


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
