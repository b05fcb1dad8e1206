"""The cohort of a source: described images, or published rows of features."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.jobs.study import Study
from tmdscope.scores.cohort import Cohort
from tmdscope.studies.growth_temperature import described, tables
from tmdscope.studies.growth_temperature.record import IN_TEST, PREPARED


def read_cohort(study: Study) -> Cohort:
    """Read what a source's stage wrote."""
    if (study.layout.tables / PREPARED).is_dir():
        return described.read_cohort(study)
    return tables.read_cohort(study)


def in_paper_test(cohort: Cohort) -> NDArray[np.bool_]:
    """Say which rows are of the paper's test, shape (N,); none where that is not known."""
    if cohort.nuisance is None or IN_TEST not in cohort.nuisance:
        return np.zeros(len(cohort), dtype=bool)
    return np.asarray(cohort.nuisance[IN_TEST], dtype=bool)


def nuisances_of(cohort: Cohort) -> pd.DataFrame:
    """Give what should not matter of each image; without columns where nothing is known."""
    if cohort.nuisance is None:
        return pd.DataFrame(index=range(len(cohort)))
    return cohort.nuisance.drop(columns=IN_TEST, errors="ignore")
