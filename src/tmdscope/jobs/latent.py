"""What the stages `latent` share: relating an embedding to descriptors, and writing it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tmdscope.analysis.latent import LatentData, LatentResult, analyse
from tmdscope.analysis.record import Latent
from tmdscope.dataset.splits import Split
from tmdscope.files import write_table
from tmdscope.jobs.study import Study
from tmdscope.params.common import LatentAnalysisParams, ScoringParams
from tmdscope.scores.cohort import Cohort


def relate_embedding(
    study: Study,
    cohort: Cohort,
    split: Split,
    settings: LatentAnalysisParams,
    embeddings: pd.DataFrame,
    before: pd.DataFrame,
    descriptors: pd.DataFrame | str,
    record: type[Latent] = Latent,
    about: Mapping[str, Any] | None = None,
) -> LatentResult:
    """Relate components to descriptors; write the summary, every correlation, and the components.

    `embeddings`, `before` and `descriptors` as `LatentData` has them, a row per image of the cohort; `about`
    is what a further kind of record holds beside the summary.
    """
    layout, samples = study.layout, cohort.sample_ids.tolist()
    held_out = np.isin(cohort.image_ids, split.test)
    data = LatentData(embeddings, before, descriptors, cohort.label_names.tolist(), samples, held_out)
    found = analyse(data, settings, study.section("scoring", ScoringParams))
    part = np.where(held_out, "test", "train and validation")
    images = cohort.manifest[["image_id", "sample_id", "label"]].assign(part=part)
    write_table(layout.latent_table, found.table)
    write_table(layout.latent_plot, pd.concat([images, found.scores.reset_index(drop=True)], axis=1))
    summary = record(**vars(found.summary), **(about or {}))
    summary.write(layout.latent, study.of(cohort.digest), [layout.latent_table, layout.latent_plot])
    return found
