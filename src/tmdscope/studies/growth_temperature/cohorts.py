"""The cohort of a source: described images, or published rows of features."""

from tmdscope.jobs.study import Study
from tmdscope.scores.cohort import Cohort
from tmdscope.studies.growth_temperature import described, tables
from tmdscope.studies.growth_temperature.record import PREPARED


def read_cohort(study: Study) -> Cohort:
    """Read what a source's stage wrote."""
    own = described if (study.layout.tables / PREPARED).is_dir() else tables
    return own.read_cohort(study)
