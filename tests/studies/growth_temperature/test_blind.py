"""Baselines that see no image, and putting outer folds together."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.cohorts import make_cohort
from tmdscope.scores.task import ORDERED_CLASSES
from tmdscope.search.framed import Said, Scale
from tmdscope.studies.growth_temperature.blind import blind, pool
from tmdscope.studies.growth_temperature.cohorts import in_paper_test
from tmdscope.studies.growth_temperature.record import IN_TEST

SCALE = Scale(("900 C", "950 C"), (900.0, 950.0), (925.0,), "C")
LABELS = np.array([0, 1, 1, 1, 0, 1])
FOLDS = [(np.array([0, 2, 4]), np.array([1, 3, 5])), (np.array([1, 3, 5]), np.array([0, 2, 4]))]


def asked(**columns: Any) -> Any:
    samples = ["1", "11", "12", "13", "2", "14"]
    cohort = make_cohort(np.zeros((6, 1)), samples, LABELS, SCALE.classes, ORDERED_CLASSES)
    return SimpleNamespace(cohort=replace(cohort, **columns), scale=SCALE)


def test_a_constant_is_that_of_the_images_seen() -> None:
    found = blind(asked(), FOLDS)
    assert set(found) == {"majority", "constant"}
    assert found["majority"].labels.tolist() == [1, 0, 1, 0, 1, 0]
    seen = SCALE.numbers(LABELS[[0, 2, 4]]).mean()
    assert found["constant"].numbers[1] == pytest.approx(seen)


def test_the_sample_number_and_nuisances_speak_where_they_are_known() -> None:
    order = np.array([1.0, 11, 12, 13, 2, 14])
    nuisance = pd.DataFrame({"plane": list("caacaa"), IN_TEST: [False] * 5 + [True]})
    held = asked(order=order, nuisance=nuisance)
    found = blind(held, [(np.arange(5), np.array([5]))])
    assert set(found) == {"majority", "constant", "sample_number", "nuisances"}
    assert found["nuisances"].labels.tolist() == [1]
    assert in_paper_test(held.cohort).tolist() == [False] * 5 + [True]
    only_test = asked(order=order, nuisance=nuisance[[IN_TEST]])
    by_number = blind(only_test, FOLDS)["sample_number"]
    assert by_number.labels.tolist()[1] == 1
    assert "nuisances" not in blind(only_test, FOLDS)


def test_outer_folds_are_put_back_in_order() -> None:
    said = [
        Said(np.array([1, 3, 5]), np.array([1.0, 3, 5])),
        Said(np.array([0, 2, 4]), np.array([0.0, 2, 4])),
    ]
    pooled = pool(said, FOLDS)
    assert pooled.labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert pooled.probabilities is None
