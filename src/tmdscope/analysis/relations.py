"""What an embedding has to do with descriptors: PCA, correlation, regression, shared directions.

The definitions are those of Moses & Reinhart (doi:10.5281/zenodo.13961220), Table 5 and Figure 9:
principal components of the embedding, centred but not standardised; correlation of every component
with every descriptor; a linear regression of each descriptor on the components, in-sample.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

from tmdscope.stage import UserError

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Pca:
    """Principal components of an embedding.

    Attributes
    ----------
    scores : pandas.DataFrame
        Coordinates of each image, shape (images, components), columns ``PC1``, ``PC2``, ...
    explained_variance : numpy.ndarray
        Share of the variance that each component carries, 0..1, shape (components,).
    """

    scores: pd.DataFrame
    explained_variance: Values

    @property
    def cumulative_explained_variance(self) -> Values:
        """Share of the variance that the first components carry together, 0..1, shape (components,)."""
        return np.cumsum(self.explained_variance)


@dataclass(frozen=True)
class Correlation:
    """Pearson's r of a descriptor with a component, the components counted from 1."""

    r: float
    component: int


@dataclass(frozen=True)
class Relation:
    """What the principal components say about one descriptor.

    Attributes
    ----------
    correlations : numpy.ndarray
        Pearson's r with each component, -1..1, shape (components,). A component's sign is a
        convention: compare absolute values across implementations.
    regression_r : float
        Correlation of the descriptor with its in-sample linear fit on all components, 0..1.
    direction : numpy.ndarray
        Coefficients of that fit, shape (components,), in the descriptor's unit per unit of score.
    """

    correlations: Values
    regression_r: float
    direction: Values

    @property
    def negative(self) -> Correlation:
        """The lowest correlation."""
        return self._at(int(np.argmin(self.correlations)))

    @property
    def positive(self) -> Correlation:
        """The highest correlation."""
        return self._at(int(np.argmax(self.correlations)))

    def _at(self, index: int) -> Correlation:
        return Correlation(float(self.correlations[index]), index + 1)


def principal_components(embeddings: pd.DataFrame, components: int) -> Pca:
    """Find the principal components of an embedding, centred and not standardised.

    Parameters
    ----------
    embeddings : pandas.DataFrame
        Numbers, shape (images, values).
    components : int
        How many to keep, at most the smaller of images and values.

    Returns
    -------
    Pca
        By an exact singular value decomposition, with scikit-learn's sign: the largest loading of
        each component is positive.

    Raises
    ------
    UserError
        More components than the data can have.
    """
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


def normalise_descriptors(descriptors: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Divide each descriptor by its largest size over the images, as the paper does.

    Parameters
    ----------
    descriptors : pandas.DataFrame
        One column per descriptor, shape (images, descriptors).

    Returns
    -------
    tuple
        The normalised descriptors, and those left out with the reason: not finite for some image, or the
        same for all.
    """
    left_out = {}
    for name in descriptors.columns:
        values = descriptors[name].to_numpy(np.float64)
        if not np.isfinite(values).all():
            left_out[str(name)] = f"not finite for {int((~np.isfinite(values)).sum())} images"
        elif np.ptp(values) == 0:
            left_out[str(name)] = "the same for all images"
    kept = descriptors.drop(columns=list(left_out)).astype(np.float64)
    return kept / kept.abs().max(), left_out


def relate(scores: pd.DataFrame, descriptors: pd.DataFrame) -> dict[str, Relation]:
    """Relate each descriptor to the principal components.

    Parameters
    ----------
    scores : pandas.DataFrame
        Component scores, shape (images, components).
    descriptors : pandas.DataFrame
        One column per descriptor, each divided by its maximum over the images, shape (images,
        descriptors); the same images in the same order.

    Returns
    -------
    dict
        Descriptor name to its `Relation`, in the order of the columns.

    Raises
    ------
    UserError
        The images differ, or a descriptor is constant or not finite: it has no correlation.
    """
    if not scores.index.equals(descriptors.index):
        raise UserError(
            f"{len(scores)} embeddings and {len(descriptors)} descriptor rows are not of the same images "
            "in the same order; run the stages that write them again"
        )
    values = descriptors.to_numpy(np.float64)
    useless = ~np.isfinite(values).all(axis=0) | (np.ptp(values, axis=0) == 0)
    if useless.any():
        names = ", ".join(map(str, descriptors.columns[useless]))
        raise UserError(
            f"no correlation exists for a descriptor that is constant or not finite: {names}; "
            "leave it out of the descriptor table"
        )
    points = scores.to_numpy(np.float64)
    return {
        str(name): _relate_one(points, column)
        for name, column in zip(descriptors.columns, values.T, strict=True)
    }


def cosines(relations: Mapping[str, Relation]) -> pd.DataFrame:
    """Compare the directions along which descriptors change in the space of components.

    Parameters
    ----------
    relations : Mapping
        Descriptor name to its `Relation`.

    Returns
    -------
    pandas.DataFrame
        Cosine between the regression directions of each two descriptors, -1..1, shape
        (descriptors, descriptors), named by descriptor on both axes.
    """
    directions = np.stack([relation.direction for relation in relations.values()])
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    names = list(relations)
    return pd.DataFrame(unit @ unit.T, index=names, columns=names)


def summarise(pca: Pca, relations: Mapping[str, Relation]) -> dict[str, Any]:
    """Put the analysis in the words of a metrics file.

    Parameters
    ----------
    pca : Pca
        The components.
    relations : Mapping
        Descriptor name to its `Relation`; at least one.

    Returns
    -------
    dict
        ``cumulative_explained_variance_<components>``; ``descriptors.<name>`` with ``negative`` and
        ``positive`` (``r``, ``component`` counted from 1) and ``regression_r``;
        ``regression_cosine.<a>.<b>`` for each two different descriptors, in either order.
    """
    cosine = cosines(relations)
    return {
        **summarise_variance(pca),
        "descriptors": {
            name: {
                "negative": {"r": item.negative.r, "component": item.negative.component},
                "positive": {"r": item.positive.r, "component": item.positive.component},
                "regression_r": item.regression_r,
            }
            for name, item in relations.items()
        },
        "regression_cosine": {
            a: {b: float(cosine.loc[a, b]) for b in relations if b != a} for a in relations
        },
    }


def summarise_variance(pca: Pca) -> dict[str, float]:
    """Put the share of variance that all kept components carry in the words of a metrics file.

    Parameters
    ----------
    pca : Pca
        The components.

    Returns
    -------
    dict
        ``cumulative_explained_variance_<components>``, 0..1.
    """
    kept = len(pca.explained_variance)
    return {f"cumulative_explained_variance_{kept}": float(pca.cumulative_explained_variance[-1])}


def _relate_one(points: Values, descriptor: Values) -> Relation:
    fit = LinearRegression().fit(points, descriptor)
    return Relation(
        correlations=np.array([_pearson(component, descriptor) for component in points.T]),
        regression_r=_pearson(fit.predict(points), descriptor),
        direction=np.asarray(fit.coef_, dtype=np.float64),
    )


def _pearson(a: Values, b: Values) -> float:
    return float(np.corrcoef(a, b)[0, 1])
