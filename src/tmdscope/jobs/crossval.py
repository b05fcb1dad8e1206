"""Stage `crossval`: methods on a table of features, cross-validated; every fold is an MLflow run."""

from tmdscope.jobs.crossvalidating import cross_validate_methods
from tmdscope.jobs.methods import methods_of
from tmdscope.jobs.study import Study


def run(study: Study) -> None:
    """Score every method on the folds, and pooled over the outer folds."""
    cohort = study.cohort(study)
    cross_validate_methods(study, cohort, methods_of(study, cohort))
