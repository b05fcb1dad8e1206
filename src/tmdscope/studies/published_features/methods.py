"""What the study cross-validates."""

from collections.abc import Mapping

from tmdscope.jobs.study import Study
from tmdscope.models.tabular import SAMPLE_ID_ONLY, FixedMethod, Method, MlpMethod, SampleIdMethod
from tmdscope.params.families import LogisticFamily, SvcFamily
from tmdscope.scores.cohort import Cohort
from tmdscope.studies.published_features.params import ClassifiersParams


def make_methods(study: Study, cohort: Cohort) -> Mapping[str, Method]:
    """Make the paper's network, two classifiers beside it, and one that sees no image."""
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
