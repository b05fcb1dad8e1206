"""Stage `latent`: what the authors' embedding has to do with the published descriptors."""

import pandas as pd

from tmdscope.jobs.latent import relate_embedding
from tmdscope.jobs.study import Study
from tmdscope.params.common import LatentAnalysisParams
from tmdscope.studies.published_features.tables import NO_DESCRIPTORS, read_tables


def run(study: Study) -> None:
    """Relate the components of the embedding to every descriptor."""
    settings, tables = study.section("latent", LatentAnalysisParams), read_tables(study.layout.tables)
    embeddings, before = pd.DataFrame(tables.embeddings), pd.DataFrame(tables.features)
    descriptors = NO_DESCRIPTORS if tables.descriptors is None else tables.descriptors
    found = relate_embedding(study, tables.cohort, settings, embeddings, before, descriptors)
    print(
        f"{study.layout.latent}: {settings.components} components of {len(embeddings)} embeddings carry "
        f"{found.pca.cumulative_explained_variance[-1]:.1%} of the variance; descriptors "
        + (NO_DESCRIPTORS if tables.descriptors is None else ", ".join(tables.descriptors.columns))
    )
