"""Stage `audit`: what a score on these images is worth."""

from collections.abc import Sequence

from threadpoolctl import threadpool_limits

from tmdscope.dataset.splits import FoldParts
from tmdscope.jobs.auditing import Runners, audit_cohort
from tmdscope.jobs.methods import methods_of
from tmdscope.jobs.study import Study
from tmdscope.models.tabular import fold_runners
from tmdscope.scores.cohort import Rows


def run(study: Study) -> None:
    """Audit the cohort; one object trains all folds, as in the study: what it carries over would show."""
    cohort = study.cohort(study)

    def models(rows: Rows, folds: Sequence[FoldParts]) -> Runners:
        methods = methods_of(study, cohort.take(rows))
        return fold_runners({name: methods[name] for name in study.audited or methods}, folds)

    with threadpool_limits(1):  # networks this small spend their time waiting for a second thread
        audit_cohort(study, cohort, cohort.take, models)
