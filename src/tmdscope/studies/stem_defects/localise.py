"""Stage `localise`: detectors, cross-validated by condition; every fold is an MLflow run."""

from tmdscope.files import write_table
from tmdscope.jobs.crossvalidating import cross_validate_methods
from tmdscope.jobs.study import Study
from tmdscope.studies.stem_defects.data import frames_of
from tmdscope.studies.stem_defects.detectors import make_detectors, outcomes_of
from tmdscope.studies.stem_defects.params import DetectorsParams, SimulateParams


def run(study: Study) -> None:
    """Score every detector, and keep what became of every object of every frame."""
    frames, crystal = frames_of(study), study.section("simulate", SimulateParams).layer
    detectors = make_detectors(frames, crystal, study.section("detectors", DetectorsParams))
    cross_validate_methods(study, study.cohort(study), detectors)
    write_table(study.layout.tables / "detections.parquet", outcomes_of(detectors.values(), frames))
