"""The cohort of a study on images."""

from tmdscope.dataset.store import Dataset
from tmdscope.jobs.study import Study
from tmdscope.params.images import DataParams
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.task import read_task


def read_cohort(study: Study) -> Cohort:
    """Read the prepared images' ids, samples and labels, in the order of `data.classes`."""
    dataset, classes = Dataset.load(study.layout.prepared), study.section("data", DataParams).classes
    return Cohort.of(read_task(study.task), dataset.manifest, dataset.labels(classes), classes)
