"""Stage `split`: the paper's held-out test and its cross-validation folds."""

from pathlib import Path

from tmdscope.dataset.audit import audit_split
from tmdscope.dataset.published import read_tables
from tmdscope.dataset.splits import make_split
from tmdscope.errors import UserError
from tmdscope.params.common import FoldsParams
from tmdscope.params.reading import read_section
from tmdscope.stage import run_stage

PARAMS = Path("pipelines/published_features/params.yaml")
TABLES = Path("data/published/tables")
SPLIT = Path("data/published/split.json")


def main() -> None:
    """Write `data/published/split.json` when the audit finds it sound."""
    settings = read_section("split", FoldsParams, PARAMS)
    tables = read_tables(TABLES)
    # Class indices in the paper's order, not names: scikit-learn breaks ties between samples by the last
    # bits of a sum over classes, so another order of the classes gives another test of the same size.
    split = make_split(
        tables.labels, tables.sample_ids, tables.image_ids, settings.test_folds, settings.folds
    )
    audit = audit_split(tables.manifest, split)
    print(audit.counts.to_string())
    if audit.problems:
        raise UserError(f"{SPLIT} is not written, the split is unsound: " + "; ".join(audit.problems))
    split.write(SPLIT, tables.digest)


if __name__ == "__main__":
    run_stage(main)
