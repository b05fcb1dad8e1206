"""What a study on a table of features cross-validates."""

from collections.abc import Mapping

from tmdscope.jobs.study import Study
from tmdscope.models.tabular import Method, make_methods
from tmdscope.params.families import MethodsParams
from tmdscope.scores.cohort import Cohort


def methods_of(study: Study, cohort: Cohort) -> Mapping[str, Method]:
    """Make the study's own methods, or what section `methods` names."""
    if study.methods is not None:
        return study.methods(study, cohort)
    return make_methods(cohort, study.section("methods", MethodsParams))
