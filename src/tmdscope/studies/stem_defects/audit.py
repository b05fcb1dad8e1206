"""Stage `audit`: what a score on these windows is worth."""

from collections.abc import Sequence

from threadpoolctl import threadpool_limits

from tmdscope.dataset.splits import FoldParts
from tmdscope.jobs.auditing import Runners, audit_cohort
from tmdscope.jobs.study import Study
from tmdscope.models.tabular import fold_runners
from tmdscope.scores.cohort import Rows
from tmdscope.studies.stem_defects.controls import controls
from tmdscope.studies.stem_defects.study import windows_of


def run(study: Study) -> None:
    """Audit them; the methods that see less than a window run in another order of folds."""
    windows = windows_of(study)
    cohort = windows.cohort(windows)

    def models(rows: Rows, folds: Sequence[FoldParts]) -> Runners:
        return fold_runners(controls(cohort.take(rows)), folds)

    with threadpool_limits(1):
        audit_cohort(windows, cohort, cohort.take, models)
