"""Stage `audit`: what a score on a source's rows is worth."""

from collections.abc import Sequence
from dataclasses import replace

from threadpoolctl import threadpool_limits

from tmdscope.dataset.columns import NO_ORDER, WARNING
from tmdscope.dataset.splits import FoldParts
from tmdscope.files import read_json, write_json
from tmdscope.jobs.auditing import Runners, audit_cohort
from tmdscope.jobs.study import Study
from tmdscope.models.tabular import FixedMethod, fold_runners
from tmdscope.params.audit import ManifestAuditParams
from tmdscope.scores.cohort import Rows
from tmdscope.studies.growth_temperature.cohorts import nuisances_of
from tmdscope.studies.growth_temperature.params import HonestyParams
from tmdscope.studies.growth_temperature.record import ABSENT
from tmdscope.studies.growth_temperature.sources import source_of


def run(study: Study, source: str) -> None:
    """Audit a source as its features show it; the fixed method runs in another order of folds."""
    own, asked = source_of(study, source), study.section("audit", ManifestAuditParams)
    if (absent := own.layout.tables / ABSENT).is_file():
        write_json(own.layout.audit, read_json(absent))
        print(f"source {source!r} is not audited: {read_json(absent)['why']}")
        return
    cohort, honesty = study.cohort(own), study.section("honesty", HonestyParams)
    known = nuisances_of(cohort)
    named = [name for name in known if name in asked.nuisance or name.startswith(WARNING)]
    if unknown := [name for name in asked.nuisance if name not in known]:
        print(f"source {source!r} knows no {', '.join(unknown)}")
    order = None if asked.order == NO_ORDER else cohort.order
    cohort = replace(cohort, nuisance=known[named] if named else None, order=order)

    def models(rows: Rows, folds: Sequence[FoldParts]) -> Runners:
        method = FixedMethod(cohort.take(rows), honesty.method, honesty.seed)
        return fold_runners({honesty.method.family: method}, folds)

    with threadpool_limits(1):
        audit_cohort(own, cohort, cohort.take, models)
