"""Stage `latent`: what the authors' embedding has to do with the published descriptors."""

from pathlib import Path

import pandas as pd

from tmdscope.analysis.relations import principal_components, relate, summarise, summarise_variance
from tmdscope.dataset.published import NO_DESCRIPTORS, read_tables
from tmdscope.files import write_json, write_table
from tmdscope.params.published_study import PublishedLatentParams
from tmdscope.params.reading import read_section
from tmdscope.stage import run_stage

PARAMS = Path("pipelines/published_features/params.yaml")
TABLES = Path("data/published/tables")
LATENT = Path("data/published/latent.json")
SCATTER = Path("data/published/latent.csv")


def main() -> None:
    """Write the relations to `data/published/latent.json` and the components of every image beside it."""
    settings = read_section("latent", PublishedLatentParams, PARAMS)
    tables = read_tables(TABLES)
    pca = principal_components(pd.DataFrame(tables.embeddings), settings.components)
    if tables.descriptors is None:
        missing = dict.fromkeys(["descriptors", "regression_cosine"], NO_DESCRIPTORS)
        found = {**summarise_variance(pca), **missing}
    else:
        found = summarise(pca, relate(pca.scores, tables.descriptors))
    write_json(LATENT, found)
    write_table(SCATTER, tables.manifest.drop(columns="image_sha256").join(pca.scores))
    print(
        f"{LATENT}: {settings.components} components of {len(pca.scores)} embeddings carry "
        f"{pca.cumulative_explained_variance[-1]:.1%} of the variance; descriptors "
        + (NO_DESCRIPTORS if tables.descriptors is None else ", ".join(tables.descriptors.columns))
    )


if __name__ == "__main__":
    run_stage(main)
