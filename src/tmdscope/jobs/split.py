"""Stage `split`: the held-out test and the folds, and whether they are sound."""

from tmdscope.dataset.audit import SplitAudit, audit_split
from tmdscope.dataset.splits import Split
from tmdscope.errors import UserError
from tmdscope.files import write_table
from tmdscope.jobs.study import Study
from tmdscope.scores.cohort import Cohort


def run(study: Study) -> None:
    """Write the split when the audit finds it sound."""
    cohort = study.cohort(study)
    split = study.folds(study, cohort)
    check_split(study, cohort, split)
    split.write(study.layout.split, cohort.digest)


def check_split(study: Study, cohort: Cohort, split: Split) -> SplitAudit:
    """Write how many images each part has; `UserError` where the split is unsound."""
    audit = audit_split(cohort.manifest, split)
    write_table(study.layout.split_counts, audit.counts.reset_index())
    print(audit.counts.to_string())
    print("".join(f"warning: {warning}\n" for warning in audit.warnings), end="")
    if audit.problems:
        unsound = f"{study.layout.split} is not written, the split is unsound: "
        raise UserError(unsound + "; ".join(audit.problems))
    return audit
