"""Stage `classify`: windows, cross-validated by condition; every fold is an MLflow run."""

import pandas as pd

from tmdscope.files import read_table, write_table
from tmdscope.jobs import split
from tmdscope.jobs.crossvalidating import cross_validate_methods
from tmdscope.jobs.study import Study
from tmdscope.studies.stem_defects.classifiers import make_classifiers
from tmdscope.studies.stem_defects.study import MANIFEST, windows_of


def run(study: Study) -> None:
    """Split the windows, score every method, and keep what each said of every window."""
    windows = windows_of(study)
    split.run(windows)
    cohort = windows.cohort(windows)
    said = cross_validate_methods(windows, cohort, make_classifiers(windows, cohort), "classify")
    told = read_table(windows.layout.raw / MANIFEST)[["image_id", "sample_id", "label", "noise"]]
    names = [told.assign(method=name, predicted=[cohort.classes[k] for k in of]) for name, of in said.items()]
    write_table(windows.layout.tables / "predictions.parquet", pd.concat(names, ignore_index=True))
