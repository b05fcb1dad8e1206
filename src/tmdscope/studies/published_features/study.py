"""The TMD-AFM study on the features that its authors published (doi:10.5281/zenodo.13961220)."""

from collections.abc import Iterator

from tmdscope.jobs.study import Later, Study
from tmdscope.layout import Layout
from tmdscope.materials import MATERIALS
from tmdscope.params.common import FoldsParams, LatentAnalysisParams
from tmdscope.params.rules import Settings, sequence_problems
from tmdscope.params.sequential import HeadSequentialParams
from tmdscope.params.settings import TABLE_SECTIONS
from tmdscope.studies.published_features.params import CarryoverParams, ClassifiersParams, FetchParams

HERE = "tmdscope.studies.published_features"
LAYOUT = Layout("published_features")


def sequence_suits(settings: Settings) -> Iterator[str]:
    """Compare the sequence with the classes and folds."""
    folds = settings.get("split", FoldsParams).folds
    yield from sequence_problems(settings.get("sequential", HeadSequentialParams), MATERIALS, folds)


STUDY = Study(
    name="published_features",
    params={
        **{name: model for name, model in TABLE_SECTIONS.items() if name != "methods"},
        "fetch": FetchParams,
        "classifiers": ClassifiersParams,
        "carryover": CarryoverParams,
        "sequential": HeadSequentialParams,
        "latent": LatentAnalysisParams,
    },
    rules=(sequence_suits,),
    layout=LAYOUT,
    source=LAYOUT.tables,
    cohort=Later(f"{HERE}.tables", "read_cohort"),
    task={"name": "classes"},
    methods=Later(f"{HERE}.methods", "make_methods"),
    audited=("mlp", "svc"),
    sections=Later(f"{HERE}.report", "report_of"),
    verbs=(HERE,),
)
