"""Drift between two latent spaces: nothing where one is the other turned, known where a class has moved."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.sequential.small import NAMES, ORDER, plan_of
from tmdscope.sequential.drift import align, centroid_drift, latent_panels, measure_latent_drift
from tmdscope.sequential.plan import Plan
from tmdscope.sequential.run import StageResult

IDS = [f"i{number:03d}" for number in range(len(NAMES))]
SQUARE = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])


def cloud(width: int = 5, count: int = 40, seed: int = 0) -> NDArray[np.float64]:
    """Points of four classes, ten of each."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, width)) + np.repeat(rng.normal(size=(4, width)) * 3, count // 4, axis=0)


def turn(
    points: NDArray[Any], seed: int, mirrored: bool = False, scale: float = 1.0, shift: float = 0.0
) -> NDArray[Any]:
    """Rotate, reflect, scale and shift points."""
    width = points.shape[1]
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))
    if (np.linalg.det(rotation) < 0) != mirrored:
        rotation[:, 0] *= -1
    return points @ rotation * scale + shift


LABELS = np.repeat(np.arange(4), 10)

TURNS = st.tuples(st.integers(0, 999), st.booleans(), st.floats(0.01, 100), st.floats(-50, 50))


@settings(max_examples=50)
@given(TURNS, st.integers(2, 12), st.integers(0, 99))
def test_alignment_undoes_rotation_reflection_scale_and_shift(
    how: tuple[int, bool, float, float], width: int, seed: int
) -> None:
    points = cloud(width, seed=seed)
    moved = turn(points, *how)
    np.testing.assert_allclose(align(moved, points), points, atol=1e-6)
    further = cloud(width, seed=seed + 1)
    np.testing.assert_allclose(align(moved, points, turn(further, *how)), further, atol=1e-6)


@settings(max_examples=50)
@given(TURNS, st.integers(0, 99))
def test_alignment_is_the_nearest_there_is(how: tuple[int, bool, float, float], seed: int) -> None:
    reference, points = cloud(seed=seed), cloud(seed=seed + 1)

    def distance(found: NDArray[Any]) -> float:
        return float(((found - reference) ** 2).sum())

    best = align(points, reference)
    assert distance(best) <= distance(turn(best, *how)) * (1 + 1e-9)
    assert distance(best) <= distance(points) * (1 + 1e-9)


@settings(max_examples=30)
@given(TURNS)
def test_a_space_that_is_only_turned_has_not_drifted(how: tuple[int, bool, float, float]) -> None:
    found = centroid_drift(cloud(), turn(cloud(), *how), LABELS)
    assert found == pytest.approx(dict.fromkeys(range(4), 0.0), abs=1e-6)


