"""Defects of single layers in STEM movies, after the seed *DefectFinder* and Maksov et al. 2019.

The study is of frames, whose defects are found; of windows, whose defects are named, is `WINDOWS`, a study
within it: the same settings, a split and scores of its own.
"""

from collections.abc import Iterator
from dataclasses import replace

from tmdscope.jobs.study import Later, Study
from tmdscope.layout import Layout
from tmdscope.params.audit import AuditParams
from tmdscope.params.common import FoldsParams, ScoringParams
from tmdscope.params.experiments import ExperimentParams, FeaturesParams
from tmdscope.params.families import MethodsParams
from tmdscope.params.images import PromotionParams
from tmdscope.params.reading import ParamsError
from tmdscope.params.rules import Settings
from tmdscope.params.search import SearchParams, check_search
from tmdscope.studies.stem_defects.params import (
    DefectTrackingParams,
    DetectorsParams,
    LeakParams,
    MovieParams,
    SimulateParams,
)

HERE = "tmdscope.studies.stem_defects"
LAYOUT = Layout("stem_defects")

IMAGES, MANIFEST, OBJECTS = "images.npy", "manifest.parquet", "objects.parquet"
"""In the folder of a source: frames or windows, a row for each, and the defects of each frame."""


def search_agrees(settings: Settings) -> Iterator[str]:
    """Compare the search with the network that it varies, whose classes are kinds of defect."""
    network = settings.get("network", ExperimentParams)
    if network.target != "multiclass" or network.weights != "none":
        yield "network: kinds of defect are named from nothing: set target to multiclass, weights to none"
    try:
        check_search("search", settings.get("search", SearchParams), network)
    except ParamsError as error:
        yield str(error)


STUDY = Study(
    name="stem_defects",
    params={
        "simulate": SimulateParams,
        "split": FoldsParams,
        "pooled": FoldsParams,
        "detectors": DetectorsParams,
        "methods": MethodsParams,
        "features": FeaturesParams,
        "network": ExperimentParams,
        "search": SearchParams,
        "audit": AuditParams,
        "leak": LeakParams,
        "movie": MovieParams,
        "scoring": ScoringParams,
        "tracking": DefectTrackingParams,
        "promotion": PromotionParams,
    },
    rules=(search_agrees,),
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
    layout.experiment_plots = layout.experiments / "plots"
    return replace(
        study,
        layout=layout,
        source=layout.raw,
        cohort=Later(f"{HERE}.data", "read_windows"),
        folds=None,
        task={"name": "classes"},
    )
