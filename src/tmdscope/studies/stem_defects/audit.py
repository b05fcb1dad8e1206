"""Stage `audit`: what a score on these windows is worth."""

from threadpoolctl import threadpool_limits

from tmdscope.jobs.auditing import audit_cohort
from tmdscope.jobs.study import Study
from tmdscope.learn.recorder import Silent
from tmdscope.studies.stem_defects.controls import controls
from tmdscope.studies.stem_defects.study import windows_of


def run(study: Study) -> None:
    """Audit them; the methods that see less than a window run in another order of folds."""
    windows = windows_of(study)
    cohort = windows.cohort(windows)
    folds = cohort.rows(cohort.read_split(windows.layout.split))
    runners = {
        name: lambda number, one=one: one.predict_fold(folds[number], number, Silent())
        for name, one in controls(cohort).items()
    }
    with threadpool_limits(1):
        audit_cohort(windows, cohort, cohort.take, runners)
