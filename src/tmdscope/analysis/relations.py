"""What the components of an embedding have to do with descriptors: correlation, regression, directions.

The definitions are those of Moses & Reinhart (doi:10.5281/zenodo.13961220), Table 5 and Figure 9: correlation
of every component with every descriptor; a linear regression of each descriptor on the components, in-sample.
Beside them stands what the paper has not: intervals over samples, the false discovery rate of the whole
table, and the regression's score on samples that it was not fitted on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import false_discovery_control
from scipy.stats import t as student_t
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

from tmdscope.errors import UserError
from tmdscope.scores.bootstrap import drawn_sums, percentile_interval, sums_by_sample

Values = NDArray[np.float64]

_ALMOST_ONE = 1 - 1e-12


@dataclass(frozen=True)
class Resampling:
    """Which images belong together, how samples are drawn for intervals and left out (at least 2 folds)."""

    sample_ids: Sequence[str]
    folds: int
    resamples: int
    seed: int


@dataclass(frozen=True)
class Relation:
    """What the principal components say about one descriptor, known for so many images.

    Pearson's r with each component, whose sign is a convention; 95 % intervals by drawing samples, shape
    (2, components); `q_values`, the false discovery rate over the table of all descriptors and components
    (Benjamini & Hochberg 1995); r with the in-sample linear fit on all components, and with fits that have
    not seen the image's sample; the fit's coefficients, in the descriptor's unit per unit of score.
    """

    correlations: Values
    bounds: Values
    q_values: Values
    regression_r: float
    regression_r_cv: float
    direction: Values
    images: int

    def shared_variance(self, explained_variance: Values) -> float:
        """Give the embedding's redundancy given the descriptor (Stewart & Love, doi:10.1037/h0026143)."""
        return float(self.correlations**2 @ explained_variance)


