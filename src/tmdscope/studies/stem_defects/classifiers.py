"""What windows are named by: networks and others of section `methods`, and two that see less."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tmdscope.jobs.study import Study
from tmdscope.models.tabular import FixedMethod, Method, make_methods
from tmdscope.params.families import LogisticFamily, MethodsParams
from tmdscope.scores.cohort import Cohort
from tmdscope.stem.windows import BORDER, SIZE
from tmdscope.studies.stem_defects.records import BORDER_ONLY, INTENSITY_ONLY

_LOGISTIC = LogisticFamily(
    family="logistic", power=1.0, l2=False, standardise=True, logistic_c=10.0, balanced=False
)


def make_classifiers(study: Study, cohort: Cohort) -> Mapping[str, Method]:
    """Make the methods: the border tells which sublattice a site is of, and must tell nothing more."""
    asked = study.section("methods", MethodsParams)
    windows = cohort.inputs.reshape(-1, SIZE, SIZE)
    assert cohort.statistics is not None
    change, column, ratio = cohort.statistics.to_numpy(dtype=np.float64).T
    light = np.stack([change, column, change * column, change**2, ratio, change * ratio], axis=1)
    return {
        **make_methods(cohort, asked),
        INTENSITY_ONLY: FixedMethod(replace(cohort, features=light), _LOGISTIC, asked.seed),
        BORDER_ONLY: FixedMethod(replace(cohort, features=windows[:, BORDER]), _LOGISTIC, asked.seed),
    }
