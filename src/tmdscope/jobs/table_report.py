"""The report of any study on a table of features, of classes or of numbers."""

from tmdscope.audit.record import Audit
from tmdscope.jobs.study import Study
from tmdscope.record import read_record
from tmdscope.report.part import Part, Report
from tmdscope.report.sections.audit import AuditPart
from tmdscope.report.sections.classifiers import Classifiers, Families, PooledPart
from tmdscope.report.sections.confusion import Confusion
from tmdscope.report.sections.provenance import Provenance, Reproduction, Run, read_runs
from tmdscope.report.sections.table_data import TableData
from tmdscope.report.text import readable
from tmdscope.scores.records import FamilySearch, StudyScores
from tmdscope.scores.text import capital


def table_report(study: Study) -> Report:
    """Make the report from what the stages left."""
    layout, cohort = study.layout, study.cohort(study)
    task, of, of_data = cohort.task, study.of(cohort.digest), {"data": cohort.digest}
    split = cohort.read_split(layout.split)
    scores = StudyScores.read(layout.scores, of).classifiers
    search = FamilySearch.read(layout.search, of_data)
    audit = AuditPart(Audit.read(layout.audit, task, of))
    pooled, outer = {name: score.pooled for name, score in scores.items()}, len(search.folds)
    data = TableData(
        cohort,
        split,
        {**pooled, "searched, nested": search.pooled},
        outer,
        kind="rows",
        seen_as="",
        about="Rows of features. Stratified folds that share no sample, not shuffled, unless the study says "
        f"otherwise; settings: {layout.settings}.",
        each="Class" if cohort.classes else "Range",
    )
    runs = [
        *read_runs(read_record(layout.run, of)),
        *read_runs(read_record(layout.search_run, of_data)),
        Run.of(vars(audit.found), "audit"),
    ]
    conditions = (
        f"The command runs every stage that is not up to date, under the settings of {layout.settings} of "
        "that commit. Another processor or version of a library may change the last digits."
    )
    confusion: list[Part] = [Confusion.pooled(task, scores, cohort.classes, outer)] if cohort.classes else []
    return Report(
        title=capital(readable(study.name)),
        lead="Methods on a table of features, and what their scores are worth.",
        parts=[
            *(data, audit),
            Classifiers(task, scores, audit.order(), len(split.test), len(split.folds)),
            PooledPart(task, pooled, outer),
            Families(task, search, pooled),
            *confusion,
            Provenance(runs, f"Data set SHA-256 {cohort.digest}."),
            Reproduction(runs, f"dvc repro {layout.settings.with_name('dvc.yaml')}", conditions),
        ],
        said=[data, audit],
    )
