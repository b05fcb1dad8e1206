"""Defects of single layers in STEM movies, after the seed *DefectFinder* and Maksov et al. 2019.

The study is of frames, whose defects are found; of windows, whose defects are named, is `WINDOWS`, a study
within it: the same settings, a split and scores of its own.
"""

from dataclasses import replace

from tmdscope.jobs.study import Later, Study
from tmdscope.layout import Layout
from tmdscope.params.common import FoldsParams, ScoringParams, TrackingParams
from tmdscope.params.families import MethodsParams
from tmdscope.studies.stem_defects.params import DetectorsParams, LeakParams, MovieParams, SimulateParams

HERE = "tmdscope.studies.stem_defects"
LAYOUT = Layout("stem_defects")

IMAGES, MANIFEST, OBJECTS = "images.npy", "manifest.parquet", "objects.parquet"
"""In the folder of a source: frames or windows, a row for each, and the defects of each frame."""

STUDY = Study(
    name="stem_defects",
    params={
        "simulate": SimulateParams,
        "split": FoldsParams,
        "pooled": FoldsParams,
        "detectors": DetectorsParams,
        "methods": MethodsParams,
        "leak": LeakParams,
        "movie": MovieParams,
        "scoring": ScoringParams,
        "tracking": TrackingParams,
    },
    layout=LAYOUT,
    source=LAYOUT.raw,
    cohort=Later(f"{HERE}.data", "read_frames"),
    folds=Later(f"{HERE}.folds", "folds_by_condition"),
    task={"name": "detections"},
    sections=Later(f"{HERE}.report", "report_of"),
    verbs=(HERE,),
)


def windows_of(study: Study) -> Study:
    """Give the study of windows within the study of frames, in the same project."""
    layout = Layout(f"{study.layout.raw.parent.name}/windows", study.layout.root, study.layout.settings)
    return replace(
        study,
        layout=layout,
        source=layout.raw,
        cohort=Later(f"{HERE}.data", "read_windows"),
        methods=Later(f"{HERE}.classifiers", "make_classifiers"),
        folds=None,
        task={"name": "classes"},
    )
