"""The proof that a split is sound: every image placed once, no sample and no duplicate across parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.splits import Split
from tmdscope.dataset.store import classes_of
from tmdscope.files import broken


@dataclass(frozen=True)
class SplitAudit:
    """What the audit of a split found.

    `problems` make scores on this split wrong: there are none when it is sound. `warnings` make them weak: a
    class that a test or validation part lacks, one image in two classes.
    """

    problems: list[str]
    warnings: list[str]


def count_parts(manifest: pd.DataFrame, split: Split) -> pd.DataFrame:
    """Count the images of the data set by class and part of a split (``test, fold0_train, ...``)."""
    label, images = manifest["label"], pd.Index(manifest["image_id"])
    classes = classes_of(label)
    counted = {
        name: label.iloc[_known_rows(images, ids)].value_counts().reindex(classes, fill_value=0)
        for name, ids in split.parts.items()
    }
    return pd.DataFrame(counted).rename_axis("label")


def audit_split(manifest: pd.DataFrame, split: Split) -> SplitAudit:
    """Check a split against its data set: columns ``image_id, sample_id, label, image_sha256``."""
    images = pd.Index(manifest["image_id"])
    strays = {image for part in split.parts.values() for image in part} - set(images)
    problems = [f"{image!r} is in the split but not in the data set" for image in sorted(strays)]
    rows = {name: _known_rows(images, ids) for name, ids in split.parts.items()}
    problems += _misplaced(list(images), split) + _crossings(manifest, rows, len(split.folds))
    lacking, warnings = _lacking(count_parts(manifest, split))
    return SplitAudit(problems + lacking, warnings + _two_faced(manifest))


def read_split(path: Path, digest: str, manifest: pd.DataFrame) -> Split:
    """Read a split of a data set of some digest and audit it.

    No sample and no identical image is on both sides, and each image once in a fold.
    """
    split = Split.read(path, digest)
    problems = audit_split(manifest, split).problems
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise broken(path, f"is unsound: {problems[0]}{more}")
    return split


def _known_rows(images: pd.Index, ids: Sequence[str]) -> NDArray[np.intp]:
    """Find the rows of the images of a part, each once, without those that the data set does not have."""
    rows = images.get_indexer(np.array(ids, dtype=object))
    return np.unique(rows[rows >= 0])


def _misplaced(image_ids: Sequence[str], split: Split) -> list[str]:
    """Find images that are not exactly once in each fold's train, val and test, or in no fold's val."""
    everything = sorted(image_ids)
    validated = [image for fold in split.folds for image in fold.val]
    problems = []
    if sorted([*split.test, *validated]) != everything:
        problems.append("not every image is exactly once in the test or in one fold's val")
    problems += [
        f"fold {number}: train, val and test do not hold every image exactly once"
        for number, fold in enumerate(split.folds)
        if sorted([*split.test, *fold.train, *fold.val]) != everything
    ]
    return problems


def _crossings(manifest: pd.DataFrame, rows: Mapping[str, NDArray[np.intp]], folds: int) -> list[str]:
    """Find samples and identical images on both sides of a boundary."""
    pairs = [
        pair for n in range(folds) for pair in combinations(("test", f"fold{n}_train", f"fold{n}_val"), 2)
    ]
    problems = []
    for column, what in (("sample_id", "sample"), ("image_sha256", "duplicated image")):
        known = manifest[column].to_numpy(dtype=object)
        values = {name: set(known[own]) for name, own in rows.items()}
        problems += [
            f"{what} {value!r} is in both {left} and {right}"
            for left, right in dict.fromkeys(pairs)
            for value in sorted(values[left] & values[right])
        ]
    return problems


def _lacking(counts: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Find classes without images: a problem in a training part, a warning in a val or test part."""
    problems, warnings = [], []
    for name, row in counts.iterrows():
        lacking = [str(part) for part in row.index[row == 0]]
        untrained = [part for part in lacking if part.endswith("_train")]
        unscored = [part for part in lacking if part not in untrained]
        if untrained:
            problems.append(
                f"no image of {name} in {', '.join(untrained)}; add samples of it, or drop the class"
            )
        if unscored:
            warnings.append(f"no image of {name} in {', '.join(unscored)}: scores there say nothing about it")
    problems += [
        f"no image at all in {part}; lower the number of folds" for part in counts if not counts[part].any()
    ]
    return problems, warnings


def _two_faced(manifest: pd.DataFrame) -> list[str]:
    """Find identical images that carry different labels."""
    faces = manifest.drop_duplicates(["image_sha256", "label"])
    faces = faces[faces["image_sha256"].duplicated(keep=False)].sort_values("image_sha256", kind="stable")
    return [
        f"image {own['image_id'].iloc[0]!r} occurs as " + " and ".join(sorted(own["label"]))
        for _, own in faces.groupby("image_sha256")
    ]
