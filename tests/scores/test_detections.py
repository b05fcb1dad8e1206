"""Detections: what is counted per frame, and its intervals over movies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdscope.scores.intervals import difference, estimate
from tmdscope.scores.task import DETECTIONS

FRAMES = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 3)).map(
        lambda f: (max(f[:2]), min(f[:2]), f[2])
    ),
    min_size=1,
    max_size=20,
).map(lambda rows: np.array(rows))


@given(FRAMES)
def test_scores_follow_from_hits_and_false_alarms(frames):
    objects, hits, alarms = frames.sum(axis=0)
    found = DETECTIONS.scores(frames[:, 0], frames[:, 1:])
    assert found["false_alarms"] == pytest.approx(alarms / len(frames))
    assert np.isnan(found["recall"]) if not objects else found["recall"] == pytest.approx(hits / objects)
    said = hits + alarms
    assert np.isnan(found["precision"]) if not said else found["precision"] == pytest.approx(hits / said)
    if hits:
        assert found["f1"] == pytest.approx(2 / (1 / found["precision"] + 1 / found["recall"]))


def test_movies_are_drawn_whole():
    objects, movie = np.full(40, 5), np.arange(40) // 10
    frames = np.stack([5 - movie, movie], axis=1)
    found = estimate(DETECTIONS, objects, frames, movie, 500, 1)
    assert (found.images, found.samples) == (40, 4)
    low, high = found.bounds["false_alarms"]
    assert low < 1.5 < high
    better = difference(DETECTIONS, objects, np.stack([objects, 0 * objects], axis=1), frames, movie, 500, 1)
    assert better.values["f1"] > 0 > better.values["false_alarms"]


def test_finding_nothing_has_no_precision():
    assert DETECTIONS.naive(np.array([1])).tolist() == [0, 0]
    found = DETECTIONS.scores([3], [[0, 0]])
    assert np.isnan(found["precision"])
    assert (found["recall"], found["f1"], found["false_alarms"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("objects", "frames", "match"),
    [([1], [[2, 0]], "more hits"), ([1], [[-1, 0]], "fewer than no"), ([1, 2], [[1, 0]], "do not match")],
)
def test_what_cannot_have_been_counted_is_refused(objects, frames, match):
    with pytest.raises(ValueError, match=match):
        DETECTIONS.scores(objects, frames)
