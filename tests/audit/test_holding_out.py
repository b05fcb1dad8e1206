"""What is held out never trains, and a control differs from it in its neighbours alone."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audit.studies import BY_CLASS, CLASSES, make_table
from tmdscope.audit.holding_out import (
    HeldOut,
    blocks_over_all,
    blocks_within_classes,
    embargoed,
    matched_training,
    rearranged,
    runs,
)
from tmdscope.scores.cohort import Cohort, cut_blocks


@st.composite
def tables(draw: st.DrawFn) -> Cohort:
    """Samples of several images, some at the same time, some sharing an identical image."""
    samples = draw(st.integers(6, 25))
    times = draw(st.lists(st.integers(0, 12), min_size=samples, max_size=samples))
    labels = draw(st.lists(st.integers(0, 2), min_size=samples, max_size=samples))
    images = draw(st.lists(st.integers(1, 3), min_size=samples, max_size=samples))
    sample = np.repeat(np.arange(samples), images)
    hashes = np.array([f"{row}" for row in range(len(sample))])
    if draw(st.booleans()):
        hashes[-1] = hashes[0]
    return Cohort(
        task=BY_CLASS,
        features=np.random.default_rng(1).normal(size=(len(sample), 4)),
        image_ids=np.arange(len(sample)).astype(str),
        sample_ids=np.array([f"S{k}" for k in sample]),
        targets=np.array(labels)[sample],
        classes=CLASSES,
        image_sha256=hashes,
        order=np.array(times, dtype=np.float64)[sample],
    )


def plans(table: Cohort) -> list[list[HeldOut]]:
    cut = [blocks_over_all(table, 4), blocks_within_classes(table, 4), runs(table, 0.5)]
    return [*cut, embargoed(table, 1), embargoed(table, 3)]


@settings(max_examples=60)
@given(tables())
def test_groups_never_cross(table: Cohort) -> None:
    for plan in plans(table):
        tested = np.concatenate([part.test for part in plan])
        assert sorted(tested) == list(range(len(table.group_stratum)))
        for part in plan:
            assert set(part.test) <= set(part.removed)
            train = table.rows_of(np.setdiff1d(np.arange(len(table.group_stratum)), part.removed))
            test = table.rows_of(part.test)
            assert not set(table.sample_ids[train]) & set(table.sample_ids[test])
            assert not set(table.image_sha256[train]) & set(table.image_sha256[test])


@settings(max_examples=60)
@given(tables(), st.integers(0, 2**32 - 1))
def test_controls_have_as_many_samples_of_each_class(table: Cohort, seed: int) -> None:
    rng = np.random.default_rng(seed)
    everything = np.arange(len(table.group_stratum))
    for plan in plans(table):
        for part in plan:
            outside = np.setdiff1d(everything, part.removed)
            wanted = np.bincount(table.group_stratum[outside], minlength=3)
            for group in part.test:
                train = matched_training(table, part, int(group), rng)
                assert group not in train
                assert np.bincount(table.group_stratum[train], minlength=3).tolist() == wanted.tolist()


@settings(max_examples=60)
@given(tables(), st.integers(0, 2**32 - 1))
def test_rearranging_keeps_what_each_part_holds(table: Cohort, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for plan in plans(table):
        moved = rearranged(table, plan, rng)
        assert sorted(np.concatenate([part.test for part in moved])) == list(range(len(table.group_stratum)))
        for before, after in zip(plan, moved, strict=True):
            assert set(after.test) <= set(after.removed)
            for key in ("test", "removed"):
                counts = [
                    np.bincount(table.group_stratum[getattr(part, key)], minlength=3)
                    for part in (before, after)
                ]
                assert counts[0].tolist() == counts[1].tolist()


def test_controls_keep_neighbours_while_there_are_others() -> None:
    table = make_table(1)
    part = blocks_over_all(table, 6)[2]
    group = int(part.test[0])
    train = matched_training(table, part, group, np.random.default_rng(1))
    assert set(part.removed) - {group} <= set(train)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40), st.integers(1, 12))
def test_blocks_follow_the_order(values: list[int], blocks: int) -> None:
    place = cut_blocks(values, blocks)
    assert place.min() >= 0
    assert place.max() < blocks
    for a, value in enumerate(values):
        for b, other in enumerate(values):
            assert (
                place[a] == place[b]
                if value == other
                else (place[a] <= place[b]) == (value <= other) or (place[a] == place[b])
            )


def test_an_embargo_goes_by_place_and_takes_equal_times() -> None:
    table = replace(make_table(1, samples=6, images=1), order=np.array([0.0, 1, 100, 100, 200, 300]))
    assert [part.removed.tolist() for part in embargoed(table, 1)][:3] == [[0, 1], [0, 1, 2, 3], [1, 2, 3, 4]]


def test_runs_end_at_gaps() -> None:
    table = make_table(1, samples=24, images=1, length=4)
    assert [part.test.tolist() for part in runs(table, 0.75)] == [
        list(range(k, k + 4)) for k in range(0, 24, 4)
    ]
    even = replace(table, order=np.arange(24.0))
    assert len(runs(even, 0.75)) == 1
