"""The whole latent analysis of a study: components, relations to descriptors, separation of materials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.analysis.components import Pca, principal_components
from tmdscope.analysis.record import Described, Extreme, Latent, Strongest
from tmdscope.analysis.relations import (
    Relation,
    Resampling,
    component_cosines,
    cosines,
    normalise_descriptors,
    relate,
)
from tmdscope.analysis.separation import dividing_lines, separation
from tmdscope.params.common import LatentAnalysisParams, ScoringParams

_PLANE = 2


@dataclass(frozen=True)
class LatentData:
    """Images as the analysis sees them; every table has them in the same order.

    `embeddings` are of the trained network, `before` of one that was not trained on them, shape (images,
    values); `descriptors`, a column each, are NaN where not known, and a text that says why where a study
    has none.
    """

    embeddings: pd.DataFrame
    before: pd.DataFrame
    descriptors: pd.DataFrame | str
    materials: Sequence[str]
    sample_ids: Sequence[str]
    held_out: NDArray[np.bool_]


@dataclass(frozen=True)
class LatentResult:
    """What the analysis found: components of the embedding and of what the untrained network sees.

    `table` has a row per descriptor and component (from 1): ``r``, its 95 % interval, ``q``, ``cosine``.
    """

    pca: Pca
    before: Pca
    summary: Latent
    table: pd.DataFrame

    @property
    def scores(self) -> pd.DataFrame:
        """A row per image: ``PC1``, ``PC2``, ..., and ``before_PC1``, ``before_PC2``."""
        first = self.before.scores.iloc[:, :_PLANE].add_prefix("before_")
        return self.pca.scores.join(first)


def analyse(data: LatentData, settings: LatentAnalysisParams, scoring: ScoringParams) -> LatentResult:
    """Relate an embedding to descriptors and materials.

    The components are of all images, as in the paper; regression across samples, linear readouts and the
    held-out silhouette leave samples out.
    """
    sampling = Resampling(data.sample_ids, settings.folds, scoring.bootstrap, scoring.seed)
    pca = principal_components(data.embeddings, settings.components)
    before = principal_components(data.before, settings.components)
    relations: Mapping[str, Relation] = {}
    left_out: dict[str, str] = {}
    missing = data.descriptors if isinstance(data.descriptors, str) else None
    if not isinstance(data.descriptors, str):
        least = 2 * (settings.components + 1)
        kept, left_out = normalise_descriptors(data.descriptors, sampling.sample_ids, least, sampling.folds)
        relations = relate(pca.scores, kept, sampling)
    spaces = {name: one.scores.to_numpy(np.float64) for name, one in (("trained", pca), ("before", before))}
    cosine = cosines(relations)
    summary = Latent(
        settings=settings,
        explained_variance=dict(zip(pca.scores.columns, pca.explained_variance.tolist(), strict=True)),
        cumulative_explained_variance=float(pca.cumulative_explained_variance[-1]),
        descriptors=missing
        or {name: _described(item, pca, settings.false_discovery_rate) for name, item in relations.items()},
        regression_cosine=missing
        or {a: {b: float(cosine.loc[a, b]) for b in relations if b != a} for a in relations},
        left_out=left_out,
        separation={
            name: {
                part: separation(values, data.materials, data.held_out, sampling)
                for part, values in (("plane", points[:, :_PLANE]), ("components", points))
            }
            for name, points in spaces.items()
        },
        lines={
            name: dividing_lines(points[:, :_PLANE], data.materials, data.held_out)
            for name, points in spaces.items()
        },
    )
    return LatentResult(pca, before, summary, relation_table(relations))


def relation_table(relations: Mapping[str, Relation]) -> pd.DataFrame:
    """Lay out every correlation; the cosine is between the regression's direction and the component."""
    header = ["descriptor", "component", "r", "low", "high", "q", "cosine"]
    cosine = component_cosines(relations).to_numpy()
    rows = [
        (name, number, *values)
        for (name, item), direction in zip(relations.items(), cosine, strict=True)
        for number, values in enumerate(
            zip(item.correlations, *item.bounds, item.q_values, direction, strict=True), start=1
        )
    ]
    return pd.DataFrame(rows, columns=header)


def _described(item: Relation, pca: Pca, rate: float) -> Described:
    r = item.correlations
    low, high, best = int(r.argmin()), int(r.argmax()), int(np.abs(r).argmax())
    bounds = item.bounds[:, best].tolist()
    return Described(
        negative=Extreme(float(r[low]), low + 1),
        positive=Extreme(float(r[high]), high + 1),
        strongest=Strongest(
            r=float(r[best]),
            component=best + 1,
            r_ci95=(bounds[0], bounds[1]),
            q=float(item.q_values[best]),
            variance=float(pca.explained_variance[best]),
        ),
        regression_r=item.regression_r,
        regression_r_cv=item.regression_r_cv,
        shared_variance=item.shared_variance(pca.explained_variance),
        discoveries=int((item.q_values <= rate).sum()),
        images=item.images,
    )
