"""Stage `audit`: what a score on these images is worth."""

from collections.abc import Callable, Sequence

from threadpoolctl import threadpool_limits

from tmdscope.jobs.auditing import audit_cohort
from tmdscope.jobs.methods import methods_of
from tmdscope.jobs.study import Study
from tmdscope.learn.recorder import Silent
from tmdscope.scores.cohort import Targets


def run(study: Study, names: Sequence[str] | None = None) -> None:
    """Audit the cohort; every method of the study, or those named, runs in another order of folds."""
    cohort = study.cohort(study)
    folds = cohort.rows(cohort.read_split(study.layout.split))
    methods = methods_of(study, cohort)

    def runner(name: str) -> Callable[[int], Targets]:
        """One object trains all folds, as in the study, so that what it carries over would show."""
        return lambda number: methods[name].predict_fold(folds[number], number, Silent())

    with threadpool_limits(1):  # networks this small spend their time waiting for a second thread
        audit_cohort(
            study, cohort, lambda rows: cohort.take(rows), {name: runner(name) for name in names or methods}
        )
