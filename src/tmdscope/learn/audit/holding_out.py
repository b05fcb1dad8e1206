"""Ways of holding samples out by their place in an order, and of drawing controls for what is held out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tmdscope.learn.audit.table import AuditTable, Rows


@dataclass(frozen=True)
class HeldOut:
    """Samples that are left out together.

    Attributes
    ----------
    name : str
        Shown in tables.
    test : numpy.ndarray
        Numbers of the groups to predict, int64.
    removed : numpy.ndarray
        Numbers of the groups that do not train, int64, rising; they include `test`.
    """

    name: str
    test: Rows
    removed: Rows


def cut_blocks(values: Sequence[float] | np.ndarray, blocks: int) -> Rows:
    """Cut numbers into blocks of equal counts, in their order; equal numbers stay together.

    Parameters
    ----------
    values : sequence of float
        Shape (S,).
    blocks : int
        How many, at least 1.

    Returns
    -------
    numpy.ndarray
        Block of each, from 0, int64, shape (S,); some blocks may be empty.
    """
    sequence = np.sort(np.asarray(values, dtype=np.float64))
    rank = np.searchsorted(sequence, values)
    return (rank * blocks // max(1, len(sequence))).astype(np.int64)


def blocks_over_all(table: AuditTable, blocks: int) -> list[HeldOut]:
    """Cut all samples into contiguous blocks of the order.

    Parameters
    ----------
    table : AuditTable
        The data set.
    blocks : int
        How many, equal in samples.

    Returns
    -------
    list of HeldOut
        Every sample is in one.
    """
    return _held_out(cut_blocks(table.group_order, blocks), "block")


def blocks_within_classes(table: AuditTable, blocks: int) -> list[HeldOut]:
    """Cut every class's samples into contiguous blocks of the order; part k holds out block k of each.

    Parameters
    ----------
    table : AuditTable
        The data set.
    blocks : int
        How many.

    Returns
    -------
    list of HeldOut
        Every sample is in one; a class of at least two samples at different times always trains.
    """
    place = np.zeros(len(table.group_class), dtype=np.int64)
    for label in np.unique(table.group_class):
        own = np.flatnonzero(table.group_class == label)
        place[own] = cut_blocks(table.group_order[own], blocks)
    return _held_out(place, "block")


def runs(table: AuditTable, quantile: float) -> list[HeldOut]:
    """Cut the order where a step to the next sample is larger than most.

    Parameters
    ----------
    table : AuditTable
        The data set.
    quantile : float
        Of the steps between neighbouring, different places in the order; a larger step ends a run.

    Returns
    -------
    list of HeldOut
        Every sample is in one; one part where all steps are alike.
    """
    times, place = np.unique(table.group_order, return_inverse=True)
    steps = np.diff(times)
    if not len(steps):
        return _held_out(np.zeros(len(place), dtype=np.int64), "run")
    run = np.concatenate([[0], np.cumsum(steps > np.quantile(steps, quantile))])
    return _held_out(run[place].astype(np.int64), "run")


def embargoed(table: AuditTable, width: int) -> list[HeldOut]:
    """Leave out one sample at a time, and with it those that come shortly before and after.

    Parameters
    ----------
    table : AuditTable
        The data set.
    width : int
        How many samples on either side do not train, at least 1; those at the same place in the order as the
        last go too.

    Returns
    -------
    list of HeldOut
        One per sample.
    """
    sequence = np.sort(table.group_order)
    found = []
    for group, time in enumerate(table.group_order):
        low = np.searchsorted(sequence, time, "left") - width
        high = np.searchsorted(sequence, time, "right") - 1 + width
        bounds = sequence[[max(low, 0), min(high, len(sequence) - 1)]]
        window = (table.group_order >= bounds[0]) & (table.group_order <= bounds[1])
        found.append(HeldOut(str(group), np.array([group]), np.flatnonzero(window).astype(np.int64)))
    return found


def matched_training(table: AuditTable, held: HeldOut, group: int, rng: np.random.Generator) -> Rows:
    """Draw the training samples of a control: as many of each class, neighbours kept.

    Parameters
    ----------
    table : AuditTable
        The data set.
    held : HeldOut
        What is held out.
    group : int
        The sample to predict, which never trains.
    rng : numpy.random.Generator
        Chooses which others do not train: from outside of `held.removed` while there are any.

    Returns
    -------
    numpy.ndarray
        Numbers of the groups to train on, int64, rising; of each class as many as outside of `held.removed`.
    """
    outside = np.ones(len(table.group_class), dtype=bool)
    outside[held.removed] = False
    kept = np.ones(len(outside), dtype=bool)
    kept[group] = False
    for label, count in enumerate(np.bincount(table.group_class[held.removed], minlength=len(table.classes))):
        drop = int(count) - int(table.group_class[group] == label)
        own = kept & (table.group_class == label)
        far, near = (rng.permutation(np.flatnonzero(own & side)) for side in (outside, ~outside))
        kept[np.concatenate([far, near])[:drop]] = False
    return np.flatnonzero(kept).astype(np.int64)


def rearranged(table: AuditTable, held: Sequence[HeldOut], rng: np.random.Generator) -> list[HeldOut]:
    """Let the samples of each class change places at random.

    Parameters
    ----------
    table : AuditTable
        The data set.
    held : sequence of HeldOut
        The campaigns.
    rng : numpy.random.Generator
        Chooses the places.

    Returns
    -------
    list of HeldOut
        The same numbers of samples of each class in each part, whatever their time.
    """
    place = np.arange(len(table.group_class))
    for label in range(len(table.classes)):
        own = np.flatnonzero(table.group_class == label)
        place[own] = rng.permutation(own)
    return [HeldOut(part.name, place[part.test], np.sort(place[part.removed])) for part in held]


def _held_out(place: Rows, word: str) -> list[HeldOut]:
    parts = [np.flatnonzero(place == number).astype(np.int64) for number in np.unique(place)]
    return [HeldOut(f"{word} {number + 1}", part, part) for number, part in enumerate(parts)]
