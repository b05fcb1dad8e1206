"""Nested searches in a framing: what they see, what they choose, and what they say of other images."""

from dataclasses import replace

import numpy as np
import pytest

from tmdscope.errors import UserError
from tmdscope.materials import INVALID
from tmdscope.params.families import FramedSearchParams
from tmdscope.params.reading import ParamsError, parse_section
from tmdscope.search.framed import FramedSearch, Rows, Said, Scale, count_invalid

SCALE = Scale(("900 C", "950 C", "1000 C"), (900.0, 950.0, 1000.0), (925.0, 975.0), "C")
SPACE = {
    "family": {"kind": "categorical", "choices": ["svc"]},
    "power": {"kind": "categorical", "choices": [1.0]},
    "l2": {"kind": "categorical", "choices": [False]},
    "standardise": {"kind": "categorical", "choices": [True]},
    "gamma": {"kind": "log-uniform", "low": 0.3, "high": 3.0},
    "svc_c": {"kind": "log-uniform", "low": 0.1, "high": 10.0},
    "balanced": {"kind": "categorical", "choices": [False]},
    "epsilon": {"kind": "uniform", "low": 0.05, "high": 0.5, "when": {"framing": ["regression"]}},
}
CONTENT = {
    "framings": ["nominal", "ordinal", "regression"],
    "select": {"nominal": "accuracy", "ordinal": "macro_f1", "regression": "rmse"},
    "trials": 4,
    "sampler": "tpe",
    "startup": 2,
    "seed": 1,
    "prune_folds": 0.0,
    "space": SPACE,
}


def read(**changes):
    return parse_section("models", {**CONTENT, **changes}, FramedSearchParams, "here")


def rows(images=90):
    rng = np.random.default_rng(5)
    labels = np.arange(images) % 3
    features = labels[:, None] * 1.5 + rng.normal(size=(images, 4))
    return Rows(features, labels, np.array([f"S{k // 6:03d}-{k % 3}" for k in range(images)]))


@pytest.mark.parametrize("framing", ["nominal", "ordinal", "regression"])
def test_what_is_chosen_predicts_images_that_it_never_saw(framing):
    held = rows()
    seen, unseen = held.take(np.arange(60)), np.arange(60, 90)
    search = FramedSearch(read(), framing, SCALE, 3, 7)
    chosen, said = search.predict_unseen(seen, held.features[unseen])
    again, repeated = search.predict_unseen(seen, held.features[unseen])
    assert chosen == again
    np.testing.assert_array_equal(said.numbers, repeated.numbers)
    assert np.mean(said.labels == held.labels[unseen]) > 0.6
    assert len(chosen.trials) == 4
    assert ("epsilon" in chosen.settings) == (framing == "regression")
    assert (said.probabilities is None) == (framing == "regression")
    best = max if framing != "regression" else min
    assert chosen.value == best(trial["value"] for trial in chosen.trials)


def test_numbers_on_an_edge_are_below_it():
    assert SCALE.classify(np.array([800.0, 925.0, 925.1, 975.0, 976.0])).tolist() == [0, 0, 1, 1, 2]


def test_a_search_whose_trials_all_fail_says_why():
    equal = replace(rows(), features=np.ones((90, 4)))
    with pytest.raises(UserError, match=r"none of 4 trials is complete.*all features are equal"):
        FramedSearch(read(), "nominal", SCALE, 3, 7).choose(equal)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"framings": ["nominal"]}, "select must name a metric for each of the framings"),
        ({"space": {**SPACE, "epsilom": SPACE["epsilon"]}}, "no family has 'epsilom'.*epsilon"),
        ({"space": {key: value for key, value in SPACE.items() if key != "svc_c"}}, "lacks 'svc_c'"),
        (
            {"space": {**SPACE, "gamma": {**SPACE["gamma"], "when": {"framing": ["nominal"]}}}},
            "gamma: it must be drawn for svc",
        ),
        ({"space": {**SPACE, "svc_c": {"kind": "uniform", "low": -1.0, "high": 1.0}}}, "greater than 0"),
    ],
)
def test_a_space_that_does_not_fit_is_refused(changes, message):
    with pytest.raises(ParamsError, match=message):
        read(**changes)


def test_images_of_no_class_are_counted():
    labels, numbers = np.array([0, INVALID, 2]), np.zeros(3)
    assert count_invalid(Said(labels, numbers)) == 1
    assert count_invalid(Said(np.zeros(3, int), numbers, None, np.array([INVALID, INVALID, 1]))) == 2
