"""Which of many models can be told apart."""

import numpy as np
import pytest

from tmdscope.scores.every_pair import compare_every_pair, holm

SAMPLES = [f"S{number // 2}" for number in range(80)]


def test_models_that_agree_are_not_told_apart():
    right = np.arange(80) % 3 > 0
    (pair,) = compare_every_pair({"a": right, "b": right.copy()}, SAMPLES, 500, 1)
    assert (pair.difference, pair.p_value, pair.adjusted) == (0, 1, 1)


def test_a_much_better_model_is_told_apart():
    rng = np.random.default_rng(1)
    good, bad = rng.random(80) < 0.95, rng.random(80) < 0.4
    (pair,) = compare_every_pair({"good": good, "bad": bad}, SAMPLES, 2000, 1)
    assert pair.difference == pytest.approx(good.mean() - bad.mean())
    assert pair.adjusted < 0.01


def test_images_of_a_sample_count_as_one():
    """Twenty right images of one sample are one coin: they tell nothing."""
    better, worse = np.ones(20, dtype=bool), np.zeros(20, dtype=bool)
    (pair,) = compare_every_pair({"a": better, "b": worse}, ["S1"] * 20, 500, 1)
    assert pair.p_value > 0.4


def test_chance_is_called_a_difference_as_often_as_the_level_says():
    rng = np.random.default_rng(2)
    p_values = []
    for seed in range(200):
        models = {name: rng.random(60) < 0.7 for name in "ab"}
        p_values.append(compare_every_pair(models, np.arange(60), 400, seed)[0].p_value)
    assert np.mean(np.array(p_values) < 0.05) < 0.09


def test_holm_is_that_of_its_paper():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]).max() == 1
