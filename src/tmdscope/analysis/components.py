"""Principal components of an embedding, centred and not standardised, as in the TMD paper."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from tmdscope.errors import UserError

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Pca:
    """Coordinates, shape (images, components), columns ``PC1``, ..., and shares of the variance, 0..1."""

    scores: pd.DataFrame
    explained_variance: Values

    @property
    def cumulative_explained_variance(self) -> Values:
        """Share of the variance that the first components carry together, 0..1, shape (components,)."""
        return np.cumsum(self.explained_variance)


def principal_components(embeddings: pd.DataFrame, components: int) -> Pca:
    """Find components, centred, not standardised; as scikit-learn's, each largest loading is positive."""
    most = min(embeddings.shape)
    if not 1 <= components <= most:
        raise UserError(
            f"{components} components of an embedding of {embeddings.shape[0]} images and "
            f"{embeddings.shape[1]} values: set latent.components in params.yaml to 1..{most}"
        )
    pca = PCA(components, svd_solver="full")
    scores = pca.fit_transform(embeddings.to_numpy(np.float64))
    names = [f"PC{number}" for number in range(1, components + 1)]
    return Pca(
        scores=pd.DataFrame(scores, index=embeddings.index, columns=names),
        explained_variance=np.asarray(pca.explained_variance_ratio_, dtype=np.float64),
    )
