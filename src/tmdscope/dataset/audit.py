"""The proof that a split is sound: every image placed once, no sample and no duplicate across parts."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.splits import Split
from tmdscope.dataset.store import classes_of
from tmdscope.files import broken
from tmdscope.memory import give_back_freed_memory

Rows = NDArray[np.intp]


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
    return _counts(manifest, _places(manifest, split))


def audit_split(manifest: pd.DataFrame, split: Split) -> SplitAudit:
    """Check a split against its data set: columns ``image_id, sample_id, label, image_sha256``."""
    places = _places(manifest, split)
    strays = {
        split.parts[name][at] for name, rows in places.items() for at in np.flatnonzero(rows < 0).tolist()
    }
    problems = [f"{image!r} is in the split but not in the data set" for image in sorted(strays)]
    folds = len(split.folds)
    problems += _misplaced(places, len(manifest), folds) + _crossings(manifest, places, folds)
    lacking, warnings = _lacking(_counts(manifest, places))
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
    give_back_freed_memory()
    return split


def _places(manifest: pd.DataFrame, split: Split) -> dict[str, Rows]:
    """Find the row of every image of each part, in its order; -1: the data set does not have it."""
    images = pd.Index(manifest["image_id"].to_numpy(dtype=object))
    return {name: images.get_indexer(np.array(ids, dtype=object)) for name, ids in split.parts.items()}


def _known(rows: Rows) -> Rows:
    """Give the rows of the images of a part, each once."""
    return np.flatnonzero(np.bincount(rows[rows >= 0]))


def _counts(manifest: pd.DataFrame, places: Mapping[str, Rows]) -> pd.DataFrame:
    """Count the images by class and part."""
    classes = classes_of(manifest["label"])
    index = pd.Index(list(classes), name="label")
    label, most = index.get_indexer(manifest["label"]), len(classes)
    counted = {name: np.bincount(label[_known(rows)], minlength=most) for name, rows in places.items()}
    return pd.DataFrame(counted, index=index)


def _misplaced(places: Mapping[str, Rows], images: int, folds: int) -> list[str]:
    """Find images that are not exactly once in each fold's train, val and test, or in no fold's val."""

    def is_whole(*parts: str) -> bool:
        rows = np.concatenate([places[part] for part in parts])
        return bool(np.array_equal(np.sort(rows), np.arange(images)))

    problems = []
    if not is_whole("test", *(f"fold{number}_val" for number in range(folds))):
        problems.append("not every image is exactly once in the test or in one fold's val")
    problems += [
        f"fold {number}: train, val and test do not hold every image exactly once"
        for number in range(folds)
        if not is_whole("test", f"fold{number}_train", f"fold{number}_val")
    ]
    return problems


def _crossings(manifest: pd.DataFrame, places: Mapping[str, Rows], folds: int) -> list[str]:
    """Find samples and identical images on both sides of a boundary."""
    pairs = [
        pair for n in range(folds) for pair in combinations(("test", f"fold{n}_train", f"fold{n}_val"), 2)
    ]
    problems = []
    for column, what in (("sample_id", "sample"), ("image_sha256", "duplicated image")):
        number, names = pd.factorize(manifest[column].to_numpy(dtype=object))
        values = {name: np.unique(number[_known(rows)]) for name, rows in places.items()}
        problems += [
            f"{what} {value!r} is in both {left} and {right}"
            for left, right in dict.fromkeys(pairs)
            for value in sorted(names[np.intersect1d(values[left], values[right], assume_unique=True)])
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
