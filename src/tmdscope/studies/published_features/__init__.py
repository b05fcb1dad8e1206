"""The TMD-AFM study on the features that its authors published (doi:10.5281/zenodo.13961220)."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tmdscope.jobs.study import Study, Written
from tmdscope.layout import Layout
from tmdscope.materials import MATERIALS
from tmdscope.params.common import FoldsParams, LatentAnalysisParams
from tmdscope.params.families import LogisticFamily, SvcFamily
from tmdscope.params.rules import Settings, sequence_problems
from tmdscope.params.sequential import HeadSequentialParams
from tmdscope.params.settings import TABLE_SECTIONS
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.task import CLASSES
from tmdscope.studies.published_features.params import CarryoverParams, ClassifiersParams, FetchParams

if TYPE_CHECKING:
    from tmdscope.models.tabular import Method

LAYOUT = Layout("published_features")


def cohort(study: Study) -> Cohort:
    """Read the features; identical rows of them are one image."""
    from tmdscope.studies.published_features.tables import read_tables

    return read_tables(study.layout.tables).cohort


def methods(study: Study, cohort: Cohort) -> "Mapping[str, Method]":
    """Make the paper's network, two classifiers beside it, and one that sees no image."""
    from tmdscope.models.sample_id import SAMPLE_ID_ONLY
    from tmdscope.models.tabular import FixedMethod, MlpMethod, SampleIdMethod

    asked = study.section("classifiers", ClassifiersParams)
    svc = SvcFamily(
        family="svc", power=1.0, l2=True, standardise=True, svc_c=asked.svc.c, gamma=1.0, balanced=True
    )
    logistic = LogisticFamily(
        family="logistic", power=1.0, l2=False, standardise=True, logistic_c=asked.logistic.c, balanced=True
    )
    return {
        "mlp": MlpMethod(cohort, asked.mlp, asked.seed),
        "svc": FixedMethod(cohort, svc),
        "logistic": FixedMethod(cohort, logistic),
        SAMPLE_ID_ONLY: SampleIdMethod(cohort),
    }


def sections(study: Study) -> Written:
    """Set the measured numbers beside the paper's."""
    from tmdscope.studies.published_features.report import report_of

    return report_of(study)


def sequence_suits(settings: Settings) -> Iterator[str]:
    """Compare the sequence with the classes and folds."""
    folds = settings.get("split", FoldsParams).folds
    yield from sequence_problems(settings.get("sequential", HeadSequentialParams), MATERIALS, folds)


STUDY = Study(
    name="published_features",
    params={
        **TABLE_SECTIONS,
        "fetch": FetchParams,
        "classifiers": ClassifiersParams,
        "carryover": CarryoverParams,
        "sequential": HeadSequentialParams,
        "latent": LatentAnalysisParams,
    },
    rules=(sequence_suits,),
    layout=LAYOUT,
    source=LAYOUT.tables,
    cohort=cohort,
    task=CLASSES,
    methods=methods,
    sections=sections,
    verbs=(__name__,),
)
