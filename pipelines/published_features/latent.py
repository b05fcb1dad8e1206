"""Stage `latent`: what the authors' embedding has to do with the published descriptors."""

from pathlib import Path

import numpy as np
import pandas as pd

from tmdscope.analysis.latent import LatentData, analyse
from tmdscope.dataset.audit import read_split
from tmdscope.dataset.published import NO_DESCRIPTORS, read_tables
from tmdscope.files import write_table
from tmdscope.params.common import LatentAnalysisParams, ScoringParams
from tmdscope.params.reading import read_section
from tmdscope.stage import run_stage

PARAMS = Path("pipelines/published_features/params.yaml")
TABLES = Path("data/published/tables")
SPLIT = Path("data/published/split.json")
LATENT = Path("data/published/latent.json")
TABLE = Path("data/published/latent_correlations.csv")
SCATTER = Path("data/published/latent.csv")


def main() -> None:
    """Write the relations to `data/published/latent.json`, and every correlation and component beside it."""
    settings = read_section("latent", LatentAnalysisParams, PARAMS)
    tables = read_tables(TABLES)
    data = LatentData(
        embeddings=pd.DataFrame(tables.embeddings),
        before=pd.DataFrame(tables.features),
        descriptors=NO_DESCRIPTORS if tables.descriptors is None else tables.descriptors,
        materials=tables.materials,
        sample_ids=tables.sample_ids,
        held_out=np.isin(tables.image_ids, read_split(SPLIT, tables.manifest).test),
    )
    found = analyse(data, settings, read_section("scoring", ScoringParams, PARAMS))
    write_table(TABLE, found.table)
    part = np.where(data.held_out, "test", "train and validation")
    images = tables.manifest.drop(columns="image_sha256").assign(part=part)
    write_table(SCATTER, images.join(found.scores))
    found.summary.write(LATENT, {"data": tables.digest}, [TABLE, SCATTER])
    print(
        f"{LATENT}: {settings.components} components of {len(images)} embeddings carry "
        f"{found.pca.cumulative_explained_variance[-1]:.1%} of the variance; descriptors "
        + (NO_DESCRIPTORS if tables.descriptors is None else ", ".join(tables.descriptors.columns))
    )


if __name__ == "__main__":
    run_stage(main)
