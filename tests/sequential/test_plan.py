"""Which images a training sees: what a volume takes, and that no fold's validation leaks into its past."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.sequential.small import CLASSES, ORDER, params
from tmdscope.dataset.splits import FoldParts
from tmdscope.errors import UserError
from tmdscope.materials import MATERIALS
from tmdscope.sequential.outcome import seen_share
from tmdscope.sequential.plan import Plan, Rows, Training, make_plan, stage_parts

ARMS = ("sequential", "direct", "direct-equal-budget")


def plan_of(**changes: Any) -> Plan:
    return make_plan(params(**changes), CLASSES)


def trainings(plan: Plan, **wanted: Any) -> list[Training]:
    """Those with some attributes, such as ``arm``, ``volume``, ``seed`` or ``materials``."""
    count = wanted.pop("materials", None)
    return [
        training
        for training in plan.trainings
        if all(getattr(training, key) == value for key, value in wanted.items())
        and count in (None, len(training.stage.classes))
    ]


def deal(
    sizes: Sequence[Sequence[int]], folds: int, tested: int, grouped: bool, seed: int = 0
) -> tuple[Rows, np.ndarray[Any, Any], list[FoldParts]]:
    """Deal classes, given as sizes of samples, to a test and folds: by samples, or by images."""
    rng = np.random.default_rng(seed)
    counts = [(label, size) for label, own in enumerate(sizes) for size in own]
    labels = np.repeat([label for label, _ in counts], [size for _, size in counts])
    ids = np.repeat(np.arange(len(counts)), [size for _, size in counts])
    places = np.empty(len(labels), dtype=np.int64)
    for label, own in enumerate(sizes):
        rows = np.flatnonzero(labels == label)
        units = ids[rows] if grouped else rows
        names, unit = np.unique(units, return_inverse=True)
        place = rng.permutation(np.arange(len(names)) % (folds + tested))
        places[rows] = place[unit]
        assert len(own)
    rows = rng.permutation(len(labels))  # of no order
    test, rest = rows[places[rows] >= folds], rows[places[rows] < folds]
    parts = [FoldParts(rest[places[rest] != k], rest[places[rest] == k], test) for k in range(folds)]
    return labels.astype(np.int64), np.array([f"s{number:03d}" for number in ids]), parts


def large(images: int = 5, classes: int = 4) -> tuple[Rows, np.ndarray[Any, Any], list[FoldParts]]:
    """Five folds of 50 images of every class."""
    return deal([[images] * (300 // images)] * classes, folds=5, tested=1, grouped=True)


def test_stages_add_one_class_after_another() -> None:
    plan = make_plan(params(order=[], encodings=["multilabel"]), MATERIALS)
    assert [stage.classes for stage in plan.stages] == [
        MATERIALS[:2],
        MATERIALS[:3],
        MATERIALS[:4],
        MATERIALS,
    ]
    assert [stage.added for stage in plan.stages] == ["", *MATERIALS[2:]]
    assert [stage.number for stage in plan.stages] == [0, 1, 2, 3]
    assert plan.stages[-1].name == "5-materials"
    assert plan.order == MATERIALS


def test_the_first_stage_is_trained_once_and_every_other_beside_its_controls() -> None:
    plan = plan_of(volumes=["full", 16], encodings=["multiclass", "multilabel"], seeds=[1, 2])
    assert len(set(plan.trainings)) == len(plan.trainings) == 2 * 2 * (1 + 2 * (2 * 3 + 1))
    assert {(t.arm, t.volume) for t in plan.trainings if t.stage.number == 0} == {("sequential", "full")}
    for count in (3, 4):
        for seed in (1, 2):
            own = trainings(plan, materials=count, seed=seed, encoding="multilabel")
            wanted = {(arm, volume) for arm in ARMS for volume in ("full", 16)} | {("other-start", "full")}
            assert {(t.arm, t.volume) for t in own} == wanted
    assert not trainings(plan_of(measure_leak=False), arm="other-start")


def test_names_tell_trainings_apart() -> None:
    plan = plan_of(volumes=["full", 16], encodings=["multiclass", "multilabel"], seeds=[1, 2])
    assert len({(t.sequence, t.name) for t in plan.trainings}) == len(plan.trainings)
    assert {t.sequence for t in trainings(plan, seed=2, encoding="multilabel")} == {"sequential-multilabel-2"}
    (one,) = trainings(plan_of(volumes=["full", 16]), arm="direct", volume=16, materials=3)
    assert one.name == "3-materials-16-direct"


def test_labels_are_numbers_in_the_order_of_coming() -> None:
    plan = plan_of(order=["WSe2", "MoS2", "WS2"])
    assert plan.label(["MoS2", "WS2", "WSe2", "MoSe2", "MoS2"]).tolist() == [1, 2, 0, 3, 1]


@pytest.mark.parametrize("volume", ["full", 8])
def test_a_stage_starts_from_the_full_one_before_it(volume: Any) -> None:
    plan = plan_of(seeds=[1, 2], encodings=["multiclass", "multilabel"])
    for training in trainings(plan, arm="sequential", volume=volume):
        parent = plan.parent(training)
        if training.stage.number == 0:
            assert parent is None
        else:
            before = plan.stages[training.stage.number - 1]
            assert parent == replace(training, stage=before, volume="full")
            assert parent in plan.trainings


def test_controls_start_from_nothing() -> None:
    plan = plan_of()
    controls = [t for t in plan.trainings if t.arm.startswith("direct")]
    assert len(controls) == 8
    assert {plan.parent(training) for training in controls} == {None}


def test_the_other_start_has_a_chain_of_its_own_that_begins_with_the_first_stage() -> None:
    plan = plan_of()
    first, second = trainings(plan, arm="other-start")
    assert plan.parent(second) == first
    assert plan.parent(first) == trainings(plan, materials=2)[0]


@pytest.mark.parametrize(("start", "leaking"), [("fold", "other-start"), ("paper", "sequential")])
def test_the_papers_start_takes_every_fold_from_one(start: Any, leaking: str) -> None:
    plan = plan_of(start=start, paper_fold=2)
    for training in plan.trainings:
        if plan.parent(training) is not None:
            found = [plan.starting_fold(training, fold) for fold in range(4)]
            assert found == ([2, 2, 2, 2] if training.arm == leaking else [0, 1, 2, 3])


def test_the_equal_budget_is_the_epochs_of_all_stages_so_far() -> None:
    plan = plan_of()
    epochs = {(t.arm, len(t.stage.classes)): plan.epochs(t, 7) for t in plan.trainings}
    assert {arm: [epochs[arm, count] for count in (3, 4)] for arm in ARMS} == {
        "sequential": [7, 7],
        "direct": [7, 7],
        "direct-equal-budget": [14, 21],
    }


def added_counts(volume: Any, reduce_by: str = "sample") -> set[tuple[int, int]]:
    """Images of the added class in training and validation, in all folds of both later stages."""
    plan = plan_of(volumes=["full", volume], reduce_by=reduce_by)
    labels, samples, folds = large()
    return {
        (
            int((labels[part.train] == training.stage.number + 1).sum()),
            int((labels[part.val] == training.stage.number + 1).sum()),
        )
        for training in trainings(plan, arm="sequential", volume=volume)
        if training.stage.number
        for part in stage_parts(training, folds, labels, samples, plan.params)
    }


@pytest.mark.parametrize("reduce_by", ["sample", "image"])
@pytest.mark.parametrize(
    ("volume", "parts"),
    [
        (64, (57, 7)), (32, (28, 4)), (16, (13, 3)), (8, (6, 2)),  # the paper's
        (4, (2, 2)), (5, (3, 2)), (24, (21, 3)), (40, (35, 5)), (80, (70, 10)), (160, (140, 20)),
    ],
)  # fmt: skip
def test_a_volume_takes_so_many_images(volume: int, parts: tuple[int, int], reduce_by: str) -> None:
    assert added_counts(volume, reduce_by) == {parts}


@settings(max_examples=20)
@given(st.integers(4, 200))
def test_a_volume_is_an_eighth_validation_and_at_least_two_images(volume: int) -> None:
    ((train, val),) = added_counts(volume)
    assert train + val == volume
    assert train >= 2
    assert val >= 2
    assert val == 2 or abs(val - volume / 8) <= 1  # the paper's 16 has three


@pytest.mark.parametrize("reduce_by", ["sample", "image"])
def test_only_the_added_class_is_reduced(reduce_by: str) -> None:
    plan = plan_of(volumes=["full", 16], reduce_by=reduce_by)
    labels, samples, folds = large()
    for training in plan.trainings:
        known = len(training.stage.classes)
        for part, whole in zip(
            stage_parts(training, folds, labels, samples, plan.params), folds, strict=True
        ):
            old = known if training.volume == "full" else known - 1
            for name in ("train", "val"):
                rows, all_rows = getattr(part, name), getattr(whole, name)
                assert set(rows[labels[rows] < old]) == set(all_rows[labels[all_rows] < old])
                assert set(rows) <= set(all_rows)
                assert len(set(rows)) == len(rows)
            assert set(part.test) == set(whole.test[labels[whole.test] < known])


def test_no_training_sees_a_class_that_comes_later() -> None:
    plan = plan_of(volumes=["full", 16], order=list(ORDER[:3]))
    labels, samples, folds = large()
    for training in plan.trainings:
        for part in stage_parts(training, folds, labels, samples, plan.params):
            for rows in (part.train, part.val, part.test):
                assert set(labels[rows]) == set(range(len(training.stage.classes)))


def drawn(training: Training, plan: Plan, data: Any, part: str = "train") -> list[list[int]]:
    """Images of the added class, fold by fold."""
    labels, samples, folds = data
    found = [getattr(entry, part) for entry in stage_parts(training, folds, labels, samples, plan.params)]
    return [sorted(rows[labels[rows] == len(training.stage.classes) - 1].tolist()) for rows in found]


@settings(max_examples=30)
@given(
    st.lists(st.integers(1, 9), min_size=24, max_size=40),
    st.sampled_from([16, 32]),
    st.integers(0, 2**32 - 1),
)
def test_samples_are_taken_whole_and_as_few_as_can_be(sizes: list[int], volume: int, seed: int) -> None:
    plan = plan_of(volumes=["full", volume], draw_seed=seed)
    labels, samples, folds = deal([sizes] * 4, folds=2, tested=0, grouped=True, seed=seed)
    training = trainings(plan, arm="sequential", volume=volume, materials=3)[0]
    for part in ("train", "val"):
        try:
            found = drawn(training, plan, (labels, samples, folds), part)
        except UserError:
            assume(False)
        for rows, whole in zip(found, folds, strict=True):
            pool = getattr(whole, part)
            pool = pool[labels[pool] == 2]
            missing = {
                name: int(np.isin(pool[samples[pool] == name], rows, invert=True).sum())
                for name in set(samples[rows])
            }
            assert sum(count > 0 for count in missing.values()) <= 1  # the last one, which may be cut


def test_images_of_all_samples_are_drawn_from_where_the_paper_does() -> None:
    data = large(images=10)
    spread = {
        how: np.mean([
            len(set(data[1][rows]))
            for rows in drawn(
                trainings(plan, arm="sequential", volume=16, materials=3)[0], plan, data
            )
        ])
        for how in ("sample", "image")
        for plan in [plan_of(volumes=["full", 16], reduce_by=how)]
    }  # fmt: skip
    assert spread["sample"] == 2  # 13 images of samples of ten
    assert spread["image"] > 6


@pytest.mark.parametrize("part", ["train", "val"])
@pytest.mark.parametrize("reduce_by", ["sample", "image"])
def test_a_smaller_volume_is_part_of_a_larger_one(reduce_by: str, part: str) -> None:
    plan, data = plan_of(volumes=["full", 64, 32, 16, 8], reduce_by=reduce_by), large()
    by_volume = [
        drawn(trainings(plan, arm="sequential", volume=volume, materials=3)[0], plan, data, part)
        for volume in (8, 16, 32, 64, "full")
    ]
    for fold in range(5):
        assert all(set(small[fold]) < set(big[fold]) for small, big in pairwise(by_volume))


@pytest.mark.parametrize(("small", "big"), [(16, 20), (60, 64)])
def test_a_smaller_volume_is_part_of_a_larger_one_beside_the_papers(small: int, big: int) -> None:
    plan, data = plan_of(volumes=["full", small, big]), large()
    few, many = (
        drawn(trainings(plan, arm="sequential", volume=volume, materials=3)[0], plan, data, "val")
        for volume in (small, big)
    )
    assert all(set(mine) <= set(yours) for mine, yours in zip(few, many, strict=True))


def test_seeds_and_folds_draw_different_images_and_arms_and_encodings_the_same() -> None:
    encodings = ["multiclass", "multilabel"]
    plan, data = plan_of(volumes=["full", 16], seeds=[1, 2], encodings=encodings), large()
    found = {t: drawn(t, plan, data) for t in trainings(plan, volume=16, materials=3)}
    assert len(found) == 2 * 2 * 3
    for seed in (1, 2):
        own = [rows for training, rows in found.items() if training.seed == seed]
        assert all(rows == own[0] for rows in own)
        common = set.intersection(*map(set, own[0]))
        assert not common  # of five folds, whose training parts share three fifths
    one, two = (next(rows for t, rows in found.items() if t.seed == seed) for seed in (1, 2))
    assert all(mine != yours for mine, yours in zip(one, two, strict=True))
    other = plan_of(volumes=["full", 16], seeds=[1, 2], draw_seed=6)
    assert drawn(trainings(other, volume=16, materials=3)[0], other, data) != one


@pytest.mark.parametrize(("part", "name"), [("train", "training"), ("val", "validation")])
def test_a_fold_that_cannot_give_a_volume_is_named(part: str, name: str) -> None:
    plan = plan_of(volumes=["full", 64])
    labels, samples, folds = large()
    rows = getattr(folds[3], part)
    added = rows[labels[rows] == 2]
    folds[3] = replace(folds[3], **{part: np.setdiff1d(rows, added[5:])})
    training = trainings(plan, arm="direct", volume=64, materials=3)[0]
    message = rf"volume 64 takes \d+ {name} images of {ORDER[2]}, of which fold 3 has 5: lower or remove"
    with pytest.raises(UserError, match=message):
        stage_parts(training, folds, labels, samples, plan.params)
    for other in trainings(plan, volume="full"):
        stage_parts(other, folds, labels, samples, plan.params)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[Any, bool, int]:
    """Labels, samples and folds of some data set, whether folds keep samples together, how many classes."""
    classes, folds = draw(st.integers(3, 4)), draw(st.integers(2, 4))
    sizes = [draw(st.lists(st.integers(1, 3), min_size=2 * folds + 2, max_size=18)) for _ in range(classes)]
    grouped = draw(st.booleans())
    return deal(sizes, folds, tested=1, grouped=grouped, seed=draw(st.integers(0, 999))), grouped, classes


def past(plan: Plan, training: Training, fold: int) -> list[tuple[Training, int]]:
    """All trainings whose images a fold's model has seen: its own and those that it comes from."""
    found = [(training, fold)]
    while (parent := plan.parent(found[-1][0])) is not None:
        found.append((parent, plan.starting_fold(*found[-1])))
    return found


