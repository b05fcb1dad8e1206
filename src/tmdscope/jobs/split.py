"""Stage `split`: the held-out test and the folds, and whether they are sound."""

import pandas as pd

from tmdscope.dataset.audit import audit_split, count_parts
from tmdscope.dataset.splits import Split, make_split
from tmdscope.errors import UserError
from tmdscope.files import write_table
from tmdscope.jobs.study import Study
from tmdscope.params.common import FoldsParams
from tmdscope.scores.cohort import Cohort


def run(study: Study) -> None:
    """Write the split when the audit finds it sound."""
    cohort = study.cohort(study)
    split = (study.folds or grouped_folds)(study, cohort)
    check_split(study, cohort, split)
    split.write(study.layout.split, cohort.digest)


def grouped_folds(study: Study, cohort: Cohort) -> Split:
    """Hold out a test and cut folds as section `split` says: stratified, and no part shares a sample."""
    asked = study.section("split", FoldsParams)
    ids = cohort.image_ids.tolist()
    return make_split(cohort.stratum, cohort.groups.tolist(), ids, asked.test_folds, asked.folds)


def check_split(study: Study, cohort: Cohort, split: Split) -> pd.DataFrame:
    """Write how many images each part has, and give it; `UserError` where the split is unsound."""
    audit, counts = audit_split(cohort.by_stratum, split), count_parts(cohort.by_stratum, split)
    write_table(study.layout.split_counts, counts.reset_index())
    print(counts.to_string())
    print("".join(f"warning: {warning}\n" for warning in audit.warnings), end="")
    if audit.problems:
        unsound = f"{study.layout.split} is not written, the split is unsound: "
        raise UserError(unsound + "; ".join(audit.problems))
    return counts
