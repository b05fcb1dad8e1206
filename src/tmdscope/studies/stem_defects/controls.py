"""What names windows and sees less than a window."""

from dataclasses import replace

import numpy as np

from tmdscope.models.tabular import FixedMethod, Method
from tmdscope.params.families import LogisticFamily
from tmdscope.scores.cohort import Cohort
from tmdscope.stem.windows import BORDER, SIZE
from tmdscope.studies.stem_defects.records import BORDER_ONLY, INTENSITY_ONLY

LOGISTIC = LogisticFamily(
    family="logistic", power=1.0, l2=False, standardise=True, logistic_c=10.0, balanced=False
)


def controls(cohort: Cohort) -> dict[str, Method]:
    """See the site's intensity alone; or the border, which must tell no more than the sublattice."""
    assert cohort.statistics is not None
    windows = cohort.inputs.reshape(-1, SIZE, SIZE)
    change, column, ratio = cohort.statistics.to_numpy(dtype=np.float64).T
    light = np.stack([change, column, change * column, change**2, ratio, change * ratio], axis=1)
    return {
        INTENSITY_ONLY: FixedMethod(replace(cohort, features=light), LOGISTIC),
        BORDER_ONLY: FixedMethod(replace(cohort, features=windows[:, BORDER]), LOGISTIC),
    }
