"""Stage `split`: held-out test and cross-validation folds, written only when the audit finds them sound."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.audit import audit_split
from tmdscope.dataset.columns import read_nuisance, read_order
from tmdscope.dataset.records import PAPER_TEST
from tmdscope.dataset.splits import group_samples, make_split, split_rest
from tmdscope.dataset.store import MANIFEST, Dataset, classes_of, digest_of
from tmdscope.errors import UserError
from tmdscope.files import write_table
from tmdscope.layout import MAIN
from tmdscope.params.audit import ManifestAuditParams
from tmdscope.params.images import DataParams, LatentParams, SplitParams
from tmdscope.params.reading import read_section
from tmdscope.params.rules import sample_problems, volume_problems
from tmdscope.params.sequential import SequentialParams
from tmdscope.stage import run_stage


def main() -> None:
    """Write `data/split.json` and the images of each class in each part."""
    settings = read_section("split", SplitParams)
    manifest = Dataset.load(MAIN.prepared).manifest
    samples = manifest["sample_id"].tolist()
    groups = group_samples(samples, manifest["image_sha256"].tolist())
    merged = sorted({sample for sample, group in zip(samples, groups, strict=True) if sample != group})
    if merged:
        print(f"kept together with another sample, for they share identical images: {', '.join(merged)}")
    # Class indices, the five materials in the paper's order: the order decides ties between samples.
    classes = classes_of(manifest["material"])
    check(settings, manifest, groups)
    labels = [classes.index(name) for name in manifest["material"]]
    images = manifest["image_id"].tolist()
    if settings.test == "paper":
        split = split_rest(labels, groups, images, _paper_test(manifest), settings.folds)
    else:
        split = make_split(labels, groups, images, settings.test_folds, settings.folds)
    audit = audit_split(manifest, split)
    write_table(MAIN.split_counts, audit.counts.reset_index())
    print(audit.counts.to_string())
    print("".join(f"warning: {warning}\n" for warning in audit.warnings), end="")
    if audit.problems:
        raise UserError(f"{MAIN.split} is not written, the split is unsound: " + "; ".join(audit.problems))
    parts = {
        kind: audit.counts.filter(regex=f"^fold.*_{kind}$").min(axis="columns") for kind in ("train", "val")
    }
    fewest = {name: (int(parts["train"][name]), int(parts["val"][name])) for name in audit.counts.index}
    declared = read_section("data", DataParams).classes
    if lacking := volume_problems(read_section("sequential", SequentialParams), declared, fewest):
        raise UserError("params.yaml does not suit the data:" + "".join(f"\n  {line}" for line in lacking))
    split.write(MAIN.split, digest_of(manifest))


def check(settings: SplitParams, manifest: pd.DataFrame, groups: list[str]) -> None:
    """Compare the settings of all later stages with the data, before anything trains.

    A class with too few samples, more folds than samples, a column that the audit asks for and the manifest
    does not have.
    """
    audit = read_section("audit", ManifestAuditParams)
    counts = manifest.assign(group=groups).groupby("material", sort=False)["group"].nunique()
    problems = sample_problems(
        settings, audit, read_section("latent", LatentParams), counts.to_dict(), len(manifest)
    )
    for key, read in (
        ("audit.order", lambda: read_order(manifest, audit.order)),
        ("audit.nuisance", lambda: read_nuisance(manifest, audit.nuisance)),
    ):
        try:
            read()
        except UserError as error:
            problems.append(f"{key}: {error}")
    if problems:
        raise UserError("params.yaml does not suit the data:" + "".join(f"\n  {line}" for line in problems))


def _paper_test(manifest: pd.DataFrame) -> NDArray[np.bool_]:
    if PAPER_TEST not in manifest:
        raise UserError(
            f"split.test is paper, but {MAIN.prepared / MANIFEST} has no column {PAPER_TEST}: only data.source "
            "archive knows the authors' test; set split.test to folds in params.yaml"
        )
    held_out: NDArray[np.bool_] = manifest[PAPER_TEST].to_numpy(dtype=np.bool_)
    return held_out


if __name__ == "__main__":
    run_stage(main)