def test_the_drift_of_one_class_that_moves_is_known() -> None:
    corners = [[-1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [1.0, -1.0, 0.0], [1.0, 1.0, 0.0]]
    before, height = np.array([*corners, [0.0, 0.0, 0.0]]), 2.0
    after = np.array([*corners, [0.0, 0.0, height]])
    scale = 8 / (8 + 0.8 * height**2)  # nothing to turn: the move has no like before
    corner = np.sqrt(2 * (1 - scale) ** 2 + (scale * height / 5) ** 2)
    unit = np.sqrt((4 * 2 + 4 * 4 + 2 * 8) / 10)  # to the middle, along sides, across
    wanted = {**dict.fromkeys(range(4), corner / unit), 4: scale * height * 0.8 / unit}
    assert centroid_drift(before, after, np.arange(5)) == pytest.approx(wanted)
    turned = turn(after, 3, True, 5.0, 1.0)
    assert centroid_drift(before, turned, np.arange(5)) == pytest.approx(wanted)
    assert centroid_drift(before * 7, after, np.arange(5)) == pytest.approx(wanted)  # of no unit


def test_only_centroids_count() -> None:
    rng = np.random.default_rng(2)
    points, noise = np.repeat(SQUARE, 2, axis=0), rng.normal(size=(4, 2)) * 0.1
    spread = points + np.stack([noise, -noise], axis=1).reshape(8, 2)
    found = centroid_drift(points, spread, np.repeat(np.arange(4), 2))
    assert max(found.values()) < 0.02  # the scale is that of all images, so it is not quite nothing


def test_the_drift_of_points_on_a_line_is_known() -> None:
    before = np.array([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    after = np.array([[-1.0, 0.0], [0.5, 0.0], [0.5, 0.0]])
    # centred: (-1, .5, .5), spread 1.5, product with before 1.5: scale 1, so it stays as it is
    unit = np.sqrt((1 + 1 + 4) / 3)
    found = centroid_drift(before, after, np.arange(3))
    assert found == pytest.approx({0: 0.0, 1: 0.5 / unit, 2: 0.5 / unit})


def test_spaces_that_cannot_be_laid_over_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(4, 2\) cannot be laid over \(3, 2\)"):
        align(SQUARE, SQUARE[:3])
    with pytest.raises(ValueError, match="all points are one"):
        align(np.ones((4, 2)), SQUARE)
    with pytest.raises(ValueError, match="drift of one class has no unit"):
        centroid_drift(SQUARE, SQUARE, np.zeros(4, dtype=np.int64))


def embedded(plan: Plan, spaces: dict[tuple[str, int], list[NDArray[Any]]]) -> list[StageResult]:
    """Results of all trainings, of which those at full volume have embeddings: by arm and stage, per fold."""
    found = []
    for training in plan.trainings:
        key = training.arm, training.stage.number
        shown = spaces.get(key, []) if training.volume == "full" else []
        found.append(StageResult(training, [], [], [], [space.astype(np.float32) for space in shown]))
    return found


def test_drift_is_measured_from_the_stage_before_over_known_classes() -> None:
    plan = plan_of()
    labels = plan.label(NAMES)
    space = cloud(count=len(NAMES))[np.argsort(np.argsort(labels, kind="stable"))]
    jumped = space.copy()
    jumped[labels == 3] += 40.0  # comes with the last stage: of no stage before
    odd = space.copy()
    odd[labels == 1] += 4.0
    spaces = {
        ("sequential", 0): [space, space],
        ("sequential", 1): [turn(space, 1), turn(space, 2, True)],
        ("sequential", 2): [turn(jumped, 3), turn(jumped, 4)],
        ("direct", 1): [odd, space],
        ("direct", 2): [odd, odd],
    }
    first, second = measure_latent_drift(plan, embedded(plan, spaces), labels)
    assert [(entry.encoding, entry.materials) for entry in (first, second)] == [
        ("multiclass", 3),
        ("multiclass", 4),
    ]
    for entry in (first, second):
        assert entry.sequential.mean == pytest.approx(0, abs=1e-5)
        assert list(entry.sequential.classes) == list(ORDER[: entry.materials - 1])
    wanted = centroid_drift(space[labels < 2], odd[labels < 2], labels[labels < 2])
    assert first.direct.mean == pytest.approx(np.mean(list(wanted.values())) / 2, abs=1e-5)
    assert first.direct.std == pytest.approx(first.direct.mean, abs=1e-5)  # one fold, not the other
    wanted = centroid_drift(space[labels < 3], odd[labels < 3], labels[labels < 3])
    assert second.direct.classes == pytest.approx({ORDER[k]: v for k, v in wanted.items()}, abs=1e-5)
    assert second.direct.std == pytest.approx(0, abs=1e-6)


def test_panels_show_known_images_only_and_lie_over_the_panel_before() -> None:
    plan = plan_of(order=list(ORDER[:3]), encodings=["multiclass", "multilabel"])
    labels = plan.label(NAMES)
    flat = np.zeros((len(NAMES), 6))
    flat[:, :2] = cloud(2, len(NAMES))[np.argsort(np.argsort(labels, kind="stable"))]
    late = flat.copy()
    late[labels == 2] += [3.0, 1.0, 0, 0, 0, 0]
    spaces = {
        ("sequential", 0): [flat, flat * 0],
        ("sequential", 1): [turn(late, 5, True, 9.0, 2.0), flat],
        ("direct", 1): [flat, flat],
    }
    table = latent_panels(plan, embedded(plan, spaces), labels, IDS)
    assert list(table.columns) == ["encoding", "materials", "image_id", "label", "PC1", "PC2"]
    assert table.groupby(["encoding", "materials"]).size().to_dict() == {
        (encoding, count): 24 * count for encoding in ("multiclass", "multilabel") for count in (2, 3)
    }
    assert "WS2" not in set(table["label"])  # in the data, of no stage
    assert dict(zip(table["image_id"], table["label"], strict=True)) == {
        image: name for image, name in zip(IDS, NAMES, strict=True) if name in ORDER[:3]
    }
    for _, own in table.groupby("encoding"):
        panels = {
            count: panel.set_index("image_id")[["PC1", "PC2"]] for count, panel in own.groupby("materials")
        }
        shared = panels[3].loc[panels[2].index]
        np.testing.assert_allclose(shared, panels[2], atol=1e-3)  # turned back onto the first panel
