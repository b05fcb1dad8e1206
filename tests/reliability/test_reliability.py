"""A small ensemble's reliability: what it depends on, what it keeps, and what it gives on new samples."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from tmdscope.dataset.splits import FoldParts
from tmdscope.reliability.calibration import fit_temperature, soften
from tmdscope.reliability.novelty import fit_gaussians
from tmdscope.reliability.reliability import (
    Assessment,
    Reliability,
    assess,
    fit_reliability,
    measure,
)

MEMBERS, CLASSES, WIDTH = 3, 3, 8


class Small:
    """An ensemble of three members that are too sure of samples of one to four images."""

    def __init__(self, samples: int = 90, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        sample = np.repeat(np.arange(samples), rng.integers(1, 5, samples))
        kind = rng.integers(0, CLASSES, samples)
        self.labels = kind[sample]
        self.sample_ids = np.array([f"S{number:03d}" for number in sample])
        centres = 1.0 * rng.normal(size=(CLASSES, WIDTH))
        own = rng.normal(size=(samples, WIDTH))
        seen = centres[self.labels] + own[sample] + 0.5 * rng.normal(size=(len(sample), WIDTH))
        self.embeddings = seen + 0.3 * rng.normal(size=(MEMBERS, len(sample), WIDTH))
        apart = ((self.embeddings[:, :, None] - centres) ** 2).sum(axis=-1)
        powers = np.exp(-1.0 * (apart - apart.min(axis=-1, keepdims=True)))
        self.probabilities = powers / powers.sum(axis=-1, keepdims=True)
        self.test = np.flatnonzero(sample % 5 == 4)
        rest = np.flatnonzero(sample % 5 != 4)
        part = sample[rest] % MEMBERS
        self.folds = [FoldParts(rest[part != fold], rest[part == fold], self.test) for fold in range(MEMBERS)]

    def fit(self, **changed: Any) -> Reliability:
        """Its reliability, with some of what it is made of changed."""
        names = ("probabilities", "embeddings", "labels", "sample_ids", "folds")
        return fit_reliability(**{name: getattr(self, name) for name in names} | changed)

    def assess(self, reliability: Reliability) -> Assessment:
        """What is said of its test."""
        return assess(reliability, self.probabilities[:, self.test], self.embeddings[:, self.test])


SMALL = Small()
FITTED = SMALL.fit()


def same(one: Reliability, other: Reliability) -> bool:
    """Whether all that is stored agrees bit for bit."""
    (arrays, texts), (others, other_texts) = one.tensors(), other.tensors()
    return texts == other_texts and all(np.array_equal(array, others[name]) for name, array in arrays.items())


def test_every_image_is_scored_by_the_member_that_held_it_out() -> None:
    rows = np.concatenate([parts.val for parts in SMALL.folds])
    held_out = np.concatenate(
        [SMALL.probabilities[fold, parts.val] for fold, parts in enumerate(SMALL.folds)]
    )
    assert FITTED.temperature == pytest.approx(fit_temperature(held_out, SMALL.labels[rows]))
    assert FITTED.images == len(rows)
    assert FITTED.samples == len(set(SMALL.sample_ids[rows]))
    for fold, parts in enumerate(SMALL.folds):
        softened = soften(SMALL.probabilities[fold, parts.val], FITTED.temperature)
        lacking = 1 - softened[np.arange(len(parts.val)), SMALL.labels[parts.val]]
        np.testing.assert_allclose(FITTED.sets.scores[fold], np.sort(lacking))
        known = fit_gaussians(SMALL.embeddings[fold, parts.train], SMALL.labels[parts.train])
        distances = known.distances(SMALL.embeddings[fold, parts.val])
        np.testing.assert_allclose(FITTED.novelty.scores[fold], np.sort(distances))


def test_the_test_is_not_looked_at() -> None:
    probabilities, embeddings = SMALL.probabilities.copy(), SMALL.embeddings.copy()
    labels, sample_ids = SMALL.labels.copy(), SMALL.sample_ids.copy()
    probabilities[:, SMALL.test] = 1 / CLASSES
    embeddings[:, SMALL.test] = 1e6
    labels[SMALL.test], sample_ids[SMALL.test] = -1, "none"
    assert same(SMALL.fit(probabilities=probabilities, embeddings=embeddings), FITTED)
    assert same(SMALL.fit(labels=labels, sample_ids=sample_ids), FITTED)


def test_a_member_is_known_by_its_training_part_alone() -> None:
    embeddings = SMALL.embeddings.copy()
    embeddings[1, SMALL.folds[1].val] += 100
    changed = SMALL.fit(embeddings=embeddings)
    np.testing.assert_array_equal(changed.gaussians[1].means, FITTED.gaussians[1].means)
    assert changed.novelty.scores[1].min() > FITTED.novelty.scores[1].max()
    np.testing.assert_array_equal(changed.novelty.scores[0], FITTED.novelty.scores[0])


def test_what_is_stored_is_read_back(tmp_path: Path) -> None:
    save_file(FITTED.tensors()[0], tmp_path / "file", FITTED.tensors()[1])
    back = Reliability.from_tensors(load_file(tmp_path / "file"), FITTED.tensors()[1])
    assert same(back, FITTED)
    one, other = SMALL.assess(FITTED), SMALL.assess(back)
    for name, values in vars(one).items():
        np.testing.assert_array_equal(values, getattr(other, name))


@pytest.mark.parametrize("lacking", ["sets.scores.2", "novelty.tails.0", "gaussians.means.1"])
def test_a_missing_array_is_named(lacking: str) -> None:
    arrays, texts = FITTED.tensors()
    del arrays[lacking]
    with pytest.raises(ValueError, match=f"lacks '{lacking}'"):
        Reliability.from_tensors(arrays, texts)


@pytest.mark.parametrize("lacking", ["temperature", "members", "samples", "classes"])
def test_a_missing_number_is_named(lacking: str) -> None:
    arrays, texts = FITTED.tensors()
    del texts[lacking]
    with pytest.raises(ValueError, match=f"lacks '{lacking}'"):
        Reliability.from_tensors(arrays, texts)


def test_another_form_is_refused() -> None:
    arrays, texts = FITTED.tensors()
    with pytest.raises(ValueError, match="form '2', this version reads '1'"):
        Reliability.from_tensors(arrays, texts | {"form": "2"})


def test_the_assessment_by_hand() -> None:
    found = SMALL.assess(FITTED)
    given = SMALL.probabilities[:, SMALL.test]
    np.testing.assert_allclose(found.probabilities, given.mean(axis=0))
    geometric = np.prod(given, axis=0) ** (1 / MEMBERS / FITTED.temperature)
    np.testing.assert_allclose(found.calibrated, geometric / geometric.sum(axis=1, keepdims=True))
    for row in range(len(SMALL.test)):
        best = given[:, row].mean(axis=0).argmax()
        assert found.spread[row] == pytest.approx(np.std(given[:, row, best]))
    np.testing.assert_array_equal(found.unfamiliar, found.novelty <= FITTED.novelty_cut + 1e-9)
    assert found.sets.dtype == found.unfamiliar.dtype == bool


@settings(max_examples=30)
@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_higher_level_takes_no_class_out_of_a_set(one: float, other: float) -> None:
    low, high = (SMALL.assess(replace(FITTED, level=level)).sets for level in sorted((one, other)))
    assert (high >= low).all()


def test_an_assessment_is_of_each_image_alone() -> None:
    whole = SMALL.assess(FITTED)
    alone = assess(FITTED, SMALL.probabilities[:, SMALL.test[3:4]], SMALL.embeddings[:, SMALL.test[3:4]])
    for name, values in vars(whole).items():
        np.testing.assert_allclose(getattr(alone, name)[0], values[3])
    assert assess(FITTED, SMALL.probabilities[:, :0], SMALL.embeddings[:, :0]).sets.shape == (0, CLASSES)


def test_far_embeddings_are_unfamiliar_and_few_samples_flag_nothing() -> None:
    far = np.full((MEMBERS, 1, WIDTH), 1e3)
    sure = np.tile([1.0, 0.0, 0.0], (MEMBERS, 1, 1))
    assert FITTED.can_flag
    assert assess(FITTED, sure, far).unfamiliar.all()
    few = Small(samples=40).fit()
    assert not few.can_flag
    assert few.novelty_cut == 0
    assert not assess(few, sure, far).unfamiliar.any()
    assert assess(few, sure, far).novelty == pytest.approx(1 / (few.samples + 1))


def test_new_samples_are_covered_at_the_level() -> None:
    shares: dict[float, list[float]] = {0.7: [], 0.9: []}
    flagged = []
    for seed in range(60):
        small = Small(seed=seed)
        for level, found in shares.items():
            scores = measure(small.assess(small.fit(level=level)), *answers(small), 20, 1)
            found.append(scores.coverage_by_sample)
        flagged.append(scores.flagged)
    assert 0.66 < np.mean(shares[0.7]) < 0.78
    assert 0.88 < np.mean(shares[0.9]) < 0.95
    assert np.mean(flagged) < 0.05


def answers(small: Small) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Labels and samples of a test."""
    return small.labels[small.test], small.sample_ids[small.test]


