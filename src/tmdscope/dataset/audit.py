"""The proof that a split is sound: every image placed once, no sample and no duplicate across parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import pandas as pd

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
    label = manifest.set_index("image_id")["label"]
    classes = classes_of(label)
    counted = {
        name: label[label.index.isin(ids)].value_counts().reindex(classes, fill_value=0)
        for name, ids in split.parts.items()
    }
    return pd.DataFrame(counted).rename_axis("label")


def audit_split(manifest: pd.DataFrame, split: Split) -> SplitAudit:
    """Check a split against its data set: columns ``image_id, sample_id, label, image_sha256``."""
    table = manifest.set_index("image_id")
    strays = {image for part in split.parts.values() for image in part} - set(table.index)
    problems = [f"{image!r} is in the split but not in the data set" for image in sorted(strays)]
    parts = {name: table.loc[[i for i in ids if i not in strays]] for name, ids in split.parts.items()}
    problems += _misplaced(list(table.index), split) + _crossings(parts, len(split.folds))
    lacking, warnings = _lacking(count_parts(manifest, split))
    return SplitAudit(problems + lacking, warnings + _two_faced(table))


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


def _crossings(parts: Mapping[str, pd.DataFrame], folds: int) -> list[str]:
    """Find samples and identical images on both sides of a boundary."""
    pairs = [
        pair for n in range(folds) for pair in combinations(("test", f"fold{n}_train", f"fold{n}_val"), 2)
    ]
    problems = []
    for column, what in (("sample_id", "sample"), ("image_sha256", "duplicated image")):
        values = {name: set(part[column]) for name, part in parts.items()}
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


def _two_faced(table: pd.DataFrame) -> list[str]:
    """Find identical images that carry different labels."""
    faces = table.groupby("image_sha256")["label"].unique()
    return [
        f"image {table.index[table['image_sha256'] == sha256][0]!r} occurs as " + " and ".join(sorted(names))
        for sha256, names in faces[faces.map(len) > 1].items()
    ]
