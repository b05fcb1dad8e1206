"""Every image is tested once, by an ensemble that never saw its sample; textures are all of one size."""

import numpy as np
import pytest

from benchmarks import reliability, textures
from tests.support.cohorts import make_cohort
from tmdscope.materials import MATERIALS
from tmdscope.scores.cohort import Cohort


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Cohort:
    monkeypatch.setattr(reliability, "OUTER", 3)
    monkeypatch.setattr(reliability, "INNER", 2)
    monkeypatch.setattr(reliability, "EPOCHS", 3)
    monkeypatch.setattr(reliability, "RESAMPLES", 20)
    rng = np.random.default_rng(1)
    sample = np.repeat(np.arange(150), 2)
    labels = sample % len(MATERIALS)
    features = 3 * rng.normal(size=(len(MATERIALS), 6))[labels] + rng.normal(size=(len(labels), 6))
    return make_cohort(
        features.astype(np.float32), np.array([f"S{number}" for number in sample]), labels, MATERIALS
    )


def test_every_image_is_tested_once_by_heads_that_never_saw_its_sample(table: Cohort) -> None:
    ensembles = reliability.train(table)
    tests = np.concatenate([folds[0].test for folds in ensembles.folds])
    assert sorted(tests) == list(range(300))
    for folds, heads in zip(ensembles.folds, ensembles.heads, strict=True):
        assert len(folds) == len(heads) == 2
        for parts in folds:
            seen = set(table.sample_ids[np.concatenate([parts.train, parts.val])])
            assert not seen & set(table.sample_ids[parts.test])


def test_the_line_holds_what_is_measured(table: Cohort) -> None:
    ensembles = reliability.train(table)
    scores = reliability.score(table, ensembles)
    assert scores["images"] == 300
    assert scores["samples"] == 150
    assert scores["calibrated_on"] == 100
    assert scores["novelty_cut"] == pytest.approx(2 / 101, abs=1e-4)
    assert len(scores["temperatures"]) == 3
    far = np.full((4, 6), 1e4, dtype=np.float32)
    found = reliability.detect(table, ensembles, {"far": far, "near": table.inputs[:9]})
    assert found["textures"] == 13
    assert found["detected_by_kind"]["far"] == 1
    assert found["detected_by_kind"]["near"] < 0.5
    assert found["detected"] == pytest.approx((4 + 9 * found["detected_by_kind"]["near"]) / 13, abs=2e-3)


def test_textures_are_of_the_size_and_the_same_each_time() -> None:
    kinds = textures.make_textures(48, 3)
    assert set(kinds) == {*textures.PHOTOGRAPHS, *textures.DRAWN}
    again = textures.make_textures(48, 3)
    for kind, pictures in kinds.items():
        assert pictures.dtype == np.uint8
        assert pictures.shape[1:] == (48, 48)
        assert 1 <= len(pictures) <= 3
        assert pictures.std(axis=(1, 2)).min() > 4
        np.testing.assert_array_equal(pictures, again[kind])


def test_without_a_folder_there_are_no_published_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMDSCOPE_PUBLISHED_DIR", raising=False)
    assert reliability.published_table() is None