def test_the_measurement_by_hand() -> None:
    sets = np.array([[1, 0], [1, 1], [0, 0], [1, 0]], dtype=bool)
    even = np.full((4, 2), 0.5)
    assessment = Assessment(
        even, np.array([[0.9, 0.1]] * 4), sets, np.ones(4), np.array([0, 0, 1, 0], bool), np.zeros(4)
    )
    found = measure(assessment, [0, 1, 0, 0], ["a", "a", "a", "b"], resamples=200, seed=1)
    assert found.images == 4
    assert found.samples == 2
    assert found.coverage == 0.75
    assert found.coverage_by_sample == pytest.approx((2 / 3 + 1) / 2)
    assert found.coverage_ci95[0] < 0.2 < 0.9 < found.coverage_ci95[1]  # two samples say little
    assert found.set_size == 1
    assert found.empty_sets == 0.25
    assert found.flagged == 0.25
    assert found.flagged_ci95[0] < 0.1 < 0.8 < found.flagged_ci95[1]
    alone = measure(assessment, [0, 1, 0, 0], ["a"] * 4, resamples=200, seed=1)
    assert (alone.coverage, alone.coverage_ci95, alone.flagged_ci95) == (0.75, None, None)
    assert found.ece_before == pytest.approx(0.75 - 0.5)
    assert found.ece_after == pytest.approx(0.9 - 0.75)
    assert found.nll_before == pytest.approx(np.log(2))
    assert found.nll_after == pytest.approx(-(3 * np.log(0.9) + np.log(0.1)) / 4)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"probabilities": SMALL.probabilities[:2]}, "3 members"),
        ({"embeddings": SMALL.embeddings[:, 1:]}, "the same images"),
        ({"probabilities": 2 * SMALL.probabilities}, "sum to one"),
        ({"embeddings": np.where(SMALL.embeddings > 0, SMALL.embeddings, np.nan)}, "finite"),
        ({"labels": SMALL.labels[1:]}, "labels"),
        ({"sample_ids": SMALL.sample_ids[1:]}, "samples"),
        ({"labels": SMALL.labels + 1}, r"0\.\.2"),
        ({"level": 1.0}, "level"),
        ({"sample_ids": np.full(len(SMALL.labels), "S1")}, "fold 0 trains and validates on sample 'S1'"),
        ({"folds": [SMALL.folds[0]] * 3}, "two folds"),
    ],
)
def test_what_does_not_fit_is_told(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        SMALL.fit(**changed)


def test_predictions_of_another_ensemble_are_told() -> None:
    with pytest.raises(ValueError, match="3 members"):
        assess(FITTED, SMALL.probabilities[:1], SMALL.embeddings[:1])
    four = np.full((MEMBERS, len(SMALL.labels), 4), 0.25)
    with pytest.raises(ValueError, match="3 classes"):
        assess(FITTED, four, SMALL.embeddings)
    with pytest.raises(ValueError, match=f"images x {WIDTH}"):
        assess(FITTED, SMALL.probabilities, SMALL.embeddings[..., 1:])