def normalise_descriptors(
    descriptors: pd.DataFrame, sample_ids: Sequence[str], least_images: int, least_samples: int
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Divide each descriptor by its largest size over the images, as the paper does; not finite becomes NaN.

    Left out, with the reason, are those known for too few images or samples, the same for all, or other than
    0 for too few images.
    """
    table = descriptors.astype(np.float64).replace([np.inf, -np.inf], np.nan)
    samples = np.asarray(sample_ids, dtype=str)
    left_out = {}
    for name in table.columns:
        known = table[name].notna().to_numpy()
        held = len(set(samples[known]))
        if known.sum() < least_images or held < least_samples:
            left_out[str(name)] = f"known for {int(known.sum())} images of {held} samples only"
        elif np.ptp(table[name][known]) == 0:
            left_out[str(name)] = "the same for all images"
        elif (occurs := int((table[name][known] != 0).sum())) < least_images:
            left_out[str(name)] = f"other than 0 for {occurs} images only"
    kept = table.drop(columns=list(left_out))
    return kept / kept.abs().max(), left_out


def relate(scores: pd.DataFrame, descriptors: pd.DataFrame, sampling: Resampling) -> dict[str, Relation]:
    """Relate each descriptor (NaN does not count) to component scores, shape (images, components)."""
    if not scores.index.equals(descriptors.index):
        raise UserError(
            f"{len(scores)} embeddings and {len(descriptors)} descriptor rows are not of the same images "
            "in the same order; run the stages that write them again"
        )
    points, ids = scores.to_numpy(np.float64), np.asarray(sampling.sample_ids, dtype=str)
    columns = {str(name): descriptors[name].to_numpy(np.float64) for name in descriptors.columns}
    for name, values in columns.items():
        known = np.isfinite(values)
        if len(set(ids[known])) < sampling.folds or np.ptp(values[known]) == 0:
            raise UserError(
                "no correlation exists for a descriptor that is constant, or known for fewer than "
                f"{sampling.folds} samples: {name}; leave it out of the descriptor table or lower "
                "latent.folds"
            )
    correlated = {name: correlate(points, values, sampling) for name, values in columns.items()}
    p_values = np.array([p for _, _, p in correlated.values()]).reshape(len(columns), -1)
    q_values = false_discovery_control(p_values.ravel()).reshape(p_values.shape) if columns else p_values
    return {
        name: Relation(r, bounds, q, *_regress(points, columns[name], ids, sampling.folds))
        for (name, (r, bounds, _)), q in zip(correlated.items(), q_values, strict=True)
    }


def correlate(points: Values, descriptor: Values, sampling: Resampling) -> tuple[Values, Values, Values]:
    """Correlate a descriptor (NaN where not known) with every component, shape (images, components).

    Returned are Pearson's r; its 95 % interval, shape (2, components); and two-sided p-values: Fisher's z
    over its standard deviation among the resamples, by Student's t with one degree of freedom less than
    samples, so that many images of few samples are no strong evidence.
    """
    known = np.isfinite(descriptor)
    y = np.where(known, descriptor - descriptor[known].mean(), 0.0)[:, None]
    x = np.where(known[:, None], points - points[known].mean(axis=0), 0.0)
    moments = np.concatenate([known[:, None], y, y**2, x, x**2, x * y], axis=1)
    sums = sums_by_sample(moments, sampling.sample_ids)
    (r,) = _pearson_of_sums(sums.sum(axis=0, keepdims=True))
    drawn = _pearson_of_sums(drawn_sums(sums, sampling.resamples, sampling.seed))
    z = np.arctanh(np.clip(drawn, -_ALMOST_ONE, _ALMOST_ONE))
    spread = np.maximum(np.nanstd(z, axis=0, ddof=1), 1e-12)
    samples = int((sums[:, 0] > 0).sum())
    statistic = np.abs(np.arctanh(np.clip(r, -_ALMOST_ONE, _ALMOST_ONE))) / spread
    p_values = np.asarray(2 * student_t.sf(statistic, max(samples - 1, 1)), dtype=np.float64)
    return r, percentile_interval(drawn), p_values


def cosines(relations: Mapping[str, Relation]) -> pd.DataFrame:
    """Give the cosines between the regression directions of each two descriptors (Figure 9)."""
    unit = component_cosines(relations)
    return pd.DataFrame(unit.to_numpy() @ unit.to_numpy().T, index=unit.index, columns=unit.index)


def component_cosines(relations: Mapping[str, Relation]) -> pd.DataFrame:
    """Give the cosines between regression directions and components (Figure S13).

    Per unit of score, so components that carry little variance weigh much.
    """
    if not relations:
        return pd.DataFrame()
    directions = np.stack([relation.direction for relation in relations.values()])
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    columns = [f"PC{number}" for number in range(1, unit.shape[1] + 1)]
    return pd.DataFrame(unit, index=list(relations), columns=columns)


def _regress(
    points: Values, descriptor: Values, sample_ids: NDArray[np.str_], folds: int
) -> tuple[float, float, Values, int]:
    known = np.isfinite(descriptor)
    x, y, groups = points[known], descriptor[known], sample_ids[known]
    fit = LinearRegression().fit(x, y)
    unseen = cross_val_predict(LinearRegression(), x, y, groups=groups, cv=GroupKFold(folds))
    r, r_cv = (float(np.corrcoef(fitted, y)[0, 1]) for fitted in (fit.predict(x), unseen))
    return r, r_cv, np.asarray(fit.coef_, dtype=np.float64), int(known.sum())


def _pearson_of_sums(sums: Values) -> Values:
    """Pearson's r of each resample with each component from n, y, y2, then x, x2 and xy of each component."""
    n, y, yy = (sums[:, column, None] for column in range(3))
    x, xx, xy = np.split(sums[:, 3:], 3, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        r: Values = (n * xy - x * y) / np.sqrt((n * xx - x**2) * (n * yy - y**2))
    return np.clip(r, -1, 1)
