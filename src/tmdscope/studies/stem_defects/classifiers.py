"""What windows are named by: networks and others of section `methods`, and two that see less."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tmdscope.jobs.study import Study
from tmdscope.models.tabular import FixedMethod, Method, make_methods
from tmdscope.params.families import LogisticFamily, MethodsParams
from tmdscope.scores.cohort import Cohort
from tmdscope.stem.windows import SIZE

INTENSITY, BORDER = "intensity", "border"
"""Names of the methods that see the site's intensity alone, and the border of the window alone."""

BORDER_PX = 6

_LOGISTIC = LogisticFamily(
    family="logistic", power=1.0, l2=False, standardise=True, logistic_c=10.0, balanced=False
)


def make_classifiers(study: Study, cohort: Cohort) -> Mapping[str, Method]:
    """Make the methods: the border tells which sublattice a site is of, and must tell nothing more."""
    asked = study.section("methods", MethodsParams)
    windows = cohort.inputs.reshape(-1, SIZE, SIZE)
    inside = np.zeros((SIZE, SIZE), dtype=bool)
    inside[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX] = True
    assert cohort.statistics is not None
    change, column, ratio = cohort.statistics.to_numpy(dtype=np.float64).T
    light = np.stack([change, column, change * column, change**2, ratio, change * ratio], axis=1)
    return {
        **make_methods(cohort, asked),
        INTENSITY: FixedMethod(replace(cohort, features=light), _LOGISTIC, asked.seed),
        BORDER: FixedMethod(replace(cohort, features=windows[:, ~inside]), _LOGISTIC, asked.seed),
    }
