"""Stage `audit`: what a score on these images is worth."""

from threadpoolctl import threadpool_limits

from tmdscope.jobs.auditing import audit_cohort
from tmdscope.jobs.methods import methods_of
from tmdscope.jobs.study import Study
from tmdscope.learn.recorder import Silent


def run(study: Study) -> None:
    """Audit the cohort; one object trains all folds, as in the study: what it carries over would show."""
    cohort = study.cohort(study)
    folds = cohort.rows(cohort.read_split(study.layout.split))
    methods = methods_of(study, cohort)
    runners = {
        name: lambda number, method=methods[name]: method.predict_fold(folds[number], number, Silent())
        for name in study.audited or methods
    }
    with threadpool_limits(1):  # networks this small spend their time waiting for a second thread
        audit_cohort(study, cohort, cohort.take, runners)
