"""What the stages `latent` share: relating an embedding to descriptors, and writing it."""

from typing import Any

import numpy as np
import pandas as pd

from tmdscope.analysis.latent import LatentData, LatentResult, analyse
from tmdscope.analysis.record import Latent
from tmdscope.files import write_table
from tmdscope.jobs.study import Study
from tmdscope.params.common import LatentAnalysisParams, ScoringParams
from tmdscope.scores.cohort import Cohort


def relate_embedding(
    study: Study,
    data: LatentData,
    settings: LatentAnalysisParams,
    cohort: Cohort,
    record: type[Latent] = Latent,
    **more: Any,
) -> LatentResult:
    """Relate components to descriptors; write the summary, every correlation, and the components.

    `more` is what a further kind of record holds beside the summary.
    """
    found, layout = analyse(data, settings, study.section("scoring", ScoringParams)), study.layout
    part = np.where(data.held_out, "test", "train and validation")
    images = cohort.manifest[["image_id", "sample_id", "material"]].assign(part=part)
    write_table(layout.latent_table, found.table)
    write_table(layout.latent_plot, pd.concat([images, found.scores.reset_index(drop=True)], axis=1))
    summary = record(**vars(found.summary), **more)
    summary.write(layout.latent, study.of(cohort.digest), [layout.latent_table, layout.latent_plot])
    return found
