"""What a sequence amounts to, on results whose answer is known."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.sequential.small import FOLDS, NAMES, ORDER, SAMPLE_IDS, folds, plan_of
from tests.support.cohorts import make_cohort
from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.crossval import score_fold
from tmdscope.learn.fit import FitResult
from tmdscope.params.common import ScoringParams
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.folds import PARTS, MeanStd
from tmdscope.scores.task import CLASSES, Task
from tmdscope.sequential.outcome import say_claims, seen_share, summarise, verdict
from tmdscope.sequential.plan import Plan, Training, stage_parts
from tmdscope.sequential.record import Changed, Differences, Point, StageSummary, Summary
from tmdscope.sequential.run import StageResult, stage_target
from tmdscope.vision.targets import Coded

Right = Callable[[Training, int], Any]
"""Says which images a fold of a training recognises: bool, shape (N,) or one for all."""


SCORING = ScoringParams(bootstrap=300, seed=2)


def held(plan: Plan, task: Task = CLASSES) -> Cohort:
    return make_cohort(None, SAMPLE_IDS, plan.label(NAMES), plan.order, task)


def result(plan: Plan, training: Training, right: Right) -> StageResult:
    """What a training gives whose models are wrong about all other images: they name the next class."""
    target, labels = stage_target(plan, training), plan.label(NAMES)
    parts = stage_parts(training, folds(), labels, SAMPLE_IDS, plan.params)
    known = len(training.stage.classes)
    found = []
    for number, own in enumerate(parts):
        said = (labels + ~np.broadcast_to(right(training, number), labels.shape)) % known
        codes = target.codes if isinstance(target, Coded) else torch.eye(known)
        logits = (codes[torch.from_numpy(said)] - 0.5) * 20
        fitted = FitResult(1, ())
        found.append(score_fold(number, fitted, logits, target, torch.from_numpy(labels), own))
    shown = training.volume == "full" and training.seed == plan.params.seeds[0]
    shown &= training.arm in ("sequential", "direct")
    spaces = [np.random.default_rng(4).normal(size=(len(NAMES), 3)).astype(np.float32)] * FOLDS
    return StageResult(training, parts, found, (), spaces if shown else ())


def summary(plan: Plan, right: Right) -> Summary:
    results = [result(plan, training, right) for training in plan.trainings]
    return summarise(plan, results, held(plan), SCORING)


def point(found: Summary, arm: str, materials: int, volume: Any = "full") -> Point:
    (one,) = [
        entry
        for entry in found.points
        if (entry.arm, entry.materials, entry.volume) == (arm, materials, volume)
    ]
    return one


def some(share: float, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).random(len(NAMES)) < share


@pytest.mark.parametrize(
    ("interval", "wanted"),
    [
        ((0.01, 0.2), "holds"),
        ((0.0, 0.0), "holds"),
        ((0.0, 0.1), "holds"),
        ((-0.1, 0.1), "undecided"),
        ((-0.1, 0.0), "undecided"),
        ((-0.2, -0.1), "fails"),
    ],
)
def test_a_verdict_is_the_side_of_zero(interval: tuple[float, float], wanted: str) -> None:
    assert verdict(interval) == wanted


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_verdict_holds_only_for_what_is_never_below_zero(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert (verdict([low, high]) == "holds") == (low >= 0)
    assert (verdict([low, high]) == "fails") == (high < 0)


def comparison(found: Summary, question: str, encoding: str | None = "multiclass") -> Differences:
    (one,) = [
        entry for entry in found.comparisons if (entry.question, entry.encoding) == (question, encoding)
    ]
    return one


def bounds(found: Any) -> tuple[float, float]:
    """The interval of a point, a difference or a leak, which is there."""
    assert found.ci95 is not None
    low, high = found.ci95
    return low, high


@pytest.mark.parametrize(("better", "sign"), [("sequential", 1), ("direct", -1)])
def test_an_arm_that_is_always_right_beside_one_that_is_always_wrong(better: str, sign: int) -> None:
    found = summary(plan_of(), lambda training, _: training.arm == better or training.arm == "other-start")
    one = comparison(found, "sequential - direct")
    assert [(entry.materials, entry.volume) for entry in one.points] == [
        (3, "full"), (3, 8), (4, "full"), (4, 8),
    ]  # fmt: skip
    assert {entry.difference for entry in one.points} == {sign}
    far = [bounds(entry)[sign < 0] for entry in one.points]  # the bound towards zero: the test is small
    assert all(-1 < sign * bound < 0.9 for bound in far)
    assert list(one.groups) == ["all", "small"]
    for group, points in zip(one.groups.values(), (4, 2), strict=True):
        assert group.difference == bounds(group)[sign > 0] == sign
        assert 0 < sign * bounds(group)[sign < 0] < 0.9
        assert group.verdict == ("holds" if sign > 0 else "fails")
        assert (group.points, group.points_not_below) == (points, points if sign > 0 else 0)
    own = point(found, better, 4, 8)
    assert own.test["macro_f1"] == MeanStd(1.0, 0.0)
    assert 0.3 < bounds(own)[0] < 0.9
    assert bounds(own)[1] == 1.0
    assert set(own.shares.values()) == {1.0}


def test_arms_that_say_the_same_differ_by_exactly_nothing() -> None:
    found = summary(plan_of(seeds=[1, 2]), lambda training, fold: some(0.7, fold))
    for entry in found.comparisons:
        assert {one.difference for one in entry.points} == {0.0}
        low, high = np.array([bounds(one) for one in (*entry.points, entry.all)]).T
        np.testing.assert_allclose(low, -high)
        assert (high > 0.1).all()  # agreeing on a few samples does not prove that they always do
        assert entry.all.verdict == "undecided"
    low, high = bounds(point(found, "direct", 4))
    assert high - low > 0.1  # while each of them alone is unsure
    assert all(low < 0 < high for low, high in map(bounds, found.leak))


def test_an_interval_holds_its_score_and_narrows_with_what_is_sure() -> None:
    found = summary(plan_of(), lambda training, _: some(0.6 if training.arm == "direct" else 0.95))
    for arm in ("direct", "sequential"):
        one = point(found, arm, 4)
        low, high = bounds(one)
        assert low < one.test["macro_f1"].mean < high
    compared = comparison(found, "sequential - direct")
    low, high = bounds(compared.all)
    assert low < compared.all.difference < high
    assert compared.all.difference == pytest.approx(np.mean([p.difference for p in compared.points]))


def test_members_differ_and_are_drawn() -> None:
    found = summary(plan_of(), lambda training, fold: fold == 0 or training.arm != "direct")
    one = point(found, "direct", 3)
    plain = one.test["accuracy"]
    assert (plain.mean, plain.std) == (pytest.approx(1 / 3), pytest.approx(np.sqrt(2) / 3))
    assert one.ci95 == (0.0, 1.0)  # three draws of three: all or none of them the good one
    difference = comparison(found, "sequential - direct").all
    assert difference.difference == pytest.approx(2 / 3)
    assert bounds(difference)[0] < 0
    assert bounds(difference)[1] == 1.0


def test_encodings_are_compared_where_there_are_two() -> None:
    plan = plan_of(encodings=["multiclass", "multilabel"], measure_leak=False)
    found = summary(plan, lambda training, _: training.encoding == "multilabel")
    one = comparison(found, "multilabel - multiclass", None)
    assert one.all.verdict == "holds"
    questions = {entry.question for entry in summary(plan_of(), lambda *_: True).comparisons}
    assert questions == {"sequential - direct", "sequential - direct-equal-budget"}
    assert found.leak == []


def test_without_small_volumes_nothing_is_said_of_them() -> None:
    one = comparison(summary(plan_of(volumes=["full"]), lambda *_: True), "sequential - direct")
    assert one.small is None
    assert one.all.points == 2


def test_members_stages_and_test_images_are_counted() -> None:
    found = summary(plan_of(seeds=[1, 2, 3]), lambda *_: True)
    assert found.members == 3 * FOLDS
    assert found.stages == [
        StageSummary(list(ORDER[:2]), "", 12),
        StageSummary(list(ORDER[:3]), ORDER[2], 18),
        StageSummary(list(ORDER), ORDER[3], 24),
    ]
    assert len(found.points) == 1 + 2 * (2 * 3 + 1)


COURSE = {
    0: (6, 3),
    1: (3, 6, 5),
    2: (4, 6, 2, 1),
}
"""Recognised images of six of each class on the test, after each stage."""


def on_course(plan: Plan, course: Mapping[int, Sequence[int]]) -> Right:
    """Recognise so many test images of each class."""
    labels, test = plan.label(NAMES), folds()[0].test

    def right(training: Training, _: int) -> np.ndarray[Any, Any]:
        found = np.zeros(len(NAMES), dtype=bool)
        for label, count in enumerate(course[training.stage.number]):
            found[test[labels[test] == label][:count]] = True
        return found

    return right


def test_forgetting_and_backward_transfer_of_a_known_course() -> None:
    plan = plan_of()
    found = summary(plan, on_course(plan, COURSE))
    (chain,) = found.chains
    assert chain.shares == [
        pytest.approx(dict(zip(ORDER, (count / 6 for count in COURSE[number]), strict=False)))
        for number in range(3)
    ]
    transfer = dict(zip(ORDER, (-2 / 6, 3 / 6, -3 / 6), strict=False))
    forgetting = dict(zip(ORDER, (2 / 6, 0, 3 / 6), strict=False))
    assert {name: entry.backward_transfer for name, entry in chain.classes.items()} == pytest.approx(transfer)
    assert {name: entry.forgetting for name, entry in chain.classes.items()} == pytest.approx(forgetting)
    assert chain.backward_transfer == pytest.approx(-2 / 18)
    assert chain.forgetting == pytest.approx(5 / 18)


def test_every_point_says_what_changed_since_the_stage_before() -> None:
    plan = plan_of()
    found = summary(plan, on_course(plan, COURSE))
    assert point(found, "sequential", 2).changed == Changed()
    for arm, volume in (
        ("sequential", "full"),
        ("sequential", 8),
        ("direct", "full"),
        ("other-start", "full"),
    ):
        assert astuple(point(found, arm, 3, volume).changed) == pytest.approx((0.0, 5 / 6))
        assert astuple(point(found, arm, 4, volume).changed) == pytest.approx((-2 / 18, 1 / 6))


def test_the_other_starts_changes_are_those_of_its_own_chain() -> None:
    plan = plan_of()
    wrong = on_course(plan, {0: (6, 3), 1: (0, 0, 0), 2: (6, 6, 6, 6)})
    usual = on_course(plan, COURSE)
    found = summary(plan, lambda t, fold: (wrong if t.arm == "other-start" else usual)(t, fold))
    assert astuple(point(found, "other-start", 3).changed) == pytest.approx((-0.75, 0.0))
    assert astuple(point(found, "other-start", 4).changed) == pytest.approx((1.0, 1.0))


def test_the_share_of_seen_images_is_counted_over_folds() -> None:
    def part(train: Sequence[int], val: Sequence[int]) -> FoldParts:
        return FoldParts(np.array(train), np.array(val), np.array([], dtype=np.int64))

    before = [part([2, 3, 4, 5], [0, 1]), part([0, 1, 4, 5], [2, 3]), part([0, 1, 2, 3], [4, 5])]
    after = [part([], [0, 1, 6, 7]), part([], [2, 3, 8]), part([], [4, 5])]
    assert seen_share(after, before, 0) == pytest.approx((0 + 2 / 3 + 1) / 3)
    assert seen_share(after, before, 1) == pytest.approx((1 / 2 + 0 + 1) / 3)


@pytest.mark.parametrize("start", ["fold", "paper"])
def test_the_leak_is_the_papers_start_less_the_clean_one(start: Any) -> None:
    plan = plan_of(start=start)
    leaking = "other-start" if start == "fold" else "sequential"
    found = summary(plan, lambda training, _: training.arm == leaking or some(0.5))
    assert [(entry.encoding, entry.materials) for entry in found.leak] == [
        ("multiclass", 3),
        ("multiclass", 4),
    ]
    for entry in found.leak:
        known = entry.materials
        assert entry.seen == pytest.approx(2 / 3 * (known - 1) / known)  # two of three folds, old classes
        assert entry.test > 0.2
        assert entry.val > 0.2
        low, high = bounds(entry)
        assert low < entry.test < high


def test_drift_is_part_of_the_summary() -> None:
    drift = summary(plan_of(), lambda *_: True).drift
    assert [entry.materials for entry in drift] == [3, 4]
    moved = [one.mean for entry in drift for one in (entry.sequential, entry.direct)]
    assert moved == pytest.approx([0.0] * 4, abs=1e-6)


def test_claims_are_said_in_a_line_each() -> None:
    plan = plan_of(encodings=["multiclass", "multilabel"])
    found = summary(plan, lambda training, _: training.arm != "direct" and training.encoding == "multiclass")
    wanted = [
        line
        for question, value, said in (
            ("sequential - direct multiclass", "+1.000", "holds"),
            ("sequential - direct multilabel", "+0.000", "undecided"),
            ("sequential - direct-equal-budget multiclass", "+0.000", "undecided"),
            ("sequential - direct-equal-budget multilabel", "+0.000", "undecided"),
            ("multilabel - multiclass", "-1.000", "fails"),
        )
        for line in (
            f"{question}, all volumes: test macro F1 {value}, mean of 4: {said}",
            f"{question}, small volumes: test macro F1 {value}, mean of 2: {said}",
        )
    ]
    assert [re.sub(r" \[\S+ \S+\]", "", line) for line in say_claims(found, CLASSES.primary)] == wanted


def test_the_same_numbers_are_drawn_again() -> None:
    plan = plan_of()
    results = [result(plan, training, lambda *_: some(0.6)) for training in plan.trainings]
    assert summarise(plan, results, held(plan), SCORING) == summarise(plan, results, held(plan), SCORING)
    other = SCORING.model_copy(update={"seed": 6})
    assert (
        summarise(plan, results, held(plan), other).points
        != summarise(plan, results, held(plan), SCORING).points
    )


def test_few_test_samples_give_an_interval_all_the_same() -> None:
    plan = plan_of(measure_leak=False)
    first, ids = folds()[0].test, SAMPLE_IDS
    few = np.concatenate([first[ids[first] == name] for name in dict.fromkeys(ids[first])][::3])
    assert len(few) == 8  # one sample of each class
    results = [
        StageResult(
            one.training,
            [FoldParts(part.train, part.val, np.intersect1d(part.test, few)) for part in one.parts],
            one.folds,
            one.states,
            one.embeddings,
        )
        for one in (result(plan, training, lambda *_: some(0.6)) for training in plan.trainings)
    ]
    found = summarise(plan, results, held(plan), SCORING)
    assert np.isfinite([bounds(entry) for entry in found.points]).all()


def test_another_task_is_compared_by_its_own_metrics_and_direction() -> None:
    """A made-up task whose primary metric, lower is better, is one less the plain one of classes."""
    share = replace(CLASSES.plain, name="hits", title="hits")
    misses = replace(
        share, name="misses", title="misses", of=lambda c: 1 - share.of(c), higher_is_better=False
    )
    task = replace(CLASSES, name="made-up", metrics=(share, misses))
    plan = plan_of()
    results = [
        replace(one, folds=[replace(fold, scores=renamed(fold.scores)) for fold in one.folds])
        for one in (result(plan, training, lambda t, _: t.arm != "direct") for training in plan.trainings)
    ]
    found = summarise(plan, results, held(plan, task), SCORING)
    worst, best = point(found, "direct", 3), point(found, "sequential", 3)
    assert set(worst.test) == {"hits", "misses"}
    assert (worst.test["misses"].mean, best.test["misses"].mean) == (1.0, 0.0)
    assert bounds(worst)[1] == 1.0
    assert 0 < bounds(worst)[0] < 1
    assert bounds(best)[0] == 0.0
    assert 0 < bounds(best)[1] < 1
    group = comparison(found, "sequential - direct").all
    assert (group.difference, group.verdict, group.points_not_below) == (1.0, "holds", 4)
    assert 0 < bounds(group)[0] < bounds(group)[1] == 1.0
    assert "test misses +1.000 [" in say_claims(found, task.primary)[0]


def renamed(scores: Mapping[str, float]) -> dict[str, float]:
    hits = {f"{part}_hits": scores[f"{part}_accuracy"] for part in PARTS}
    misses = {key.replace("hits", "misses"): 1 - value for key, value in hits.items()}
    return {**hits, **misses, **{key: value for key, value in scores.items() if "." in key}}
