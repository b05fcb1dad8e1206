"""Whether scores rest on enough samples: samples per class, images per sample, what a test class rests on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tmdscope.audit.duplicates import boundaries
from tmdscope.scores.cohort import Cohort, Rows


@dataclass(frozen=True)
class ClassGroups:
    """What one class rests on.

    `effective_samples` is ``(sum n)^2 / sum n^2`` over the samples' numbers of images n: as many samples of
    equal size would weigh alike (Kish, *Survey Sampling*, 1965, section 8.2). `most_images` is of one sample.
    Numbers in the held-out test are None without a split.
    """

    name: str
    images: int
    samples: int
    most_images: int
    effective_samples: float
    test_images: int | None
    test_samples: int | None


@dataclass(frozen=True)
class Groups:
    """What the scores of a data set rest on.

    `shared` maps a boundary of the split to the samples that are on both sides, where there are any.
    """

    classes: list[ClassGroups]
    few: list[str]
    one_sample_tests: list[str]
    two_class_samples: list[str]
    shared: dict[str, list[str]]


def count_groups(cohort: Cohort, parts: Mapping[str, Rows], few_samples: int) -> Groups:
    """Count what each class rests on; `parts` is empty without a split."""
    classes = [_describe(cohort, name, parts.get("test")) for name in cohort.strata]
    faces = pd.Series(cohort.targets).groupby(cohort.sample_ids.astype(str)).nunique()
    sides = {f"{a} | {b}": cohort.shared(parts[a], parts[b]) for a, b in boundaries(parts)}
    return Groups(
        classes=classes,
        few=[found.name for found in classes if found.samples < few_samples],
        one_sample_tests=[found.name for found in classes if found.test_samples == 1],
        two_class_samples=faces.index[faces > 1].tolist() if cohort.classes and not cohort.mixed else [],
        shared={boundary: samples for boundary, samples in sides.items() if samples},
    )


def _describe(cohort: Cohort, name: str, test: Rows | None) -> ClassGroups:
    rows = np.flatnonzero(cohort.stratum == cohort.strata.index(name))
    counts = np.unique(cohort.sample_ids[rows], return_counts=True)[1]
    held_out = None if test is None else np.intersect1d(rows, test)
    return ClassGroups(
        name=name,
        images=len(rows),
        samples=len(counts),
        most_images=int(counts.max(initial=0)),
        effective_samples=float(counts.sum() ** 2 / max(1, (counts**2).sum())),
        test_images=None if held_out is None else len(held_out),
        test_samples=None if held_out is None else len(set(cohort.sample_ids[held_out])),
    )
