"""The report of any study on a table of features, of classes or of numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tmdscope.audit.record import Audit
from tmdscope.dataset.splits import Split
from tmdscope.jobs.study import Study
from tmdscope.report.answer import answer, without_looking
from tmdscope.report.page import Claim
from tmdscope.report.part import Part, Report
from tmdscope.report.sections.audit import AuditPart
from tmdscope.report.sections.classifiers import Classifiers, Confusion, Families, PooledPart, PublishedScores
from tmdscope.report.sections.data import TableData
from tmdscope.report.sections.provenance import Provenance, Reproduction, Run, read_runs
from tmdscope.report.text import readable
from tmdscope.run_record import StageRuns
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.records import ClassifierScores, FamilySearch, StudyScores
from tmdscope.scores.text import capital, plural


@dataclass(frozen=True)
class TableParts:
    """What the stages of every study on a table left; `called` is how a reader calls its methods."""

    cohort: Cohort
    split: Split
    scores: Mapping[str, ClassifierScores]
    search: FamilySearch
    audit: AuditPart
    runs: list[Run]
    called: Mapping[str, str]

    def data(self, **words: Any) -> TableData:
        """Say what the rows are, in these words, and the first scores on them."""
        pooled = {
            self.called.get(name, name).partition(":")[0]: score.pooled for name, score in self.scores.items()
        }
        pooled["searched, nested"] = self.search.pooled
        return TableData(self.cohort, self.split, pooled, len(self.search.folds), **words)

    def methods(self, published: Mapping[str, PublishedScores] = {}, blind: Sequence[str] = ()) -> list[Part]:
        """Score the methods over folds, pooled, and beside searches, where `blind` ones see no features."""
        task, test, folds = self.cohort.task, len(self.split.test), len(self.split.folds)
        rows, pooled = plural(self.cohort.row), {name: score.pooled for name, score in self.scores.items()}
        fixed = {self.called.get(name, name): one for name, one in pooled.items() if name not in blind}
        return [
            Classifiers(task, self.scores, self.audit.order(), test, folds, rows, self.called, published),
            PooledPart(task, pooled, len(self.search.folds), self.cohort.row, self.called),
            Families(task, self.search, fixed, rows),
        ]

    def answer(self, subject: str, what: str, rows: str, blind: Mapping[str, str] = {}) -> Claim:
        """Say what a method does that a search chose without seeing the rows, beside what sees none of them.

        `blind` is what a reader calls methods that see no features.
        """
        task, targets = self.cohort.task, self.cohort.targets
        beside = {task.unseen: without_looking(task, targets, targets)}
        known = {words: self.scores[name].pooled.all for name, words in blind.items() if name in self.scores}
        beside |= {words: found.values[task.told.name] for words, found in known.items()}
        return answer(task, self.search.pooled.all, beside, subject, what, rows)

    def confusion(self, blind: Sequence[str] = ()) -> list[Part]:
        """Count which class is taken for which; nothing of numbers."""
        of = self.cohort
        told = len(self.search.folds), plural(of.row), self.called, blind
        return [Confusion.pooled(of.task, self.scores, of.classes, *told)] * bool(of.classes)


def read_parts(study: Study, cohort: Cohort, called: Mapping[str, str] = {}) -> TableParts:
    """Read what the stages left; what is damaged or of other data is refused."""
    layout, of, of_data = study.layout, study.of(cohort.digest), {"data": cohort.digest}
    audit = Audit.read(layout.audit, cohort.task, of)
    runs = [
        *read_runs(StageRuns.read(layout.run, of)),
        *read_runs(StageRuns.read(layout.search_run, of_data)),
        Run.of(audit.origin, "audit", audit.run_id or ""),
    ]
    return TableParts(
        cohort,
        cohort.read_split(layout.split),
        StudyScores.read(layout.scores, of).classifiers,
        FamilySearch.read(layout.search, of_data),
        AuditPart(audit),
        runs,
        called,
    )


def table_report(study: Study) -> Report:
    """Make the report from what the stages left."""
    cohort, settings = study.cohort(study), study.layout.settings
    left = read_parts(study, cohort)
    data = left.data(
        kind=plural(cohort.row),
        seen_as="",
        about="Rows of features. Stratified folds that share no sample, not shuffled, unless the study says "
        f"otherwise; settings: {settings}.",
        each=capital(cohort.task.stratum),
    )
    conditions = (
        f"The command runs every stage that is not up to date, under the settings of {settings} of that "
        "commit. Another processor or version of a library may change the last digits."
    )
    return Report(
        title=capital(readable(study.name)),
        lead="Methods on a table of features, and what their scores are worth.",
        answer=left.answer("a method that a search chose", "class" if cohort.classes else "value", "rows"),
        parts=[
            *(data, left.audit, *left.methods(), *left.confusion()),
            Provenance(left.runs, f"Data set SHA-256 {cohort.digest}."),
            Reproduction(left.runs, f"dvc repro {settings.with_name('dvc.yaml')}", conditions),
        ],
    )
