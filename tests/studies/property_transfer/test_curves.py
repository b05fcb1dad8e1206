"""Learning curves: the same compounds for every way, and nothing of a test compound but what it may know."""

from dataclasses import replace

import numpy as np
import pytest

from tests.studies.property_transfer.small import CURVES, SCORING, compounds
from tests.studies.property_transfer.small import WAYS as PARAMS
from tmdscope.scores.cohort import Cohort
from tmdscope.studies.property_transfer import ways
from tmdscope.studies.property_transfer.curves import (
    ALL,
    CheapInputs,
    _coverage,
    _element_folds,
    _folds,
    predict_curves,
)
from tmdscope.studies.property_transfer.ways import WAYS, Values, make_way, parts_of

PREDICTED = [name for name, way in WAYS.items() if not way.known]
KNOWN = [name for name, way in WAYS.items() if way.known and name != "composition"]


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mean of several regressors is one of fast ones here."""
    monkeypatch.setattr(ways, "STACKED", ("ridge", "svr"))


def test_every_compound_is_predicted_in_every_draw_and_again_the_same() -> None:
    cohort = compounds(120)
    found, again = (predict_curves(cohort, CURVES, PARAMS) for _ in range(2))
    for way, own in found.items():
        assert list(own) == ["10", "20", ALL]  # a fold leaves 80
        for (label, said), draws in zip(own.items(), (4, 2, 2), strict=True):
            assert said.shape == (draws, 120)
            assert np.isfinite(said).all()
            np.testing.assert_array_equal(said, again[way][label])
    error = {way: abs(own[ALL] - cohort.targets).mean() for way, own in found.items()}
    assert error["difference_known"] < 0.3 * error["composition"]
    assert error["difference_predicted"] > 0.7 * error["composition"]


def predict_fold(cohort: Cohort) -> dict[str, Values]:
    """Every way's prediction of a fold's test, from 20 labels."""
    pool, test = _folds(cohort, 3, 1)[0]
    return CheapInputs.of(cohort, pool, test, PARAMS, 0).predict(cohort, pool[:20], PARAMS)


def test_a_way_sees_of_a_test_compound_what_it_may() -> None:
    cohort = compounds()
    _, test = _folds(cohort, 3, 1)[0]
    hidden = cohort.inputs.copy()
    hidden[test, -1] += 1
    dear = cohort.targets.copy()
    dear[test] += 5
    said, blind, later = map(
        predict_fold, (cohort, replace(cohort, features=hidden), replace(cohort, targets=dear))
    )
    for name in WAYS:
        np.testing.assert_array_equal(said[name], later[name])
        assert (said[name] != blind[name]).all() == (name in KNOWN)
        if name in PREDICTED:
            np.testing.assert_array_equal(said[name], blind[name])


def test_labels_that_are_not_known_are_not_learnt_from() -> None:
    cohort = compounds()
    pool, _ = _folds(cohort, 3, 1)[0]
    dear = cohort.targets.copy()
    dear[pool[20:]] += 5
    one, other = map(predict_fold, (cohort, replace(cohort, targets=dear)))
    for name in WAYS:
        np.testing.assert_array_equal(one[name], other[name])


def test_what_ways_share_is_as_if_each_were_trained_alone() -> None:
    cohort = compounds()
    pool, test = _folds(cohort, 3, 1)[0]
    said, known = predict_fold(cohort), pool[:20]
    dear = np.where(np.isin(np.arange(60), known), cohort.targets, np.nan)
    for name in ("multitask_predicted", "multitask_known"):
        alone = make_way(name, PARAMS).fit(cohort.inputs[pool], dear[pool])
        np.testing.assert_allclose(said[name], alone.predict(cohort.inputs[test]))
    for name in ("latent_known", "stack_known"):
        alone = [
            make_way(part, PARAMS, regressor)
            .fit(cohort.inputs[known], cohort.targets[known])
            .predict(cohort.inputs[test])
            for part, regressor in parts_of(name, PARAMS)
        ]
        np.testing.assert_allclose(said[name], np.mean(alone, axis=0))


def test_an_element_is_left_out_whole_unless_most_compounds_or_few_have_it() -> None:
    systems = np.array(["Ga-O"] * 12 + ["O-Zn"] * 20 + ["Ga-S"] * 12 + ["S-Zn"] * 3 + ["Li-O"] * 2)
    left_out = {}
    for pool, test in _element_folds(systems):
        assert sorted([*pool, *test]) == list(range(len(systems)))
        (element,) = set.intersection(*(set(system.split("-")) for system in systems[test]))
        left_out[element] = len(test)
        assert not any(element in system.split("-") for system in systems[pool])
    assert left_out == {"Ga": 24, "Zn": 23}


def test_intervals_are_measured_on_compounds_that_were_not_learnt_from() -> None:
    found = _coverage(compounds(200), CURVES, PARAMS, SCORING)
    assert list(found) == ["0.8", "0.9", "0.95"]
    for level, one in found.items():
        assert abs(one.share - float(level)) < 0.08
        assert one.ci95 is not None
    widths = [one.width for one in found.values()]
    assert widths == sorted(widths)
