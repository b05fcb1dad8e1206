"""Stage `split`: held-out test and cross-validation folds, written only when the audit finds them sound."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.columns import read_nuisance, read_order
from tmdscope.dataset.records import PAPER_TEST
from tmdscope.dataset.splits import make_split, split_rest
from tmdscope.dataset.store import MANIFEST, Dataset, classes_of
from tmdscope.errors import UserError
from tmdscope.jobs.split import check_split
from tmdscope.jobs.study import Study
from tmdscope.params.audit import ManifestAuditParams
from tmdscope.params.images import LatentParams, SplitParams
from tmdscope.params.rules import sample_problems, volume_problems
from tmdscope.params.sequential import SequentialParams


def run(study: Study) -> None:
    """Write `data/split.json` and the images of each class in each part."""
    settings = study.section("split", SplitParams)
    cohort, manifest = study.cohort(study), Dataset.load(study.layout.prepared).manifest
    samples, groups = manifest["sample_id"].tolist(), cohort.groups.tolist()
    merged = sorted({sample for sample, group in zip(samples, groups, strict=True) if sample != group})
    if merged:
        print(f"kept together with another sample, for they share identical images: {', '.join(merged)}")
    # Class indices, the five materials in the paper's order: the order decides ties between samples.
    classes = classes_of(manifest["label"])
    check(study, settings, manifest, groups)
    labels = [classes.index(name) for name in manifest["label"]]
    images = manifest["image_id"].tolist()
    if settings.test == "paper":
        split = split_rest(labels, groups, images, _paper_test(study, manifest), settings.folds)
    else:
        split = make_split(labels, groups, images, settings.test_folds, settings.folds)
    counts = check_split(study, cohort, split)
    parts = {kind: counts.filter(regex=f"^fold.*_{kind}$").min(axis="columns") for kind in ("train", "val")}
    fewest = {name: (int(parts["train"][name]), int(parts["val"][name])) for name in counts.index}
    refuse(volume_problems(study.section("sequential", SequentialParams), cohort.classes, fewest))
    split.write(study.layout.split, cohort.digest)


def check(study: Study, settings: SplitParams, manifest: pd.DataFrame, groups: list[str]) -> None:
    """Compare the settings of all later stages with the data, before anything trains.

    A class with too few samples, more folds than samples, a column that the audit asks for and the manifest
    does not have.
    """
    audit = study.section("audit", ManifestAuditParams)
    counts = manifest.assign(group=groups).groupby("label", sort=False)["group"].nunique()
    problems = sample_problems(
        settings, audit, study.section("latent", LatentParams), counts.to_dict(), len(manifest)
    )
    for key, read in (
        ("audit.order", lambda: read_order(manifest, audit.order)),
        ("audit.nuisance", lambda: read_nuisance(manifest, audit.nuisance)),
    ):
        try:
            read()
        except UserError as error:
            problems.append(f"{key}: {error}")
    refuse(problems)


def refuse(problems: list[str]) -> None:
    """Raise a `UserError` that lists all problems, if there is any."""
    if problems:
        raise UserError("params.yaml does not suit the data:" + "".join(f"\n  {line}" for line in problems))


def _paper_test(study: Study, manifest: pd.DataFrame) -> NDArray[np.bool_]:
    if PAPER_TEST not in manifest:
        raise UserError(
            f"split.test is paper, but {study.layout.prepared / MANIFEST} has no column {PAPER_TEST}: only "
            "data.source archive knows the authors' test; set split.test to folds in params.yaml"
        )
    held_out: NDArray[np.bool_] = manifest[PAPER_TEST].to_numpy(dtype=np.bool_)
    return held_out
