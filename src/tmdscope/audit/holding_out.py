"""Ways of holding samples out by their place in an order, and of drawing controls for what is held out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tmdscope.scores.cohort import Cohort, Rows, cut_blocks


@dataclass(frozen=True)
class HeldOut:
    """Samples that are left out together: numbers of the groups to predict, and of those that do not train.

    `removed`, which is rising, includes `test`.
    """

    name: str
    test: Rows
    removed: Rows


def blocks_over_all(cohort: Cohort, blocks: int) -> list[HeldOut]:
    """Cut all samples into contiguous blocks of the order, equal in samples."""
    return _held_out(cut_blocks(cohort.group_order, blocks), "block")


def blocks_within_classes(cohort: Cohort, blocks: int) -> list[HeldOut]:
    """Cut every class's samples into contiguous blocks of the order; part k holds out block k of each.

    A class of at least two samples at different times always trains.
    """
    place = np.zeros(len(cohort.group_stratum), dtype=np.int64)
    for label in np.unique(cohort.group_stratum):
        own = np.flatnonzero(cohort.group_stratum == label)
        place[own] = cut_blocks(cohort.group_order[own], blocks)
    return _held_out(place, "block")


def runs(cohort: Cohort, quantile: float) -> list[HeldOut]:
    """Cut the order where a step between neighbouring, different places is above a quantile of the steps.

    There is one part where all steps are alike.
    """
    times, place = np.unique(cohort.group_order, return_inverse=True)
    steps = np.diff(times)
    if not len(steps):
        return _held_out(np.zeros(len(place), dtype=np.int64), "run")
    run = np.concatenate([[0], np.cumsum(steps > np.quantile(steps, quantile))])
    return _held_out(run[place].astype(np.int64), "run")


def embargoed(cohort: Cohort, width: int) -> list[HeldOut]:
    """Leave out one sample at a time, and with it those that come shortly before and after.

    As many as `width` (at least 1) on either side do not train; those at the same place in the order as the
    last go too.
    """
    sequence = np.sort(cohort.group_order)
    found = []
    for group, time in enumerate(cohort.group_order):
        low = np.searchsorted(sequence, time, "left") - width
        high = np.searchsorted(sequence, time, "right") - 1 + width
        bounds = sequence[[max(low, 0), min(high, len(sequence) - 1)]]
        window = (cohort.group_order >= bounds[0]) & (cohort.group_order <= bounds[1])
        found.append(HeldOut(str(group), np.array([group]), np.flatnonzero(window).astype(np.int64)))
    return found


def matched_training(cohort: Cohort, held: HeldOut, group: int, rng: np.random.Generator) -> Rows:
    """Draw the training samples of a control, group numbers: as many of each class, neighbours kept.

    `group` is the sample to predict, which never trains. Which others do not train is drawn from outside of
    `held.removed` while there are any.
    """
    outside = np.ones(len(cohort.group_stratum), dtype=bool)
    outside[held.removed] = False
    kept = np.ones(len(outside), dtype=bool)
    kept[group] = False
    removed = np.bincount(cohort.group_stratum[held.removed], minlength=len(cohort.strata))
    for label, count in enumerate(removed.tolist()):
        drop = count - int(cohort.group_stratum[group] == label)
        own = kept & (cohort.group_stratum == label)
        far, near = (rng.permutation(np.flatnonzero(own & side)) for side in (outside, ~outside))
        kept[np.concatenate([far, near])[:drop]] = False
    return np.flatnonzero(kept).astype(np.int64)


def rearranged(cohort: Cohort, held: Sequence[HeldOut], rng: np.random.Generator) -> list[HeldOut]:
    """Let the samples of each class change places at random: parts keep their numbers of each class."""
    place = np.arange(len(cohort.group_stratum))
    for label in range(len(cohort.strata)):
        own = np.flatnonzero(cohort.group_stratum == label)
        place[own] = rng.permutation(own)
    return [HeldOut(part.name, place[part.test], np.sort(place[part.removed])) for part in held]


def _held_out(place: Rows, word: str) -> list[HeldOut]:
    parts = [np.flatnonzero(place == number).astype(np.int64) for number in np.unique(place)]
    return [HeldOut(f"{word} {number + 1}", part, part) for number, part in enumerate(parts)]
