"""Whether scores rest on enough samples: samples per class, images per sample, what a test class rests on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tmdscope.learn.audit.duplicates import boundaries
from tmdscope.learn.audit.table import AuditTable, Rows


@dataclass(frozen=True)
class ClassGroups:
    """What one class rests on.

    Attributes
    ----------
    name : str
        The class.
    images, samples : int
        How many it has.
    most_images : int
        Of one sample.
    effective_samples : float
        ``(sum n)^2 / sum n^2`` over the samples' numbers of images n: as many samples of equal size would
        weigh alike (Kish, *Survey Sampling*, 1965, section 8.2).
    test_images, test_samples : int or None
        In the held-out test; None without a split.
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

    Attributes
    ----------
    classes : list of ClassGroups
        In label order.
    few : list of str
        Classes with fewer samples than the least.
    one_sample_tests : list of str
        Classes that the test holds from one sample only.
    two_class_samples : list of str
        Samples with images of more than one class.
    shared : dict
        Boundary of the split to the samples that are on both sides; empty where none is.
    """

    classes: list[ClassGroups]
    few: list[str]
    one_sample_tests: list[str]
    two_class_samples: list[str]
    shared: dict[str, list[str]]


def count_groups(table: AuditTable, parts: Mapping[str, Rows], few_samples: int) -> Groups:
    """Count what each class rests on.

    Parameters
    ----------
    table : AuditTable
        The data set.
    parts : mapping
        Name of a split's part to its rows; empty without a split.
    few_samples : int
        A class with fewer samples rests on few.

    Returns
    -------
    Groups
        Counts, and the classes and samples to look at.
    """
    test = parts.get("test")
    classes = [_describe(table, k, test) for k in range(len(table.classes))]
    faces: dict[str, set[int]] = {}
    for sample, label in zip(table.sample_ids.tolist(), table.labels.tolist(), strict=True):
        faces.setdefault(str(sample), set()).add(label)
    shared = {}
    for left, right in boundaries(parts):
        common = set(table.sample_ids[parts[left]]) & set(table.sample_ids[parts[right]])
        if common:
            shared[f"{left} | {right}"] = sorted(map(str, common))
    return Groups(
        classes=classes,
        few=[found.name for found in classes if found.samples < few_samples],
        one_sample_tests=[found.name for found in classes if found.test_samples == 1],
        two_class_samples=sorted(sample for sample, labels in faces.items() if len(labels) > 1),
        shared=shared,
    )


def _describe(table: AuditTable, label: int, test: Rows | None) -> ClassGroups:
    rows = np.flatnonzero(table.labels == label)
    counts = np.unique(table.sample_ids[rows], return_counts=True)[1]
    held_out = None if test is None else np.intersect1d(rows, test)
    return ClassGroups(
        name=table.classes[label],
        images=len(rows),
        samples=len(counts),
        most_images=int(counts.max(initial=0)),
        effective_samples=float(counts.sum() ** 2 / max(1, (counts**2).sum())),
        test_images=None if held_out is None else len(held_out),
        test_samples=None if held_out is None else len(set(table.sample_ids[held_out])),
    )