@settings(max_examples=60)
@given(
    layouts(),
    st.sampled_from([4, 6, 8]),
    st.sampled_from(["sample", "image"]),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
)
def test_no_validation_image_was_trained_on_by_any_earlier_stage(
    layout: tuple[Any, bool, int], volume: int, reduce_by: str, draw_seed: int, seed: int
) -> None:
    (labels, samples, folds), grouped, classes = layout
    changes: dict[str, Any] = {"volumes": ["full", volume], "reduce_by": reduce_by, "seeds": [seed]}
    changes |= {"order": list(ORDER[:classes]), "draw_seed": draw_seed, "paper_fold": len(folds) - 1}
    plan = plan_of(**changes)
    try:
        parts = {t: stage_parts(t, folds, labels, samples, plan.params) for t in plan.trainings}
    except UserError:
        assume(False)
    for training in plan.trainings:
        for fold in range(len(folds)):
            own = parts[training][fold]
            came_from = past(plan, training, fold)
            assert training.arm.startswith("direct") or len(came_from) == training.stage.number + 1
            for other, its_fold in came_from:
                seen = parts[other][its_fold].train
                assert not np.isin(own.test, seen).any()
                assert not grouped or not np.isin(samples[own.test], samples[seen]).any()
                if training.arm != "other-start":
                    assert its_fold == fold
                    assert not np.isin(own.val, seen).any()
                    assert not grouped or not np.isin(samples[own.val], samples[seen]).any()
    paper = plan_of(**changes, start="paper")
    for number in (1, classes - 2):
        (stage,) = trainings(paper, arm="sequential", volume="full", materials=number + 2)
        parent = paper.parent(stage)
        assert parent is not None
        before = stage_parts(parent, folds, labels, samples, paper.params)
        after = stage_parts(stage, folds, labels, samples, paper.params)
        share = seen_share(after, before, paper.params.paper_fold)
        assert 0 < share <= 1 - 1 / len(folds)


@pytest.mark.parametrize("folds", [2, 5])
def test_the_share_of_seen_validation_images_is_known_for_even_classes(folds: int) -> None:
    labels, samples, parts = deal([[1] * 30] * 4, folds, tested=1, grouped=True)
    plan = plan_of(start="paper", paper_fold=0, volumes=["full"])
    found = {t: stage_parts(t, parts, labels, samples, plan.params) for t in plan.trainings}
    first, third = trainings(plan, materials=2)[0], trainings(plan, arm="sequential", materials=3)[0]
    share = seen_share(found[third], found[first], 0)
    assert share == pytest.approx((folds - 1) / folds * 2 / 3)  # two of three classes, all folds but one
