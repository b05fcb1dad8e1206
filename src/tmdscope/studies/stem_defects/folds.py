"""Which frames train, validate and test."""

import numpy as np

from tmdscope.dataset.splits import Split, make_split
from tmdscope.jobs.study import Study
from tmdscope.params.common import FoldsParams
from tmdscope.scores.cohort import Cohort
from tmdscope.studies.stem_defects.data import frames_of


def folds_by_condition(study: Study, cohort: Cohort) -> Split:
    """Cut folds that share no condition, and hold every noise alike."""
    asked = study.section("split", FoldsParams)
    noise = frames_of(study).manifest["noise"].to_numpy()
    level = np.unique(noise, return_inverse=True)[1]
    ids, groups = cohort.image_ids.tolist(), cohort.groups.tolist()
    return make_split(level, groups, ids, asked.test_folds, asked.folds)
