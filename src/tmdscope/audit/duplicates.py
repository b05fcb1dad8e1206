"""Which images are the same, or nearly so: within and across samples, classes and the parts of a split."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics.pairwise import cosine_similarity

from tmdscope.audit.kernel import standardised
from tmdscope.scores.cohort import Cohort, Rows, Values

_FEWEST_PAIRS = 20
_SHOWN = 50
_BLOCK = 256


@dataclass(frozen=True)
class LikePairs:
    """Pairs of like images, in all and across samples, classes and parts.

    `across_parts` maps a boundary (``test | fold0_train`` ...) to the pairs on both sides of it, without
    empty ones; `examples` are rows of the first fifty pairs across samples, the most alike first.
    """

    pairs: int
    across_samples: int
    across_classes: int
    across_parts: dict[str, int]
    examples: list[tuple[int, int]]


@dataclass(frozen=True)
class Duplicates:
    """What the search for duplicates found.

    `distinct` counts images that repeat no other bit for bit, `repeated_by_class` those that repeat an
    earlier one. `threshold` is the cosine above which images are `near` duplicates, set by `within_pairs`
    pairs of distinct images of one sample; both are None where these are too few.
    """

    images: int
    distinct: int
    repeated_by_class: dict[str, int]
    exact: LikePairs
    threshold: float | None
    within_pairs: int
    near: LikePairs | None


def find_duplicates(cohort: Cohort, parts: Mapping[str, Rows], quantile: float) -> Duplicates:
    """Find exact and near duplicates.

    Exact: the same hash. Near: the cosine between the features of two images (unit length, then standardised
    over all images) exceeds a quantile of the same cosine between distinct images of one sample; two
    images of different samples should not be more alike than nearly all of those.
    """
    cosine = cosine_similarity(standardised(cohort.inputs))
    distinct, count = cohort.distinct, len(cohort)
    hashes, samples = (pd.factorize(column)[0] for column in (cohort.image_sha256, cohort.sample_ids))
    one, other = _pairs(count, lambda rows: samples[rows, None] == samples)
    firsts = distinct[one] & distinct[other]
    within = cosine[one[firsts], other[firsts]]
    threshold = float(np.quantile(within, quantile)) if len(within) >= _FEWEST_PAIRS else None
    near = None
    if threshold is not None:
        found = _pairs(count, lambda rows: (cosine[rows] > threshold) & distinct[rows, None] & distinct)
        near = _describe(cohort, parts, *found, cosine)
    same = _pairs(count, lambda rows: hashes[rows, None] == hashes)
    return Duplicates(
        images=len(cohort.targets),
        distinct=int(cohort.distinct.sum()),
        repeated_by_class=cohort.count(np.flatnonzero(~cohort.distinct)),
        exact=_describe(cohort, parts, *same, cosine),
        threshold=threshold,
        within_pairs=len(within),
        near=near,
    )


def _pairs(images: int, alike: Callable[[slice], NDArray[np.bool_]]) -> tuple[Rows, Rows]:
    """Give the first and the second image of pairs that are `alike`: some images, each beside all."""
    found = [(np.zeros(0, np.int64),) * 2]
    for start in range(0, images, _BLOCK):
        one, other = np.nonzero(np.triu(alike(slice(start, start + _BLOCK)), start + 1))
        found.append((start + one, other))
    one, other = (np.concatenate(part) for part in zip(*found, strict=True))
    return one, other


def _describe(cohort: Cohort, parts: Mapping[str, Rows], one: Rows, other: Rows, cosine: Values) -> LikePairs:
    strange = cohort.sample_ids[one] != cohort.sample_ids[other]
    order = np.argsort(-cosine[one, other][strange], kind="stable")[:_SHOWN]
    pairs = zip(one[strange][order].tolist(), other[strange][order].tolist(), strict=True)
    return LikePairs(
        pairs=len(one),
        across_samples=int(strange.sum()),
        across_classes=int((cohort.targets[one] != cohort.targets[other]).sum()),
        across_parts=_crossings(parts, len(cohort.targets), one, other),
        examples=list(pairs),
    )


def _crossings(parts: Mapping[str, Rows], images: int, one: Rows, other: Rows) -> dict[str, int]:
    """Count pairs with one image in each of two parts that no fold may mix."""
    inside = {name: np.isin(np.arange(images), rows) for name, rows in parts.items()}
    crossings = {}
    for left, right in boundaries(parts):
        a, b = inside[left], inside[right]
        count = int(((a[one] & b[other]) | (b[one] & a[other])).sum())
        if count:
            crossings[f"{left} | {right}"] = count
    return crossings


def boundaries(parts: Mapping[str, Rows]) -> list[tuple[str, str]]:
    """List the pairs of parts that may share no sample: test and all others, a fold's train and val."""
    others = [name for name in parts if name != "test"]
    pairs = [("test", name) for name in others if "test" in parts]
    folds = dict.fromkeys(name.rpartition("_")[0] for name in others)
    return pairs + [(f"{fold}_train", f"{fold}_val") for fold in folds]
