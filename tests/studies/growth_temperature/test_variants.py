"""Variants of features and training images: what each is of, and that no fold sees what it predicts."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.cohorts import make_cohort
from tmdscope.params.common import ScoringParams
from tmdscope.params.reading import read_section
from tmdscope.scores.task import ORDERED_CLASSES
from tmdscope.studies.growth_temperature.params import VariantsParams
from tmdscope.studies.growth_temperature.variants import Said, Trial, score

PARAMS = Path(__file__).parents[3] / "pipelines" / "growth_temperature" / "params.yaml"
METHODS = read_section("variants", VariantsParams, PARAMS).methods
CLASSES = ("900 C", "950 C")


def trial(labels: np.ndarray, rows: np.ndarray, features: np.ndarray, folds) -> Trial:
    whole = np.arange(len(labels), dtype=np.float32)[:, None].repeat(2, axis=1)
    methods = {"svc": METHODS["svc"]}
    return Trial("depth", "pool", methods, features, rows, labels[rows], whole, folds, CLASSES)


def test_copies_of_an_unseen_image_do_not_train() -> None:
    """Labels of what a fold does not see are never asked for: with others predictions stay the same."""
    labels = np.array([0, 1] * 6)
    everything = np.arange(12)
    folds = [(everything[everything % 3 != k], everything[everything % 3 == k]) for k in range(3)]
    rows = np.repeat(everything, 2)
    features = np.random.default_rng(1).normal(size=(24, 2)).astype(np.float32)
    (said,) = trial(labels, rows, features, folds).run()
    spoilt = labels.copy()
    spoilt[folds[0][1]] = 1 - spoilt[folds[0][1]]
    (again,) = trial(spoilt, rows, features, folds).run()
    np.testing.assert_array_equal(said.labels[folds[0][1]], again.labels[folds[0][1]])


def test_components_of_turned_values_are_those_of_all() -> None:
    """Values that hold all distances between images are what components are fitted to; nothing changes."""
    rng, everything, labels = np.random.default_rng(2), np.arange(30), np.arange(30) % 2
    wide = (rng.normal(size=(30, 200)) + labels[:, None] * 0.3).astype(np.float32)
    folds = [(everything[everything % 3 != k], everything[everything % 3 == k]) for k in range(3)]
    methods = {name: METHODS[name].model_copy(update={"pca": 0.9}) for name in ("svc", "radius")}
    about = everything, labels
    turned = Trial("depth", "stage", methods, wide, *about, wide, folds, CLASSES).run()
    plain = Trial("depth", "stage", methods, wide, *about, wide.copy(), folds, CLASSES).run()
    for one, other in zip(turned, plain, strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)


def test_the_first_of_a_method_is_its_reference() -> None:
    right = np.array([0, 1, 0, 1])
    wrong = np.array([0, 1, 1, 1])
    cohort = make_cohort(None, ["a", "b", "c", "d"], right, CLASSES, ORDERED_CLASSES)
    said = [Said("depth", "pool", "svc", right), Said("depth", "blocks.2", "svc", wrong)]
    first, second = score(cohort, said, ScoringParams(bootstrap=100, seed=1))
    plain = cohort.task.plain.name
    assert first.values[plain] == 1
    assert first.gains[plain] == 0
    assert second.gains[plain] == pytest.approx(second.values[plain] - 1)
